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
LOOKED_AT = 1 << 16  # samples of a channel, spread over the clip, for
BINS = 100  # levels between a fifth of an extreme and it,
LOWEST = 0.2
PILES = (1, 3, 6)  # of so many levels: a limit that was resampled after is no longer sharp
PILE_FROM = 25
LEAST_SIDE = 1e-3  # of the channel's peak
LOUD_LEAST = 200  # samples above the lowest level
ABOVE = 0.5  # share of a pile that may lie above it, as where a filter overshoots
EXPECTED = 0.002  # of the loud samples a pile has anyway
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


def pile(channel: Samples, low: float, high: float) -> float:
    """How many times as many samples of one channel lie at one level as at those just below it, with little above: at
    the highest such level below or above zero. About 1 for a wave that turns by itself, from 3 on where 1 % of its
    samples were cut, whatever gain, saturation or resampling came then."""
    some = channel[:: max(1, channel.size // LOOKED_AT)]
    sides = (extreme for extreme in (low, high) if abs(extreme) > LEAST_SIDE)
    return max((_pile(some * np.float32(1 / extreme)) for extreme in sides), default=0.0)


def _pile(heights: Samples) -> float:
    """The same of one side, its extreme at 1."""
    levels = ((heights[heights > LOWEST] - np.float32(LOWEST)) * np.float32(BINS / (1 - LOWEST))).astype(np.int64)
    if levels.size < LOUD_LEAST:
        return 0.0
    sums = np.concatenate(([0], np.cumsum(np.bincount(np.minimum(levels, BINS - 1), minlength=BINS))))
    best = 0.0
    for width in PILES:
        first = np.arange(PILE_FROM, BINS + 1 - width)
        apart = 1 if width == 1 else 2
        inside, above = sums[first + width] - sums[first], sums[-1] - sums[first + width]
        below = (sums[first - apart] - sums[first - 3 * width - 2]) * (width / (3 * width + 2 - apart))
        times = inside / (below + EXPECTED * levels.size)
        best = max(best, float(times[above <= ABOVE * inside].max(initial=0.0)))
    return best


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
