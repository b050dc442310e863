"""The quality room, clipping: samples at full scale, and flat tops, which are clipping at any level.

A clipped wave runs along its limit: several samples of one value, entered by a corner, at the channel's own highest or
lowest point. The limit moves with the gain, so clipping that normalisation hid is found too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

CLIPPED_ABOVE = 0.99  # of full scale
TOP = 0.99  # of the channel's extreme: where flat tops are looked for
FLAT_RUN = 3  # samples
SIXTEEN_BITS = 1 / 32768
PILED = 0.998  # of an extreme: few samples of a wave that turns by itself, many of one that is cut
FEWEST = 0.0005  # of a channel's samples
CORNER = 8.0  # how much steeper the wave enters a flat top than it runs along it


def clipped(channel: Samples, low: float, high: float) -> NDArray[np.int64]:
    """The samples [n] of one channel that are over 0.99 of full scale, in order; `low` and `high` are its extremes."""
    found = [np.flatnonzero(channel > CLIPPED_ABOVE)] if high > CLIPPED_ABOVE else []
    found += [np.flatnonzero(channel < -CLIPPED_ABOVE)] if low < -CLIPPED_ABOVE else []
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def share_of(samples: Sequence[NDArray[np.int64]], length: int) -> float:
    """The share of a clip's samples that are listed for the channel with most of them."""
    return max((each.size for each in samples), default=0) / max(length, 1)


def flat_tops(channel: Samples, low: float, high: float) -> NDArray[np.int64]:
    """The same of those that lie in flat tops."""
    with np.errstate(over="ignore"):  # samples up to 1e38 are no reason to stop; their differences may be infinite
        found = [_flat(channel, channel >= np.float32(high * TOP), high)] if high > 0 else []
        found += [_flat(channel, channel <= np.float32(low * TOP), low)] if low < 0 else []
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def beyond(channel: Samples, low: float, high: float) -> int:
    """How many samples of one channel lie beyond a level below zero and one above it; a level of 0 counts none."""
    above = np.count_nonzero(channel > np.float32(high)) if high > 0 else 0
    return int(above) + (int(np.count_nonzero(channel < np.float32(low))) if low < 0 else 0)


def density(piled: Sequence[int], loud: Sequence[int], length: int) -> float:
    """Of a channel's loud samples, the share that lies at its very extremes; the highest over channels. Footsteps are
    silent between steps: of the whole clip, steps cut to pieces are little. A single crest says nothing, so channels
    with fewer than 0.05 % of their samples there count as having none."""
    shares = (at / among for at, among in zip(piled, loud, strict=True) if among and at > FEWEST * length)
    return max(shares, default=0.0)


def _flat(channel: Samples, near: NDArray[np.bool_], extreme: float) -> NDArray[np.int64]:
    """Runs of equal samples among those near an extreme, if a corner leads into them."""
    at = np.flatnonzero(near)
    if at.size < FLAT_RUN:
        return at[:0]
    tolerance = max(1.5 * SIXTEEN_BITS, abs(extreme) * 2e-4)
    value = channel[at]
    joined = (np.diff(at) == 1) & (np.abs(np.diff(value)) <= tolerance)
    starts = np.flatnonzero(np.concatenate(([True], ~joined)))
    ends = np.concatenate((starts[1:], [at.size]))
    long = ends - starts >= FLAT_RUN
    starts, ends = starts[long], ends[long]
    if starts.size == 0:
        return at[:0]
    first, last = at[starts], at[ends - 1]
    inner = np.abs(channel[np.maximum(first - 1, 0)] - channel[first])
    outer = np.abs(channel[np.minimum(last + 1, channel.size - 1)] - channel[last])
    cornered = np.maximum(inner, outer) >= CORNER * tolerance
    starts, lengths = starts[cornered], (ends - starts)[cornered]
    # Of the samples near the extreme, those of each such run: where its first is less what runs before it take up.
    found: NDArray[np.int64] = at[
        np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    ]
    return found
