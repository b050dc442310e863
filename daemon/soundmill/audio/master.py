"""The audio room, mastering: a clip brought to a loudness and under a true-peak ceiling, both of them reached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.limiter import Peaks, limit
from soundmill.audio.loudness import RMS_FLOOR, integrated_loudness

CLOSE_ENOUGH_LU = 0.1
MOST_ROUNDS = 12
LEAST_SLOPE = 0.1  # LU for a decibel of gain, where limiting takes the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastered:
    """The samples [channels, time], what was done to them and what they measure now.

    `gain_db` before limiting; `reduction_db` the most the limiter took back, `worked_share` for how much of the time;
    `short_by_lu` how far under the asked loudness the clip stays, None where none was asked; `bounded` says that it is
    because more would have taken more limiting than allowed. Loudness and true peak are None for silence.
    """

    samples: NDArray[np.float32]
    gain_db: float
    reduction_db: float
    worked_share: float
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    short_by_lu: float | None
    bounded: bool


def master(
    samples: NDArray[np.float32],
    sample_rate: int,
    *,
    target_lufs: float | None,
    ceiling_dbtp: float,
    most_reduction_db: float,
    gain_db: float = 0.0,
) -> Mastered:
    """The clip [channels, time], full scale = 1, at `target_lufs` (ITU-R BS.1770-4) and under `ceiling_dbtp`.

    Gain, limiting and measuring take turns until the loudness is within 0.1 LU, by the secant of what the last gains
    did, or until the limiter would take back more than `most_reduction_db`. With no target the gain is `gain_db`. What
    is quieter than -54 dBFS RMS keeps its level, as in normalisation: a boost would be of noise. Non-finite samples
    must have been removed. Raises ValueError unless samples are 2-D.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples of shape {samples.shape}: must be [channels, time]")
    peaks = Peaks.of(samples, sample_rate)
    most = ceiling_dbtp - peaks.highest_db + most_reduction_db
    before = None if target_lufs is None else _loudness_of(samples, sample_rate)
    if target_lufs is None or before is None:
        gain = min(gain_db, most) if target_lufs is None else 0.0
        return _mastered(peaks, gain, ceiling_dbtp, target_lufs, bounded=gain < gain_db)
    gain = min(target_lufs - before, most)
    tried: tuple[float, float] | None = None
    for _ in range(MOST_ROUNDS):
        made = _mastered(peaks, gain, ceiling_dbtp, target_lufs, bounded=gain >= most)
        if made.loudness_lufs is None:
            break
        missing = target_lufs - made.loudness_lufs
        if abs(missing) <= CLOSE_ENOUGH_LU or (missing > 0 and gain >= most):
            break
        slope = 1.0
        if tried is not None and abs(gain - tried[0]) > 1e-6:
            slope = min(1.0, max(LEAST_SLOPE, (made.loudness_lufs - tried[1]) / (gain - tried[0])))
        tried = gain, made.loudness_lufs
        gain = min(gain + missing / slope, most)
    return made


def _mastered(
    peaks: Peaks, gain_db: float, ceiling_dbtp: float, target_lufs: float | None, *, bounded: bool
) -> Mastered:
    limited = limit(peaks, gain_db, ceiling_dbtp)
    loudness = integrated_loudness(limited.samples, peaks.sample_rate)
    short = None if target_lufs is None or loudness is None else target_lufs - loudness
    return Mastered(
        samples=limited.samples,
        gain_db=gain_db,
        reduction_db=limited.reduction_db,
        worked_share=limited.worked_share,
        loudness_lufs=loudness,
        true_peak_dbtp=limited.true_peak_dbtp,
        short_by_lu=short,
        bounded=bounded and short is not None and short > CLOSE_ENOUGH_LU,
    )


def _loudness_of(samples: NDArray[np.float32], sample_rate: int) -> float | None:
    """None for what is too quiet to be brought to a loudness."""
    if samples.size == 0 or float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < RMS_FLOOR:
        return None
    return integrated_loudness(samples, sample_rate)
