"""The quality room, measuring: what can be said of a clip in numbers, and where in it something is wrong.

Pure numpy, run in the engine process. Every channel is judged and the worst one counts, so one broken
channel of a stereo clip is not hidden by a sound one; MEASUREMENTS says what "worst" is for each number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundmill.quality.defects import Defect, bounded, sample_defects, silence_defects
from soundmill.quality.measurements import MEASUREMENTS, MeasurementSpec

__all__ = ["MEASUREMENTS", "Measured", "MeasurementSpec", "measure"]

Samples = NDArray[np.float32]

WINDOW = 1024  # samples of a silence window
SILENCE_DBFS = -60.0
CLIPPED_ABOVE = 0.99  # of full scale
SEGMENT_S = 1.0  # compared for repetition
N_FFT = 2048
HOP = 512
SPECTRUM_FLOOR = 1e-12  # power, −120 dB under a sine of the channel's peak: rounding noise of float32 lies below
NO_SOUND = 1e-6  # power, −60 dB under the channel's peak: pauses say nothing about a spectrum
BAND_FROM_HZ = 50.0
BAND_TO_HZ = 16_000.0
FRAMES_AT_ONCE = 126  # fits a core's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`values` has every name of MEASUREMENTS, None where there is no number; `defects` are plain data
    {name, start_s, end_s, detail} in order of time, at most 100 (the longest ones)."""

    values: Mapping[str, float | None]
    defects: tuple[Defect, ...]


def measure(
    samples: Samples,
    sample_rate: int,
    *,
    requested_s: float | None,
    loudness_lufs: float | None,
    before: Samples | None,
) -> Measured:
    """Measure delivered samples [channels, time] (float32, full scale = 1).

    `requested_s` is the duration asked for; `loudness_lufs` is passed through, since audio/ measures it; `before` are
    the samples before normalisation, any length, for peak and clipping alone. Formulas: MEASUREMENTS. Peak-relative
    numbers (repetition, range, tilt) do not change with gain. A clip without samples counts as silent.

    Raises ValueError unless samples are 2-D and the sample rate positive; never for what the samples hold.
    """
    if samples.ndim != 2 or sample_rate <= 0:
        raise ValueError(f"samples of shape {samples.shape} at {sample_rate} Hz: must be [channels, time], above 0 Hz")
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    sound, bad = _finite(samples)
    peaks = _peaks(sound)
    scale = np.where(peaks > 0, peaks, 1).astype(np.float32)
    scaled: Samples = sound / scale[:, None]  # samples up to 1e38 can then be squared
    blocks = _block_power(scaled)
    silent = _silent_windows(scaled, blocks, peaks)
    means = sound.mean(axis=1, dtype=np.float64) if sound.size else np.zeros(1)
    duration_s = samples.shape[1] / sample_rate
    range_db, tilt = _spectrum(scaled, blocks, peaks, sample_rate)

    clipped = _clipped(sound, peaks)
    raw_peaks = raw_clipped = None
    if before is not None:
        raw, _ = _finite(np.asarray(before, dtype=np.float32))
        raw_peaks = _peaks(raw)
        raw_clipped = _clipped(raw, raw_peaks)
    values: dict[str, float | None] = {
        "silence_share": float(silent.mean(axis=1).max()) if silent.size else 1.0,
        "clipping_share": _share(clipped),
        "repetition_correlation": _repetition(scaled, sample_rate),
        "spectral_range_db": range_db,
        "spectral_tilt_db_per_octave": tilt,
        "loudness_lufs": loudness_lufs,
        "peak_dbfs": _dbfs(peaks.max(initial=0.0)),
        "peak_before_dbfs": None if raw_peaks is None else _dbfs(raw_peaks.max(initial=0.0)),
        "clipping_share_before": None if raw_peaks is None else _share(raw_clipped),
        "rms_dbfs": _rms_dbfs(scaled, peaks),
        "dc_offset": float(means[np.abs(means).argmax()]) if means.size else 0.0,
        "nonfinite_samples": float(0 if bad is None else np.count_nonzero(bad)),
        "duration_s": duration_s,
        "duration_error_s": None if requested_s is None else duration_s - requested_s,
    }
    defects = silence_defects(silent, WINDOW, samples.shape[1], sample_rate)
    for name, mask, what in (
        ("clipping", clipped, "over 0.99 of full scale"),
        ("clipping_before", raw_clipped, "over 0.99 of full scale before normalisation"),
        ("nonfinite", bad, "NaN or infinite"),
    ):
        if mask is not None:
            defects += sample_defects(name, mask, what, sample_rate)
    return Measured(values=values, defects=bounded(defects))


def _finite(samples: Samples) -> tuple[Samples, NDArray[np.bool_] | None]:
    """The samples with non-finite ones as 0, and where those were (None when nowhere)."""
    good = np.isfinite(samples)
    if good.all():
        return samples, None
    return np.where(good, samples, np.float32(0)), ~good


def _peaks(sound: Samples) -> NDArray[np.float64]:
    if sound.size == 0:
        return np.zeros(sound.shape[0])
    peaks = np.maximum(sound.max(axis=1), -sound.min(axis=1))  # half the passes of abs().max()
    return np.asarray(peaks, dtype=np.float64)


def _dbfs(level: float) -> float | None:
    return 20 * math.log10(level) if level > 0 else None


