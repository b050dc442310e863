"""The quality room, hiss: noise under the sound, as a bad decoder or a bad input adds it.

It goes on as it is while the sound above it changes. So of a band in which the sound is ever softer, the softest
moments are as loud as each other but for what chance makes of so many bins, and as loud as those of the next band. A
sound that dies away goes on getting softer. And above what most sounds carry, noise that is as loud in all moments and
at all frequencies shows even if nothing below is ever soft.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from soundmill.quality.detectors.runs import longest, runs
from soundmill.quality.detectors.spectra import BINS, Spectra, top_hz

FROM_HZ = 1200.0
SOFTEST, SOFT = 0.01, 0.05  # shares of the moments
SLACK, MORE_DB = 1.7, 0.3  # by so much more than by chance may they differ
PARTS, PERHAPS, SURELY = 6, 2, 5  # in so many of these it comes down to its floor
INDEPENDENT = 1 / 1.5  # of the bins under a Hann window (Welch, 1967)
LOUDEST_DB = -14.0  # against all power: beyond, the sound is noise, and rain is no hiss
SMOOTH_DB, FEWEST_BANDS = 2.5, 2  # from one such band to the next, and so many of them: noise has no lines
FEWEST_FRAMES = 40
LEAST = 1e-12  # power of a bin: below lies rounding
NONE_DB = -100.0

TOP = 0.97  # of half of the sample rate
FEWEST_BINS, FEWEST_SEGMENTS = 12, 8
STILL_DB, LEVEL_DB, FLAT_DB = 2.0, 0.6, 1.7  # over the segments, between its two halves, over its bins
BY_CHANCE = 0.6, 1.1  # variance over mean² within a segment, of the middle one of the bins

Floats = NDArray[np.float64]


def hiss_db(found: Spectra) -> tuple[float, float]:
    """Power of noise as loud at all frequencies as the longest run of bands from 1.2 kHz on that have such a floor,
    against all power: where it is reached in two sixths of the clip, perhaps a breath that swells and falls, and where
    it is in five, which is hiss. -100 where there is none, and from -14 dB on."""
    perhaps, surely = _between(found)
    above = _above(found)
    return max(perhaps, above), max(surely, above)


def _above(found: Spectra) -> float:
    """The same, of what lies above all bands."""
    live = found.mean.any(axis=1)
    high = float(found.frequencies[-1])
    first, last = np.searchsorted(found.frequencies, (top_hz(round(2 * high)), TOP * high))
    if last - first < FEWEST_BINS or np.count_nonzero(live) < FEWEST_SEGMENTS:
        return NONE_DB
    power, halves = found.mean[live, first:last], (first + last) // 2 - first
    sides = _db(np.stack([power[:, :halves].mean(axis=1), power[:, halves:].mean(axis=1)]).astype(np.float64))
    low, high_db = np.quantile(sides, (0.05, 0.95), axis=1)
    bins = np.quantile(_db(power.mean(axis=0).astype(np.float64)), (0.1, 0.9))
    wavers = float(np.median(found.wavering[live, first:last]))
    if (
        float((high_db - low).max()) > STILL_DB
        or abs(float(np.median(sides[1] - sides[0]))) > LEVEL_DB
        or float(bins[1] - bins[0]) > FLAT_DB
        or not BY_CHANCE[0] < wavers < BY_CHANCE[1]
    ):
        return NONE_DB
    whole = max(float(found.mean[live].sum(axis=1).mean()), 1e-30)
    decibels = float(np.median(sides)) + 10 * math.log10((BINS - 1) / whole)
    return decibels if NONE_DB < decibels < LOUDEST_DB else NONE_DB


def _between(found: Spectra) -> tuple[float, float]:
    sounding = found.bands.any(axis=1)
    first = int(np.searchsorted(found.frequencies[found.edges[:-1]], FROM_HZ))
    if np.count_nonzero(sounding) < FEWEST_FRAMES or first >= found.bands.shape[1]:
        return NONE_DB, NONE_DB
    power = found.bands[sounding]
    widths = np.diff(found.edges).astype(np.float64)
    softest, soft = np.quantile(power[:, first:], (SOFTEST, SOFT), axis=0)
    shapes = np.maximum(widths[first:] * INDEPENDENT, 1.0)
    low, high = gammaincinv(shapes, SOFTEST), gammaincinv(shapes, SOFT)
    chance = _db(high / low)
    still = (softest > LEAST) & (_db(soft) - _db(softest) < SLACK * chance + MORE_DB)
    parts = np.sort([_db(np.quantile(part, SOFT, axis=0)) for part in np.array_split(power[:, first:], PARTS)], axis=0)
    floor = _db(softest * shapes / low)
    even = np.abs(np.diff(floor, prepend=floor[0])) <= SMOOTH_DB
    whole = max(float(power.mean(axis=0) @ widths), 1e-30)

    def level(of_parts: int) -> float:
        start, end = longest(runs(still & even & (parts[of_parts - 1] - parts[0] < chance + MORE_DB)))
        if end - start < FEWEST_BANDS:
            return NONE_DB
        decibels = float(np.median(floor[start:end])) + 10 * math.log10((BINS - 1) / whole)
        return decibels if NONE_DB < decibels < LOUDEST_DB else NONE_DB

    return level(PERHAPS), level(SURELY)


def _db(power: Floats) -> Floats:
    return 10 * np.log10(np.maximum(power, 1e-30))
