"""The audio room, limiting: a ceiling for the true peak, without clicks, pumping or delay.

A whole clip is known, so the limiter looks ahead as far as it likes and delays nothing: the gain goes down before a
peak and comes back after it. It is one gain for all channels, so that the stereo image stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from soundmill.audio.true_peak import peak_envelope, true_peak_dbtp

LOOK_AHEAD_S = 0.005  # how long before a peak the gain begins to go down
RELEASE_DB_PER_S = 30.0  # how fast it comes back
CLOSE_ENOUGH_DB = 0.03  # to the ceiling from above
MOST_ROUNDS = 5
SILENT_DB = -200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The samples [channels, time] of a clip and how high the wave between them reaches, in dB at each [time]."""

    samples: NDArray[np.float32]
    sample_rate: int
    levels_db: NDArray[np.float32]

    @classmethod
    def of(cls, samples: NDArray[np.float32], sample_rate: int) -> Peaks:
        """Non-finite samples must have been removed."""
        levels = np.maximum(peak_envelope(samples, sample_rate), np.float32(10 ** (SILENT_DB / 20)))
        return cls(samples=samples, sample_rate=sample_rate, levels_db=20 * np.log10(levels))

    @property
    def highest_db(self) -> float:
        return float(self.levels_db.max(initial=SILENT_DB))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What came of it. `reduction_db` is the most the gain was taken back, `worked_share` the share of the time it was
    taken back by more than a tenth of a decibel."""

    samples: NDArray[np.float32]
    reduction_db: float
    worked_share: float
    true_peak_dbtp: float | None


def limit(peaks: Peaks, gain_db: float, ceiling_dbtp: float) -> Limited:
    """The clip with `gain_db`, its true peak brought down to `ceiling_dbtp` where it would exceed that.

    Peaks are looked for four times oversampled (ITU-R BS.1770-4 annex 2). What each sample must be taken down by is
    held until the gain has come back at 30 dB a second, looked at 5 ms ahead, and smoothed by a triangle of that length
    that never lets a peak through: each value it averages covers the peak. What the changing gain itself adds between
    samples is measured and taken off by another round.
    """
    ceiling = ceiling_dbtp
    for last in range(MOST_ROUNDS):
        reduction = _reduction(peaks, gain_db - ceiling)
        samples = peaks.samples * np.power(10.0, (gain_db - reduction) / 20).astype(np.float32)
        peak = true_peak_dbtp(samples, peaks.sample_rate)
        excess = 0.0 if peak is None else peak - ceiling_dbtp
        if excess <= CLOSE_ENOUGH_DB or last == MOST_ROUNDS - 1:
            break
        ceiling -= excess
    return Limited(
        samples=samples,
        reduction_db=float(np.max(reduction, initial=0.0)),
        worked_share=float(np.mean(reduction > 0.1)) if np.size(reduction) else 0.0,
        true_peak_dbtp=peak,
    )


def _reduction(peaks: Peaks, over_db: float) -> NDArray[np.float64]:
    """By how many decibels the gain is taken back at each sample [time]; [1] where nowhere."""
    if peaks.highest_db + over_db <= 0:
        return np.zeros(1)
    needed = np.maximum(peaks.levels_db + np.float64(over_db), 0.0)
    # A straight line in decibels comes back as a running maximum against a slope, without a loop.
    slope = np.arange(needed.size) * (RELEASE_DB_PER_S / peaks.sample_rate)
    held = np.maximum.accumulate(needed + slope) - slope
    half = max(1, round(LOOK_AHEAD_S * peaks.sample_rate / 2))
    ahead = maximum_filter1d(held, 2 * half + 1)
    smooth = uniform_filter1d(uniform_filter1d(ahead, half, mode="nearest"), half, mode="nearest")
    reduction: NDArray[np.float64] = np.maximum(smooth, 0.0)
    return reduction
