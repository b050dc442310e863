"""Musical, onsets: how loud a sound is by bands, and how strongly something begins, a hundred times a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

FRAMES_PER_S = 100
LOWEST_RATE = 11_025  # Hz: what is heard of beats lies below half of it
WINDOW_S = 0.032
BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 40.0, 8_000.0
LEAST_LEFT = 0.05  # of a channel's power in the mean of all; less is what is left of channels that cancel out
FLOOR_DB = 60.0  # below the loudest frame: what is quieter begins unheard
LOCAL_S = 0.4
AT_ONCE = 2048  # frames, so that a long file does not fill the memory

Floats = NDArray[np.float32]


def mono(samples: Floats) -> Floats:
    """The mean of the channels [time]; of channels that cancel out, the first."""
    first: Floats = samples[0]
    if len(samples) == 1:
        return first
    mixed: Floats = samples.mean(axis=0, dtype=np.float32)
    return mixed if np.vdot(mixed, mixed) > LEAST_LEFT * np.vdot(first, first) else first


def thinned(sound: Floats, sample_rate: int, lowest_rate: int) -> tuple[Floats, float]:
    """The sound [time] at the sample rate divided by the largest power of two that leaves `lowest_rate`, and that rate.

    Each halving is by (1 4 6 4 1) / 16, which leaves what lies well below half of the new rate as it is.
    """
    rate = float(sample_rate)
    while rate / 2 >= lowest_rate and sound.size >= 8:
        even, odd = sound[: sound.size // 2 * 2 : 2], sound[1::2]
        half = np.float32(0.375) * even
        half[1:] += np.float32(0.0625) * even[:-1]
        half[:-1] += np.float32(0.0625) * even[1:]
        half += np.float32(0.25) * odd
        half[1:] += np.float32(0.25) * odd[:-1]
        sound, rate = half, rate / 2
    return sound, rate


def band_levels(samples: Floats, sample_rate: int) -> Floats:
    """Levels of up to 24 bands from 40 Hz to 8 kHz in dB at FRAMES_PER_S frames a second [frames, bands], none lower
    than 60 dB under the loudest frame.

    Frame i is of the 32 ms that begin at i / FRAMES_PER_S seconds. Samples [channels, time] must be finite; there are
    no frames of less than 32 ms, and of silence.
    """
    sound, rate = thinned(mono(samples), sample_rate, LOWEST_RATE)
    window = max(16, round(WINDOW_S * rate))
    count = int((sound.size - window) / rate * FRAMES_PER_S) + 1 if sound.size >= window else 0
    starts = np.round(np.arange(count) * (rate / FRAMES_PER_S)).astype(np.int64)
    starts = starts[starts + window <= sound.size]
    bins = band_edges(window, rate)
    if not starts.size:
        return np.zeros((0, bins.size - 1), np.float32)
    inside = np.lib.stride_tricks.sliding_window_view(sound, window)
    shape = np.hanning(window).astype(np.float32)
    bands = np.empty((starts.size, bins.size - 1), np.float32)
    for first in range(0, starts.size, AT_ONCE):
        bands[first : first + AT_ONCE] = band_power(inside[starts[first : first + AT_ONCE]] * shape, bins)
    loudest = float(bands.sum(axis=1).max())
    if loudest <= 0:
        return np.zeros((0, bins.size - 1), np.float32)
    levels: Floats = 10 * np.log10(bands + np.float32(loudest * 10 ** (-FLOOR_DB / 10)))
    return levels


def band_edges(window: int, rate: float) -> NDArray[np.int64]:
    """The bins of a spectrum of `window` samples where bands of equal ratio begin, and where the last one ends."""
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate / 2), BANDS + 1) * window / rate
    bins: NDArray[np.int64] = np.unique(np.round(edges).astype(np.int64))
    return bins


def band_power(frames: Floats, bins: NDArray[np.int64]) -> Floats:
    """The power of each band of windowed frames [frames, time]: [frames, bands]."""
    spectra = rfft(frames, axis=1)
    power = spectra.real**2 + spectra.imag**2
    bands: Floats = np.add.reduceat(power, bins[:-1], axis=1)
    bands[:, -1] -= power[:, bins[-1] :].sum(axis=1)
    return np.maximum(bands, 0)


def onset_strength(samples: Floats, sample_rate: int) -> Floats:
    """How much louder each of these bands became, their mean, at FRAMES_PER_S frames a second [frames].

    Half-wave rectified log spectral flux (Bello et al. 2005, "A Tutorial on Onset Detection in Music Signals", section
    III-B) in dB over 20 ms, less its mean over 0.4 s around.
    """
    levels = band_levels(samples, sample_rate)
    rise = np.zeros(len(levels), np.float32)
    rise[2:] = np.maximum(0, levels[2:] - levels[:-2]).mean(axis=1)
    strength: Floats = np.maximum(0, rise - _around(rise, round(LOCAL_S * FRAMES_PER_S)))
    return strength


def _around(curve: Floats, width: int) -> Floats:
    """The mean over `width` frames around each."""
    sums = np.concatenate([[0.0], np.cumsum(curve, dtype=np.float64)])
    at = np.arange(curve.size)
    low, high = np.maximum(0, at - width // 2), np.minimum(curve.size, at + width // 2 + 1)
    mean: Floats = ((sums[high] - sums[low]) / (high - low)).astype(np.float32)
    return mean
