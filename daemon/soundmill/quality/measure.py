"""The quality room, measuring: what can be said of a clip in numbers, and where in it something is wrong.

Pure numpy, run in the engine process. Every channel is judged and the worst one counts, so one broken
channel of a stereo clip is not hidden by a sound one; MEASUREMENTS says what "worst" is for each number. Channels come
in the order of a WAV file, see audio/channels.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors import defects as places
from soundmill.quality.detectors.clicks import clicks
from soundmill.quality.detectors.clipping import flat_tops
from soundmill.quality.detectors.defects import Defect
from soundmill.quality.detectors.dropouts import Pauses, pauses
from soundmill.quality.detectors.loops import Loop, find_loop
from soundmill.quality.detectors.noise import noise_span
from soundmill.quality.detectors.spectra import NO_SOUND, Spectra, range_and_tilt, spectra
from soundmill.quality.detectors.steps import level_step
from soundmill.quality.detectors.stereo import balance, correlation
from soundmill.quality.detectors.tones import StuckTone, stuck_tone
from soundmill.quality.measurements import MEASUREMENTS, METER, MeasurementSpec

__all__ = ["MEASUREMENTS", "Measured", "MeasurementSpec", "measure"]

Samples = NDArray[np.float32]

BLOCK = 64  # samples of the finest level; windows and frames are made of these
WINDOW = 1024  # samples of a silence window
SILENCE_DBFS = -60.0
CLIPPED_ABOVE = 0.99  # of full scale
SEGMENT_S = 1.0  # compared for repetition
OFFSET_BLOCK_S = 0.1
STEP_FROM_DB = 3.0  # smaller steps are not listed as defects
LFE = 3  # of six channels: bass effects, which are silent or rumbling without fault


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
    meter: Mapping[str, float | None] = MappingProxyType({}),
    overwrite_samples: bool = False,
) -> Measured:
    """Measure delivered samples [channels, time] (float32, full scale = 1).

    `requested_s` is the duration asked for; `loudness_lufs`, and in `meter` the other names of METER, are passed
    through, since audio/ measures them; `before` are the samples before normalisation, any length, for peak and
    clipping alone. Formulas: MEASUREMENTS. Peak-relative numbers (repetition, range, tilt) do not change with gain. A
    clip without samples counts as silent. Of six channels the fourth is the LFE, looked at for peaks and clipping
    alone; of more than two, those without any sound are left out unless all are. With `overwrite_samples` they are used
    up, which saves a third of the memory.

    Raises ValueError unless samples are 2-D and the sample rate positive; never for what the samples hold.
    """
    if samples.ndim != 2 or sample_rate <= 0:
        raise ValueError(f"samples of shape {samples.shape} at {sample_rate} Hz: must be [channels, time], above 0 Hz")
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    sound, bad = _finite(samples)
    lows, highs = _extremes(sound)
    peaks = np.maximum(highs, -lows)
    clipped = [_clipped(sound[c], lows[c], highs[c]) for c in range(len(sound))]
    flat = [flat_tops(sound[c], lows[c], highs[c]) for c in range(len(sound))]
    scale = np.where(peaks > 0, peaks, 1).astype(np.float32)
    scaled: Samples = np.divide(sound, scale[:, None], out=sound if overwrite_samples else None)  # 1e38 can be squared
    blocks = _block_power(scaled)
    power = np.vecdot(scaled, scaled).astype(np.float64)
    duration_s = samples.shape[1] / sample_rate
    judged = _judged(peaks)
    silent = _silent_windows(scaled, blocks, peaks)[judged]
    if len(scaled) > 2:  # films are mixed with channels that are silent for most of the time
        silent = np.asarray(silent.all(axis=0, keepdims=True))
    found = {c: spectra(scaled[c], blocks[c], BLOCK, sample_rate) for c in judged if peaks[c] > 0}
    shapes = [range_and_tilt(each, sample_rate) for each in found.values()]

    heard = scaled if len(judged) == len(scaled) else scaled[judged]
    values: dict[str, float | None] = {
        "silence_share": float(silent.mean(axis=1).max()) if silent.size else 1.0,
        "clipping_share": _listed_share(clipped, samples.shape[1]),
        "repetition_correlation": _repetition(heard, sample_rate),
        "spectral_range_db": min((span for span, _ in shapes if span is not None), default=None),
        "spectral_tilt_db_per_octave": max((tilt for _, tilt in shapes if tilt is not None), key=abs, default=None),
        **dict.fromkeys(METER),
        **meter,
        "loudness_lufs": loudness_lufs,
        "peak_dbfs": _dbfs(peaks.max(initial=0.0)),
        "peak_before_dbfs": None,
        "clipping_share_before": None,
        "rms_dbfs": _rms_dbfs(power / max(samples.shape[1], 1), peaks),
        "dc_offset": max((_offset(scaled[c], sample_rate) * float(peaks[c]) for c in judged), key=abs, default=0.0),
        "nonfinite_samples": float(0 if bad is None else np.count_nonzero(bad)),
        "duration_s": duration_s,
        "duration_error_s": None if requested_s is None else duration_s - requested_s,
        "flat_share": _listed_share(flat, samples.shape[1]),
        "flat_share_before": None,
    }
    where = places.silence_defects(silent, WINDOW, samples.shape[1], sample_rate)
    if bad is not None:
        where += places.sample_defects("nonfinite", bad, "NaN or infinite", sample_rate)
    where += places.listed_defects("clipping", clipped, "over 0.99 of full scale", sample_rate)
    where += places.listed_defects("flat_tops", flat, "in flat tops", sample_rate)
    for more, there in (
        _before(before, sample_rate),
        _pauses(blocks, peaks, judged, sample_rate, duration_s),
        _clicks(scaled, peaks, judged, sample_rate),
        _course(found, heard, sample_rate, duration_s),
        _stereo(scaled, power, peaks),
    ):
        values |= more
        where += there
    return Measured(values=values, defects=places.bounded(where))


Part = tuple[dict[str, float | None], list[Defect]]


def _judged(peaks: NDArray[np.float64]) -> list[int]:
    """The channels whose sound is judged."""
    channels = list(range(len(peaks)))
    if len(channels) <= 2:
        return channels
    if len(channels) == 6:
        channels.remove(LFE)
    return [channel for channel in channels if peaks[channel] > 0] or channels


def _before(before: Samples | None, sample_rate: int) -> Part:
    """Peak and clipping of what normalisation or encoding may have hidden."""
    if before is None:
        return {}, []
    raw, _ = _finite(np.asarray(before, dtype=np.float32))
    lows, highs = _extremes(raw)
    peaks = np.maximum(highs, -lows)
    clipped = [_clipped(raw[c], lows[c], highs[c]) for c in range(len(raw))]
    flat = [flat_tops(raw[c], lows[c], highs[c]) for c in range(len(raw))]
    where = places.listed_defects("flat_tops_before", flat, "in flat tops before normalisation", sample_rate)
    what = "over 0.99 of full scale before normalisation"
    where += places.listed_defects("clipping_before", clipped, what, sample_rate)
    return {
        "peak_before_dbfs": _dbfs(peaks.max(initial=0.0)),
        "clipping_share_before": _listed_share(clipped, raw.shape[1]),
        "flat_share_before": _listed_share(flat, raw.shape[1]),
    }, where


def _pauses(
    blocks: NDArray[np.float64], peaks: NDArray[np.float64], judged: list[int], sample_rate: int, duration_s: float
) -> Part:
    levels = blocks[judged] / BLOCK * np.square(peaks[judged])[:, None]
    block_s = BLOCK / sample_rate
    together = pauses(levels.max(axis=0), block_s, duration_s) if levels.size else pauses(levels.ravel(), block_s, 0.0)
    alone: Sequence[Pauses] = [pauses(each, block_s, duration_s) for each in levels]
    values: dict[str, float | None] = {
        "silence_head_s": together.head_s,
        "silence_tail_s": together.tail_s,
        "silence_inside_s": together.inside_s,
        "dropout_s": max((sum(end - start for start, end in each.dropouts) for each in alone), default=0.0),
    }
    return values, places.span_defects("dropouts", [each.dropouts for each in alone], "the sound drops out")


def _clicks(scaled: Samples, peaks: NDArray[np.float64], judged: list[int], sample_rate: int) -> Part:
    found = [clicks(scaled[c], sample_rate) if peaks[c] > 0 else np.zeros(0) for c in judged]
    spans = [[(float(at), float(at)) for at in each] for each in found]
    count = float(max((each.size for each in found), default=0))
    return {"clicks": count}, places.span_defects("clicks", spans, "a click")


def _course(found: Mapping[int, Spectra], heard: Samples, sample_rate: int, duration_s: float) -> Part:
    """What the spectra say over time: loops, stuck tones, noise, level steps."""
    tones: list[StuckTone] = [tone for each in found.values() if (tone := stuck_tone(each))]
    tone = max(tones, key=lambda each: each.end_s - each.start_s, default=None)
    noises = [span for each in found.values() if (span := noise_span(each))]
    noise = max(noises, key=lambda span: span[1] - span[0], default=None)
    steps = [level_step(each) for each in found.values()]
    step, step_at = max(steps, default=(0.0, 0.0))
    loop: Loop | None = None
    if found:
        first = next(iter(found.values()))
        together = np.sum([each.bands for each in found.values()], axis=0)
        loop = find_loop(heard, sample_rate, together, first.frame_rate)
    where = []
    if tone:
        where.append(places.defect("stuck_tone", tone.start_s, tone.end_s, f"a steady tone of {tone.hertz:.0f} Hz"))
    if noise:
        where.append(places.defect("noise", *noise, "noise"))
    if step >= STEP_FROM_DB:
        where.append(places.defect("level_step", step_at, step_at, f"the level jumps by {step:.1f} dB"))
    if loop:
        detail = f"repeats what was {loop.period_s:.3f} s earlier"
        where.append(places.defect("loops", loop.start_s, loop.end_s, detail))
    return {
        "stuck_tone_s": tone.end_s - tone.start_s if tone else 0.0,
        "stuck_tone_hz": tone.hertz if tone else None,
        "noise_s": noise[1] - noise[0] if noise else 0.0,
        "level_step_db": step,
        "loop_share": (loop.end_s - loop.start_s) / duration_s if loop else 0.0,
        "loop_period_s": loop.period_s if loop else None,
    }, where


def _stereo(scaled: Samples, power: NDArray[np.float64], peaks: NDArray[np.float64]) -> Part:
    if len(scaled) != 2:
        return {"channel_difference_db": None, "stereo_correlation": None}, []
    return {
        "channel_difference_db": balance(power * np.square(peaks)),
        "stereo_correlation": correlation(scaled[0], scaled[1], power),
    }, []


def _finite(samples: Samples) -> tuple[Samples, NDArray[np.bool_] | None]:
    """The samples with non-finite ones as 0, and where those were (None when nowhere)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.vecdot(samples, samples)).all():  # a tenth of the time; what overflows is looked at again
            return samples, None
    good = np.isfinite(samples)
    if good.all():
        return samples, None
    return np.where(good, samples, np.float32(0)), ~good


