"""The quality room, spectra: the short-time Fourier transform of a clip, made once and read by every check that listens
to frequencies.

What is kept of a frame is its power in a few bands; of half a second of frames, the mean of every bin and how much
it wavers. Whole spectrograms would cost more memory than the clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Floats = NDArray[np.float32]

N_FFT = 2048
HOP = 1024  # with a Hann window every sample still counts the same
BINS = N_FFT // 2 + 1
SPECTRUM_FLOOR = 1e-12  # power, −120 dB under a sine of the channel's peak: rounding noise of float32 lies below
NO_SOUND = 1e-6  # power, −60 dB under the channel's peak: pauses say nothing about a spectrum
BAND_FROM_HZ = 50.0
BAND_TO_HZ = 16_000.0
RANGE_TO_HZ = 7200.0  # 0.9 of the Nyquist frequency of 16 kHz: the range must not tell at what rate a sound is kept
EDGE_FROM_HZ = 1000.0  # above it may lie the end of what a file carries: the spectrum falls
EDGE_DB = 30.0  # by so much
EDGE_WIDTH = 16  # within a sixteenth of the frequency, and stays there
BANDS = 24
SEGMENT_S = 0.5
MOST_FRAMES_AT_ONCE = 64  # fits a core's cache
FACTORS = 6  # log a + log b + … = log ab…: a sixth of the logarithms; the floor's root to the sixth is still a float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """Of one channel whose peak is 1. Power 1 is a full-scale sine on a bin.

    frame_rate: frames per second, the first centred on sample N_FFT / 2
    frequencies: Hz of each bin [BINS]
    average_db: mean over sounding frames of the log power [BINS]; None when no frame has sound
    edges: the first bin of each band and the end of the last [bands + 1]; bands are equal steps of log frequency
    bands: power per bin, averaged over the band [frames, bands]; 0 in frames without sound
    segment_frames: frames in a segment
    mean, wavering: of each whole segment and bin [segments, BINS], the mean power and its variance over mean²
        (0 for a steady tone, 1 for noise); 0 and inf in segments with a pause
    """

    frame_rate: float
    frequencies: NDArray[np.float64]
    average_db: NDArray[np.float64] | None
    edges: NDArray[np.int64]
    bands: Floats
    segment_frames: int
    mean: Floats
    wavering: Floats

    def seconds(self, frame: float) -> float:
        """Where the middle of a frame lies."""
        return (frame * HOP + N_FFT / 2) / (self.frame_rate * HOP)


def _hann() -> Samples:
    """Periodic Hann window, scaled so that a full-scale sine on a bin has power 1 there."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    return np.asarray(window * 2 / window.sum(), dtype=np.float32)


HANN = _hann()


def top_hz(sample_rate: int) -> float:
    """Where judging a spectrum ends: above it MP3's low-pass would decide, whatever the sound is."""
    return min(BAND_TO_HZ, 0.9 * sample_rate / 2)


def band_edges(sample_rate: int) -> NDArray[np.int64]:
    """Bins that bound the bands [bands + 1]; where bands would be narrower than a bin, there are fewer of them."""
    hertz = np.geomspace(BAND_FROM_HZ, max(top_hz(sample_rate), 2 * BAND_FROM_HZ), BANDS + 1)
    edges = np.unique(np.rint(hertz * N_FFT / sample_rate).astype(np.int64))
    return edges[(edges >= 1) & (edges < BINS)]