def _clipped(sound: Samples, peaks: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """[channels, time], or None without reading the samples again when no peak is high enough."""
    return np.abs(sound) > CLIPPED_ABOVE if peaks.max(initial=0.0) > CLIPPED_ABOVE else None


def _share(clipped: NDArray[np.bool_] | None) -> float:
    return 0.0 if clipped is None else float(clipped.mean(axis=1).max())


def _block_power(scaled: Samples) -> NDArray[np.float64]:
    """Sum of squares of each whole HOP-sample block [channels, blocks]; windows and frames are made of these."""
    count = scaled.shape[1] // HOP
    blocks = scaled[:, : count * HOP].reshape(scaled.shape[0], count, HOP)
    power: NDArray[np.float64] = np.vecdot(blocks, blocks).astype(np.float64)
    return power


def _silent_windows(scaled: Samples, blocks: NDArray[np.float64], peaks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[channels, windows]: which windows are below −60 dBFS RMS."""
    channels, length = scaled.shape
    if length == 0:
        return np.zeros((channels, 0), dtype=np.bool_)
    if length < WINDOW:
        power = np.mean(np.square(scaled), axis=1, keepdims=True, dtype=np.float64)
    else:
        power = blocks[:, : length // WINDOW * 2].reshape(channels, length // WINDOW, 2).sum(axis=2) / WINDOW
    rms: NDArray[np.float64] = np.sqrt(power) * peaks[:, None]
    return rms < 10 ** (SILENCE_DBFS / 20)


def _rms_dbfs(scaled: Samples, peaks: NDArray[np.float64]) -> float | None:
    heard = np.flatnonzero(peaks)
    if heard.size == 0:
        return None
    return _dbfs(min(float(np.sqrt(np.vecdot(scaled[c], scaled[c]) / scaled.shape[1]) * peaks[c]) for c in heard))


def _repetition(scaled: Samples, sample_rate: int) -> float | None:
    length = round(SEGMENT_S * sample_rate)
    count = scaled.shape[1] // length
    if count < 2:
        return None
    segments = scaled[:, : count * length].reshape(-1, count, length)
    segments = segments - segments.mean(axis=2, keepdims=True)
    power = np.vecdot(segments, segments).astype(np.float64)
    cross = np.vecdot(segments[:, :-1], segments[:, 1:]).astype(np.float64)
    sounding = power >= NO_SOUND * length
    both = sounding[:, :-1] & sounding[:, 1:]
    if not both.any():
        return None
    highest = float((cross[both] / np.sqrt(power[:, :-1][both] * power[:, 1:][both])).max())
    return min(max(highest, -1.0), 1.0)


def _hann() -> Samples:
    """Periodic Hann window, scaled so that a full-scale sine on a bin has power 1 there."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    return np.asarray(window * 2 / window.sum(), dtype=np.float32)


HANN = _hann()


def _spectrum(
    scaled: Samples, blocks: NDArray[np.float64], peaks: NDArray[np.float64], sample_rate: int
) -> tuple[float | None, float | None]:
    """Spectral range in dB and tilt in dB per octave."""
    averages = [_average_spectrum(scaled[c], blocks[c]) for c in np.flatnonzero(peaks)]
    spectra = [average for average in averages if average is not None]
    if not spectra:
        return None, None
    frequencies = np.fft.rfftfreq(N_FFT, 1 / sample_rate)
    band = (frequencies >= BAND_FROM_HZ) & (frequencies <= min(BAND_TO_HZ, 0.9 * sample_rate / 2))
    octaves = np.log2(frequencies[band])
    octaves -= octaves.mean() if octaves.size else 0.0
    spread = float(octaves @ octaves)
    tilts = [float(octaves @ spectrum[band]) / spread for spectrum in spectra] if spread > 0 else []
    # Outside the band MP3's low-pass and a DC offset would decide the range, whatever the sound is.
    ranges = [float(np.ptp(spectrum[band])) for spectrum in spectra] if band.any() else []
    return min(ranges, default=None), max(tilts, key=abs, default=None)


def _average_spectrum(channel: Samples, blocks: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Mean over time of the log power spectrum in dB [N_FFT / 2 + 1]; None when no frame has sound."""
    if channel.size < N_FFT:
        channel = np.pad(channel, (0, N_FFT - channel.size))
        chosen = np.zeros(1, dtype=np.int64)
    else:
        power = sliding_window_view(blocks, N_FFT // HOP).sum(axis=1) / N_FFT
        chosen = np.flatnonzero(power >= NO_SOUND)
    if chosen.size == 0:
        return None
    frames = sliding_window_view(channel, N_FFT)[::HOP]
    total = np.zeros(N_FFT // 2 + 1)
    for at in range(0, chosen.size, FRAMES_AT_ONCE):
        some = chosen[at : at + FRAMES_AT_ONCE]
        unbroken = some[-1] - some[0] + 1 == some.size  # then a slice does, which copies nothing
        windowed = (frames[some[0] : some[-1] + 1] if unbroken else frames[some]) * HANN
        parts = scipy.fft.rfft(windowed, axis=1, overwrite_x=True).view(np.float32)  # real and imaginary in turn
        np.square(parts, out=parts)
        power = parts[:, 0::2] + parts[:, 1::2]
        np.maximum(power, np.float32(SPECTRUM_FLOOR), out=power)
        third = -(-len(power) // 3)
        product = power[:third]  # log a + log b + log c = log abc: a third of the logarithms; 1e-36 is still a float32
        for part in (power[third : 2 * third], power[2 * third :]):
            product[: len(part)] *= part
        total += np.log(product).sum(axis=0)
    return total * (10 / math.log(10) / chosen.size)
