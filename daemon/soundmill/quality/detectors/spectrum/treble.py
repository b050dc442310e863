"""The quality room, treble: high frequencies that are there until some moment and never again.

Music rests from cymbals for a while, or ends more softly, which takes more the higher it lies; it does not lose
everything above a frequency at once, for good, with what lies right below going on as loud as before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.spectra import Spectra

FROM_HZ = (1700.0, 3500.0, 5600.0)  # what lies above them is looked at
STEP_S = 0.25
SIDE_S = 1.5  # at least, before and after
SUDDEN_S = 0.75  # and so much right before and after: a jingle that dies away loses its treble by and by
LOOKS = 8  # moments at which treble falls most
LOW_DB = 6.0  # by so much may what lies below change on average
DEEP_DB = 110.0  # below the loudest nothing counts
EDGE_BANDS, EDGE_DB, KEPT_DB = 3, 20.0, 8.0  # within that many bands, an octave, so much more is lost than what is kept
AFTER = 0.95  # half of what is before lies above nearly all that comes after

Floats = NDArray[np.float64]


def treble_lost(found: Spectra) -> tuple[float, float, float]:
    """(How far the treble of the louder half of the quarters of a second before a moment lies above that of all but the
    loudest twentieth of those after it, in dB; where in seconds; from which frequency on): the largest. It is that of
    the 0.75 s on either side where that is less; 0 where what lies below changes along with it."""
    sounding = np.flatnonzero(found.bands.any(axis=1))
    size = max(1, round(STEP_S * found.frame_rate))
    count, side, near = len(sounding) // size, round(SIDE_S / STEP_S), round(SUDDEN_S / STEP_S)
    if count < 2 * side + 1:
        return 0.0, 0.0, 0.0
    power = found.bands[sounding[: count * size]].reshape(count, size, -1).mean(axis=1) * np.diff(found.edges)
    floor = float(power.sum(axis=1).max()) * 10 ** (-DEEP_DB / 10)
    starts = found.frequencies[found.edges[:-1]]
    best = (0.0, 0.0, 0.0)
    for hertz in FROM_HZ:
        first = int(np.searchsorted(starts, hertz))
        if first < 2 or first > len(starts) - 2:
            continue
        high = 10 * np.log10(np.maximum(power[:, first:].sum(axis=1), floor))
        low = 10 * np.log10(np.maximum(power[:, : first - 1].sum(axis=1), floor))
        fell, at = _fell(high, low, side, near)
        if fell > best[0] and _has_edge(10 * np.log10(np.maximum(power, floor)), at):
            best = (fell, found.seconds(float(sounding[at * size + size // 2])), float(starts[first]))
    return best


def _has_edge(levels: Floats, at: int) -> bool:
    """Whether the levels [steps, bands] are kept below some band and lost an octave above it, after a step."""
    lost = np.median(levels[:at], axis=0) - np.median(levels[at + 1 :], axis=0)
    lost -= np.clip(np.median(lost[: lost.size // 2]), -LOW_DB, LOW_DB)  # what all of it falls or rises by
    kept = np.abs(lost) <= KEPT_DB
    below = np.cumsum(kept) >= 0.75 * np.arange(1, kept.size + 1)  # a note that ends takes its band along
    edge = kept[:-EDGE_BANDS] & below[:-EDGE_BANDS] & (lost[EDGE_BANDS:] >= EDGE_DB)
    return bool(edge.any())


def _fell(high: Floats, low: Floats, side: int, near: int) -> tuple[float, int]:
    """(By how much the upper levels [steps] fall for good, after which step); the step of the moment itself may lie on
    either side of it."""
    at = np.arange(side, high.size - side)
    sums = np.concatenate(([0.0], np.cumsum(high)))
    falls = sums[at] - sums[at - near] - (sums[at + 1 + near] - sums[at + 1])
    best, best_at = 0.0, 0
    for m in at[np.argsort(-falls)[:LOOKS]]:
        fell = float(np.median(high[:m])) - float(np.quantile(high[m + 1 :], AFTER))
        if fell <= best or abs(float(low[:m].mean() - low[m + 1 :].mean())) > LOW_DB:
            continue
        before, after = slice(m - near, m), slice(m + 1, m + 1 + near)
        if abs(float(low[before].mean() - low[after].mean())) > LOW_DB:
            continue
        fell = min(fell, float(np.median(high[before]) - high[after].max()))
        if fell > best:
            best, best_at = fell, int(m)
    return best, best_at
