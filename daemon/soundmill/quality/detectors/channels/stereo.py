"""The quality room, stereo: whether left and right belong together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

MOST_DB = 100.0  # a dead channel


def balance(power: NDArray[np.float64]) -> float | None:
    """Level of the louder over the softer of two channels, in dB, at most 100; None for silence."""
    louder, softer = float(power.max()), float(power.min())
    if louder <= 0:
        return None
    return min(MOST_DB, 10 * math.log10(louder / softer)) if softer > 0 else MOST_DB


def correlation(left: Samples, right: Samples, power: NDArray[np.float64]) -> float | None:
    """Correlation of left and right at no delay, from −1 (opposite phase: silent in mono) to 1; None when a channel is
    silent. `power` holds the sums of squares of the two."""
    scale = math.sqrt(float(power[0]) * float(power[1]))
    return min(1.0, max(-1.0, float(np.vecdot(left, right)) / scale)) if scale > 0 else None
