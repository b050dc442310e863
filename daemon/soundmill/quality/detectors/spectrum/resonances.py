"""The quality room, resonances: frequencies that ring metallically whatever sounds.

They stay where they are, are struck anew by all that sounds around them and die away between; where it never stops,
they waver as noise does and keep their frequency as no string does. Notes and their partials stay too where few are
played, but lie on a scale, or at multiples of a frequency; held tones do not waver.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

Floats32 = NDArray[np.float32]
Floats = NDArray[np.float64]

FROM_HZ, TO_HZ = 350.0, 9000.0
NEIGHBOURS = 25
STAYS = 0.2  # share of the segments in which a line may stand out less
STANDS_OUT_DB, DEEP_DB = 5.0, 7.0  # of its neighbours' mean, and of what lies right beside it
BESIDE = (-7, -6, -5, -4, 4, 5, 6, 7)
STRAYS = 0.2  # bins
WITH_THE_REST, WAVERS = 0.2, 0.1  # correlation with what lies beside it; variance over mean² within a segment
STILL, STRUCK = 0.1, 0.5  # bins, and variance over mean²: whatever lies beside it
FEWEST = 3
SEMITONES = 12
TUNED, HARMONIC = 0.3, 0.6  # so much of either is chance
FUNDAMENTALS_HZ = np.geomspace(80.0, 1500.0, 300)[:, None]
NEAR_BINS, NEAR_SHARE = 0.5, 0.12


def resonances(levels: Floats32, wavering: Floats32, step: float, top: float) -> tuple[float, Floats]:
    """(How many lines ring, less those that lie as notes do; their frequencies in Hz), from levels in dB and the
    variance over mean² within segments [segments, bins] that are `step` Hz apart."""
    above = levels - uniform_filter1d(levels, NEIGHBOURS, axis=1, mode="nearest")
    stays = int(STAYS * (len(above) - 1))
    low = np.partition(above, stays, axis=0)[stays]
    bins = np.arange(max(round(FROM_HZ / step), BESIDE[-1] + 1), round(min(TO_HZ, top) / step) - BESIDE[-1])
    lines = bins[(low[bins] > STANDS_OUT_DB) & (low[bins] >= low[bins - 1]) & (low[bins] > low[bins + 1])]
    if lines.size < FEWEST:
        return 0.0, np.zeros(0)
    here = levels[:, lines]
    beside = np.median(np.stack([levels[:, lines + away] for away in BESIDE]), axis=0)
    deep = np.partition(here - beside, stays, axis=0)[stays]
    left, right = levels[:, lines - 1], levels[:, lines + 1]
    curved = left - 2 * here + right
    off = np.where(curved < 0, (left - right) / 2 / np.minimum(curved, -0.1), np.inf)  # a parabola's top
    peak = np.median(np.where(np.abs(off) < 1, off, 0), axis=0)
    strays = np.median(np.abs(off - peak), axis=0)
    own, others = here - here.mean(axis=0), beside - beside.mean(axis=0)
    scale = np.sqrt(np.square(own).sum(axis=0) * np.square(others).sum(axis=0))
    together = (own * others).sum(axis=0) / np.maximum(scale, 1e-9)
    wavers = np.median(wavering[:, lines], axis=0)
    struck = (together > WITH_THE_REST) | ((strays < STILL) & (wavers > STRUCK))
    ring = (deep > DEEP_DB) & (strays < STRAYS) & (wavers > WAVERS) & struck
    hertz = np.asarray((lines[ring] + peak[ring]) * step, np.float64)
    if hertz.size < FEWEST:
        return 0.0, hertz
    tuned = float(np.abs(np.exp(2j * np.pi * SEMITONES * np.log2(hertz)).mean()))
    away_hz = np.abs(hertz - np.maximum(np.rint(hertz / FUNDAMENTALS_HZ), 1) * FUNDAMENTALS_HZ)
    near = away_hz < np.minimum(NEAR_BINS * step, NEAR_SHARE * FUNDAMENTALS_HZ)
    harmonic = float(near.mean(axis=1).max())
    return hertz.size * (1 - max(tuned - TUNED, 0.0)) * (1 - max(harmonic - HARMONIC, 0.0)), hertz
