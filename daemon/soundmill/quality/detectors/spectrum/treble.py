"""The quality room, treble: high frequencies that are there until some moment and never again.

Music rests from cymbals for a while, or ends more softly, which takes more the higher it lies. It does not lose what is
above a frequency for good, against the octave and a half below it, while that goes on as loud as before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.quality.detectors.spectra import Spectra

FROM_HZ, TO_HZ = 1000.0, 6500.0  # from some band between these on all is lost
BELOW = 8  # bands below it, but for the next, that it is compared with
STEP_S = 0.25
SIDE_S = 1.0  # at least, before and after
SOUNDS_DB, LOUD = 20.0, 0.8  # moments count in which these bands are so far below their loudest fifth, or less
FEWEST = 3  # such moments on either side
STAYS_DB, STAYS = 14.0, 4  # after it what lies below is no softer than just before, but for this, in so many moments,
AT_ONCE_S = 0.5  # and the treble of so long before was there until then: what decays, decays faster the higher it is
DROPS_DB, LOOKS = 8.0, 3  # moments after which the treble is never as high again, where that is most
LOW_DB, LOW_COSTS = 6.0, 3.0  # by so much may what lies below change on average; more of it counts against a loss
DEEP_DB = 110.0  # below the loudest nothing counts
FIRST_DB = 3.0  # of moments as good as that, the first

Floats = NDArray[np.float64]


def treble_lost(found: Spectra) -> tuple[float, float, float]:
    """(How far the treble against what lies below it, in half of the quarters of a second before a moment, lies above
    all that comes after it, in dB; where in seconds; from which frequency on): the largest; 0 where there is none."""
    sounding = np.flatnonzero(found.bands.any(axis=1))
    size = max(1, round(STEP_S * found.frame_rate))
    count, side = len(sounding) // size, round(SIDE_S / STEP_S)
    if count < 2 * side + 1:
        return 0.0, 0.0, 0.0
    power = found.bands[sounding[: count * size]].reshape(count, size, -1).mean(axis=1) * np.diff(found.edges)
    floor = float(power.sum(axis=1).max()) * 10 ** (-DEEP_DB / 10)
    starts = found.frequencies[found.edges[:-1]]
    best = (0.0, 0, 0.0)
    for band in range(max(2, int(np.searchsorted(starts, FROM_HZ))), int(np.searchsorted(starts, TO_HZ))):
        high = 10 * np.log10(np.maximum(power[:, band:].sum(axis=1), floor))
        low = 10 * np.log10(np.maximum(power[:, max(band - BELOW, 0) : band - 1].sum(axis=1), floor))
        fell, at = _fell(high - low, low, side)
        if fell > best[0]:
            best = (fell, at, float(starts[band]))
    fell, at, hertz = best
    return fell, found.seconds(float(sounding[at * size + size // 2])) if hertz else 0.0, hertz


def _fell(treble: Floats, low: Floats, side: int) -> tuple[float, int]:
    """(By how much the treble [steps] falls for good, after which step)."""
    counts = low > np.quantile(low, LOUD) - SOUNDS_DB
    ahead = np.maximum.accumulate(np.where(counts, treble, -DEEP_DB)[::-1])[::-1]
    moments = np.arange(side, treble.size - side)
    drops = ahead[moments - 1] - ahead[moments + 1]
    looks: list[tuple[float, int]] = []
    for at in moments[np.argsort(-drops, kind="stable")[:LOOKS]][np.sort(-drops)[:LOOKS] <= -DROPS_DB]:
        before, after = counts[:at], counts[at + 1 :]
        if min(np.count_nonzero(before), np.count_nonzero(after)) < FEWEST:
            continue
        last = np.flatnonzero(before)[-round(AT_ONCE_S / STEP_S) :]
        if np.count_nonzero(low[at + 1 :][after] > low[last].max() - STAYS_DB) < STAYS:
            continue
        change = abs(float(np.median(low[:at]) - np.median(low[at + 1 :])))
        fell = min(float(np.median(treble[:at][before])), float(treble[last].max())) - ahead[at + 1]
        looks.append((fell - LOW_COSTS * max(change - LOW_DB, 0.0), int(at)))
    most = max(looks, default=(0.0, 0))
    return most[0], min(at for fell, at in looks if fell >= most[0] - FIRST_DB) if looks else 0
