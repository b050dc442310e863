"""The audio room, trimming: the quiet before the first sound and after the last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sounding(
    samples: NDArray[np.float32], sample_rate: int, threshold_dbfs: float, before_s: float, after_s: float
) -> tuple[int, int]:
    """Where the part of samples [channels, time] begins and ends that is worth keeping: from `before_s` before the
    first sample above the threshold in any channel to `after_s` after the last. The whole of a clip in which none
    is."""
    loud = np.flatnonzero((np.abs(samples) > 10 ** (threshold_dbfs / 20)).any(axis=0))
    if not loud.size:
        return 0, samples.shape[1]
    start = int(loud[0]) - round(before_s * sample_rate)
    end = int(loud[-1]) + 1 + round(after_s * sample_rate)
    return max(0, start), min(samples.shape[1], end)
