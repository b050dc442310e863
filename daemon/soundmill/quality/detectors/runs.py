"""The quality room, runs: stretches of a mask, the form in which most defects show themselves."""

from __future__ import annotations

from itertools import pairwise

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


def bridged(mask: Mask, gap: int) -> Mask:
    """The mask with gaps of up to `gap` entries between two runs filled."""
    filled = mask.copy()
    spans = runs(mask)
    for (_, end), (start, _) in pairwise(spans):
        if start - end <= gap:
            filled[end:start] = True
    return filled
