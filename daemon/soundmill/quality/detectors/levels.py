"""The quality room, levels: decibels, and the offset of a wave from zero."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BLOCK_S = 0.1
LASTS = 0.25  # share of the clip that an offset stays for,
LASTS_LEAST_S = 3.0  # and this long at least; a shorter clip is looked at as a whole
LOOKS = 8  # in that time


def dbfs(level: float) -> float | None:
    """Of a level, full scale = 1; None for nothing."""
    return 20 * math.log10(level) if level > 0 else None


def offset(channel: NDArray[np.float32], sample_rate: int) -> tuple[float, float, float]:
    """(The largest offset from zero that lasts, start, end in seconds): of the means of 0.1 s blocks, the lower
    quartile towards zero, in the stretch of a quarter of the clip (3 s at least, the whole where it is no
    longer) in which that is largest. Where it starts and ends is told from the blocks that reach half of it."""
    block = min(max(1, round(BLOCK_S * sample_rate)), channel.size)
    if block == 0:
        return 0.0, 0.0, 0.0
    count = channel.size // block
    means = channel[: count * block].reshape(count, block).mean(axis=1)
    length = min(count, max(round(LASTS * count), round(LASTS_LEAST_S * sample_rate / block)))
    best, at = 0.0, 0
    views = sliding_window_view(means, length)
    starts = np.unique(np.append(np.arange(0, len(views), max(1, length // LOOKS)), len(views) - 1))
    for sign in (1.0, -1.0):
        found = np.quantile(sign * views[starts], 0.25, axis=1)
        top = int(found.argmax())
        if found[top] > abs(best):
            best, at = sign * float(found[top]), int(starts[top])
    if best == 0:
        return 0.0, 0.0, 0.0
    there = math.copysign(1.0, best) * means > abs(best) / 2
    first, last = at, at + length
    while first > 0 and there[first - 1]:
        first -= 1
    while last < count and there[last]:
        last += 1
    end = channel.size if last == count else last * block  # the incomplete last block goes with its neighbour
    return best, (first + int(there[first:last].argmax())) * block / sample_rate, end / sample_rate