def spectra(channel: Samples, blocks: NDArray[np.float64], block: int, sample_rate: int) -> Spectra:
    """Of one channel [time] whose peak is 1, with the sums of squares of its whole blocks of `block` samples, which
    divides HOP."""
    if channel.size < N_FFT:
        channel = np.pad(channel, (0, N_FFT - channel.size))
        power = np.ones(1)
    else:
        per_hop = blocks[: blocks.size // (HOP // block) * (HOP // block)].reshape(-1, HOP // block).sum(axis=1)
        power = (per_hop[:-1] + per_hop[1:]) / N_FFT
    sounding = power >= NO_SOUND
    frames = sliding_window_view(channel, N_FFT)[::HOP][: power.size]
    size = max(4, round(SEGMENT_S * sample_rate / HOP))
    edges = band_edges(sample_rate)
    bands = np.zeros((len(frames), max(edges.size - 1, 0)), dtype=np.float32)
    count = len(frames) // size
    mean = np.zeros((count, BINS), dtype=np.float32)
    wavering = np.full((count, BINS), np.inf, dtype=np.float32)
    each = np.full(size, 1 / size, dtype=np.float32)
    total = np.zeros(BINS)
    at_once = size * max(1, MOST_FRAMES_AT_ONCE // size)
    for start in range(0, len(frames), at_once):
        here = slice(start, min(start + at_once, len(frames)))
        heard = sounding[here]
        if not heard.any():
            continue
        levels = _magnitude(frames[here] if heard.all() else frames[here][heard])
        found = np.square(levels)
        if bands.shape[1]:
            sums = np.add.reduceat(found[:, : edges[-1]], edges[:-1], axis=1)
            bands[here][heard] = sums / np.diff(edges).astype(np.float32)
        whole = min(here.stop // size, count) - start // size
        full = np.flatnonzero(heard[: whole * size].reshape(whole, size).all(axis=1))
        if full.size:
            firsts: NDArray[np.int64] = np.cumsum(heard) - heard  # of a frame, among those that are heard
            these = (
                found[firsts[full * size][:, None] + np.arange(size)] if full.size < whole else found[: whole * size]
            )
            these = these.reshape(full.size, size, BINS)
            average = np.maximum(each @ these, np.float32(SPECTRUM_FLOOR))
            mean[start // size + full] = average
            spread = np.einsum("sfb,sfb->sb", these, these) / np.float32(size)
            wavering[start // size + full] = spread / np.square(average) - 1
        total += _log_sum(levels)
    heard_frames = int(sounding.sum())
    return Spectra(
        frame_rate=sample_rate / HOP,
        frequencies=np.arange(BINS, dtype=np.float64) * (sample_rate / N_FFT),
        average_db=total * (10 / math.log(10) / heard_frames) if heard_frames else None,
        edges=edges,
        bands=bands,
        segment_frames=size,
        mean=mean,
        wavering=wavering,
    )


def _magnitude(frames: Samples) -> Floats:
    """Square root of the power of each bin [frames, BINS]."""
    levels: Floats = np.abs(scipy.fft.rfft(frames * HANN, axis=1, overwrite_x=True))
    return levels


def _log_sum(levels: Floats) -> Floats:
    """Sum over the frames of the log power of each bin, from its root; `levels` is used up."""
    np.maximum(levels, np.float32(math.sqrt(SPECTRUM_FLOOR)), out=levels)
    rows = -(-len(levels) // FACTORS)
    product = levels[:rows]
    for start in range(rows, len(levels), rows):
        part = levels[start : start + rows]
        product[: len(part)] *= part
    summed: Floats = 2 * np.log(product).sum(axis=0)
    return summed


def carried_hz(found: Spectra) -> float:
    """Where the spectrum ends for good: a sound brought from a lower rate to a higher one has nothing above."""
    spectrum, frequencies = found.average_db, found.frequencies
    if spectrum is None:
        return float(frequencies[-1])
    bins = np.arange(int(np.searchsorted(frequencies, EDGE_FROM_HZ)), BINS - 2)
    width = bins // EDGE_WIDTH + 2
    sums = np.concatenate(([0.0], np.cumsum(spectrum)))
    below = (sums[bins] - sums[np.maximum(bins - width, 0)]) / np.minimum(width, bins)
    highest_from = np.maximum.accumulate(spectrum[::-1])[::-1]
    ends = below - highest_from[np.minimum(bins + width, BINS - 1)] > EDGE_DB
    return float(frequencies[bins[ends][0]]) if ends.any() else float(frequencies[-1])


def range_and_tilt(found: Spectra, sample_rate: int) -> tuple[float | None, float | None]:
    """Highest minus lowest value of the average spectrum in dB up to 7.2 kHz (or 0.9 of where it ends), and its slope
    in dB per octave up to `top_hz`."""
    spectrum = found.average_db
    band = (found.frequencies >= BAND_FROM_HZ) & (found.frequencies <= top_hz(sample_rate))
    if spectrum is None or not band.any():
        return None, None
    octaves = np.log2(found.frequencies[band])
    octaves -= octaves.mean()
    spread = float(octaves @ octaves)
    # Outside the band MP3's low-pass and a DC offset would decide the range, whatever the sound is.
    # Below 7.2 kHz every rate from 16 kHz on carries the same.
    narrow = band & (found.frequencies <= min(RANGE_TO_HZ, 0.9 * carried_hz(found)))
    return float(np.ptp(spectrum[narrow if narrow.any() else band])), float(
        octaves @ spectrum[band]
    ) / spread if spread > 0 else None
