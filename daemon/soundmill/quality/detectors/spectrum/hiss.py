"""The quality room, hiss: noise under the sound, as a bad decoder or a bad input adds it.

It goes on as it is while the sound above it changes: of a band in which nothing else is ever louder, the level keeps
within what chance makes of so many bins.
"""

from __future__ import annotations

import math

import numpy as np

from soundmill.quality.detectors.runs import longest, runs
from soundmill.quality.detectors.spectra import Spectra

FROM_HZ = 2000.0
LOW, HIGH = 0.05, 0.3  # shares of the moments between which a band keeps still
STILL_DB = 1.5  # by chance less than that
MOSTLY, LOUDEST_DB = 0.5, -10.0  # of the bands, and against all power: beyond, the sound is noise, and rain is no hiss
SMOOTH_DB, FEWEST_BANDS = 2.5, 3  # from one such band to the next, and so many of them: noise has no lines
FEWEST_FRAMES = 40
NONE_DB = -100.0


def hiss_db(found: Spectra) -> float:
    """Power of the longest run of bands from 2 kHz on that keep still and are as loud as each other, against all power;
    -100 where there is none, where half of all bands keep still, and from -10 dB on."""
    sounding = found.bands.any(axis=1)
    first = int(np.searchsorted(found.frequencies[found.edges[:-1]], FROM_HZ))
    if np.count_nonzero(sounding) < FEWEST_FRAMES or first >= found.bands.shape[1]:
        return NONE_DB
    power = found.bands[sounding] * np.diff(found.edges).astype(np.float32)
    low, high = np.quantile(power, (LOW, HIGH), axis=0)
    still = (high < low * 10 ** (STILL_DB / 10)) & (low > 0)
    if still.mean() > MOSTLY:
        return NONE_DB
    per_bin = 10 * np.log10(np.maximum(low / np.diff(found.edges), 1e-30))
    rough = np.abs(np.diff(per_bin, prepend=per_bin[0])) > SMOOTH_DB
    start, end = longest(runs(still[first:] & ~rough[first:]))
    if end - start < FEWEST_BANDS:
        return NONE_DB
    hissing = float(low[first + start : first + end].sum()) / max(float(power.sum(axis=1).mean()), 1e-30)
    level = 10 * math.log10(max(hissing, 1e-30))
    return level if NONE_DB < level < LOUDEST_DB else NONE_DB
