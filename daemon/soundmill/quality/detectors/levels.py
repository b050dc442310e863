"""The quality room, levels: decibels, and the offset of a wave from zero."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BLOCK_S = 0.1


def dbfs(level: float) -> float | None:
    """Of a level, full scale = 1; None for nothing."""
    return 20 * math.log10(level) if level > 0 else None


def offset(channel: NDArray[np.float32], sample_rate: int) -> float:
    """The offset from zero that lasts: of the means of 0.1 s blocks, the lower quartile towards zero."""
    block = min(max(1, round(BLOCK_S * sample_rate)), channel.size)
    if block == 0:
        return 0.0
    count = channel.size // block
    means = channel[: count * block].reshape(count, block).mean(axis=1)
    sign = 1.0 if float(means.mean()) >= 0 else -1.0
    return sign * max(float(np.quantile(sign * means, 0.25)), 0.0)
