"""The quality room, runs: stretches of a mask, the form in which most defects show themselves; and the highest places
of a curve."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def runs(mask: Mask) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of True in a 1-D mask."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def longest(spans: list[tuple[int, int]]) -> tuple[int, int]:
    """The longest of some runs, (0, 0) when there is none."""
    return max(spans, key=lambda span: span[1] - span[0], default=(0, 0))


def highest(curve: NDArray[Any], most: int, *, apart: int, least: float = -np.inf) -> NDArray[np.int64]:
    """Where a curve is highest, `least` and more, highest first: so many at most, none nearer than `apart` entries to
    another."""
    left, found = curve.astype(np.float64), list[int]()
    while len(found) < most:
        at = int(left.argmax())
        if left[at] < least or left[at] == -np.inf:
            break
        found.append(at)
        left[max(at - apart + 1, 0) : at + apart] = -np.inf
    return np.array(found, dtype=np.int64)


def bridged(mask: Mask, gap: int) -> Mask:
    """The mask with gaps of up to `gap` entries between two runs filled."""
    filled = mask.copy()
    spans = runs(mask)
    for (_, end), (start, _) in pairwise(spans):
        if start - end <= gap:
            filled[end:start] = True
    return filled