def _extremes(sound: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest sample of each channel, at least 0 on either side."""
    if sound.size == 0:
        return np.zeros(sound.shape[0]), np.zeros(sound.shape[0])
    lows, highs = np.minimum(sound.min(axis=1), 0), np.maximum(sound.max(axis=1), 0)
    return lows.astype(np.float64), highs.astype(np.float64)


def _dbfs(level: float) -> float | None:
    return 20 * math.log10(level) if level > 0 else None


def _offset(channel: Samples, sample_rate: int) -> float:
    """The offset from zero that lasts: of the means of 0.1 s blocks, the lower quartile towards zero."""
    block = min(max(1, round(OFFSET_BLOCK_S * sample_rate)), channel.size)
    if block == 0:
        return 0.0
    count = channel.size // block
    means = channel[: count * block].reshape(count, block).mean(axis=1)
    sign = 1.0 if float(means.mean()) >= 0 else -1.0
    return sign * max(float(np.quantile(sign * means, 0.25)), 0.0)


def _clipped(channel: Samples, low: float, high: float) -> NDArray[np.int64]:
    """The samples [n] of one channel that are over 0.99 of full scale, in order; `low` and `high` are its extremes."""
    found = [np.flatnonzero(channel > CLIPPED_ABOVE)] if high > CLIPPED_ABOVE else []
    found += [np.flatnonzero(channel < -CLIPPED_ABOVE)] if low < -CLIPPED_ABOVE else []
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _listed_share(samples: Sequence[NDArray[np.int64]], length: int) -> float:
    return max((each.size for each in samples), default=0) / max(length, 1)


def _block_power(scaled: Samples) -> NDArray[np.float64]:
    """Sum of squares of each whole block [channels, blocks]."""
    count = scaled.shape[1] // BLOCK
    blocks = scaled[:, : count * BLOCK].reshape(scaled.shape[0], count, BLOCK)
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
        per, count = WINDOW // BLOCK, length // WINDOW
        power = blocks[:, : count * per].reshape(channels, count, per).sum(axis=2) / WINDOW
    rms: NDArray[np.float64] = np.sqrt(power) * peaks[:, None]
    return rms < 10 ** (SILENCE_DBFS / 20)


def _rms_dbfs(mean_square: NDArray[np.float64], peaks: NDArray[np.float64]) -> float | None:
    heard = peaks > 0
    if not heard.any():
        return None
    return _dbfs(float((np.sqrt(mean_square[heard]) * peaks[heard]).min()))


def _repetition(scaled: Samples, sample_rate: int) -> float | None:
    length = round(SEGMENT_S * sample_rate)
    count = scaled.shape[1] // length
    if count < 2:
        return None
    segments = scaled[:, : count * length].reshape(-1, count, length)
    offsets = segments.mean(axis=2, dtype=np.float32).astype(np.float64)
    power = np.vecdot(segments, segments).astype(np.float64)
    if (length * np.square(offsets) > 0.1 * power).any():  # taking large ones off the sums would leave rounding errors
        segments = segments - offsets.astype(np.float32)[..., None]
        offsets[:] = 0
        power = np.vecdot(segments, segments).astype(np.float64)
    power -= length * np.square(offsets)
    cross = np.vecdot(segments[:, :-1], segments[:, 1:]) - length * offsets[:, :-1] * offsets[:, 1:]
    sounding = power >= NO_SOUND * length
    both = sounding[:, :-1] & sounding[:, 1:]
    if not both.any():
        return None
    highest = float((cross[both] / np.sqrt(power[:, :-1][both] * power[:, 1:][both])).max())
    return min(max(highest, -1.0), 1.0)
