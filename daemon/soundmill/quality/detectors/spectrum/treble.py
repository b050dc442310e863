"""The quality room, treble: high frequencies that are there until some moment and never again.

Music rests from cymbals for a while; it does not lose everything above a frequency at once, for good, with what lies
below going on as loud as before.
"""

from __future__ import annotations

import numpy as np

from soundmill.quality.detectors.spectra import Spectra

FROM_HZ = (1700.0, 3500.0, 5600.0)  # what lies above them is looked at
SIDE_S = 1.5  # at least, before and after
SUDDEN_S = 0.75  # and so much right before and after: a jingle that dies away loses its treble by and by
LOOKS = 32  # moments along the clip
LOW_DB = 6.0  # by so much may what lies below change on average
DEEP_DB = 110.0  # below the loudest frame nothing counts
BEFORE, AFTER = 0.5, 0.95  # half of the frames before lie above nearly all that come after


def treble_lost(found: Spectra) -> tuple[float, float, float]:
    """(How far the treble of the louder half of the frames before a moment lies above that of all but the loudest
    twentieth of those after it, in dB; where in seconds; from which frequency on): the largest. It is that of the
    0.75 s on either side where that is less; 0 where what lies below changes along with it."""
    sounding = np.flatnonzero(found.bands.any(axis=1))
    side, near = round(SIDE_S * found.frame_rate), max(4, round(SUDDEN_S * found.frame_rate))
    if sounding.size < 2 * side + 2:
        return 0.0, 0.0, 0.0
    power = found.bands[sounding] * np.diff(found.edges).astype(np.float32)
    floor = np.float32(float(power.sum(axis=1).max()) * 10 ** (-DEEP_DB / 10))
    starts = found.frequencies[found.edges[:-1]]
    best = (0.0, 0.0, 0.0)
    for hertz in FROM_HZ:
        first = int(np.searchsorted(starts, hertz))
        if first < 2 or first > len(starts) - 2:
            continue
        high = 10 * np.log10(np.maximum(power[:, first:].sum(axis=1), floor))
        low = 10 * np.log10(np.maximum(power[:, : first - 1].sum(axis=1), floor))
        for at in np.linspace(side, sounding.size - side, LOOKS).astype(np.int64):
            if abs(float(low[:at].mean() - low[at:].mean())) > LOW_DB:
                continue
            loudest_after = float(np.quantile(high[at:], AFTER))
            fell = float(np.quantile(high[:at], BEFORE)) - loudest_after
            if fell <= best[0]:
                continue
            last = int(np.flatnonzero(high[:at] > loudest_after + fell / 2)[-1])
            before, after = slice(max(last - near, 0), last + 1), slice(last + 2, last + 2 + near)
            if abs(float(low[before].mean() - low[after].mean())) <= LOW_DB:
                fell = min(fell, float(np.quantile(high[before], BEFORE) - np.quantile(high[after], AFTER)))
            else:
                fell = 0.0
            if fell > best[0]:
                best = (fell, found.seconds(float(sounding[last])), float(starts[first]))
    return best
