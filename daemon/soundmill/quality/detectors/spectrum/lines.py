"""The quality room, lines: what shows in the fine structure of a spectrum. Resonances that stay, whatever sounds; and
images, the mirrored copy of a spectrum above half of the rate that a sound was once kept at.

A room and an instrument have resonances too, but move between them. Of a sound brought to a higher rate without a
filter, or with a bad one, each partial has a twin as far above that half as it lies below, which nothing in nature has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from soundmill.quality.detectors.spectra import BINS, SPECTRUM_FLOOR, Spectra, top_hz

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

COMB_HZ = (300.0, 8000.0)
COMB_MS = (1.0, 10.0)
SMOOTH_HZ = 1200.0  # what is wider is the sound's own shape
MOST_DB = 25.0  # of one bin's departure from that: a single whistle is no comb
CEPSTRUM = 8192
FROM_HZ, NEIGHBOURS, STAYS, STANDS_OUT_DB = 600.0, 25, 0.2, 6.0
FEWEST_SEGMENTS = 4

FOLDS_HZ = (4000.0, 5512.5, 6000.0, 8000.0, 11_025.0, 12_000.0, 16_000.0)  # half of the rates that sounds are kept at
FOLD_PARTS = (4, 6, 8)  # and half, a third, a quarter of what it is kept at now, as parts of the rate
MIRROR_HZ = (250.0, 2500.0)  # from a fold: what is looked at on either side
FINE = 9  # bins
LEAST_BINS = 30
LEAST_DB = -95.0
# Of images against what they mirror, in the third that is farthest from the fold. Held samples and straight lines
# between them fall by 7 dB to there, the skirt of a proper filter by 30.
WEAKEST_DB = -20.0
THERE = 0.5  # share of bins and segments above it that have more than that


@dataclass(frozen=True, slots=True)
class Lines:
    """comb_db, comb_ms: half the depth of the strongest regular ripple of the average spectrum, and the delay that
    makes it; standing: how many bins stand out of their neighbours in four fifths of the segments; mirrored, fold_hz:
    the highest correlation of the fine structure below a frequency with that above turned round."""

    comb_db: float = 0.0
    comb_ms: float = 0.0
    standing: int = 0
    mirrored: float = 0.0
    fold_hz: float = 0.0


def lines(found: Spectra, sample_rate: int) -> Lines:
    live = found.mean.any(axis=1)
    if found.average_db is None or np.count_nonzero(live) < FEWEST_SEGMENTS:
        return Lines()
    levels: Floats32 = 10 * np.log10(np.maximum(found.mean[live], np.float32(SPECTRUM_FLOOR)))
    step, top = float(found.frequencies[1]), min(top_hz(sample_rate), float(found.frequencies[-1]) * 0.9)
    comb_db, comb_ms = _comb(found.average_db, step, top)
    mirrored, fold_hz = _mirrored(levels, step, sample_rate)
    return Lines(comb_db, comb_ms, _standing(levels, step, top), mirrored, fold_hz)


def _comb(average_db: Floats, step: float, top: float) -> tuple[float, float]:
    first, last = (round(hertz / step) for hertz in (COMB_HZ[0], min(COMB_HZ[1], top)))
    if last - first < LEAST_BINS:
        return 0.0, 0.0
    part = average_db[first:last]
    width = round(SMOOTH_HZ / step) | 1
    ripple = np.clip(part - uniform_filter1d(part, width, mode="nearest"), -MOST_DB, MOST_DB)
    window = np.hanning(ripple.size)
    depth = np.abs(scipy.fft.rfft(ripple * window, CEPSTRUM)) * 2 / window.sum()
    ms = np.arange(depth.size) * 1000 / (CEPSTRUM * step)
    depth[(ms < COMB_MS[0]) | (ms > min(COMB_MS[1], 400 / step))] = 0
    at = int(depth.argmax())
    return float(depth[at]), float(ms[at])


def _standing(levels: Floats32, step: float, top: float) -> int:
    bins = slice(round(FROM_HZ / step), round(top / step))
    above = (levels - uniform_filter1d(levels, NEIGHBOURS, axis=1, mode="nearest"))[:, bins]
    at = int(STAYS * (len(above) - 1))
    return int(np.count_nonzero(np.partition(above, at, axis=0)[at] > STANDS_OUT_DB))


def _mirrored(levels: Floats32, step: float, sample_rate: int) -> tuple[float, float]:
    fine = levels - uniform_filter1d(levels, FINE, axis=1, mode="nearest")
    best, best_hz = 0.0, 0.0
    near = round(MIRROR_HZ[0] / step) + 2
    for fold in sorted({*FOLDS_HZ, *(sample_rate / part for part in FOLD_PARTS)}):
        at = round(fold / step)
        far = min(round(MIRROR_HZ[1] / step), round(0.8 * at), BINS - 3 - at)
        if far < near + LEAST_BINS:
            continue
        above = slice(at + near, at + far)
        heard = levels[:, above] > LEAST_DB
        if heard.mean() < THERE:
            continue
        mirror, twice = fine[:, above] * heard, 2 * fold / step
        for axis in {math.floor(twice), math.ceil(twice)}:  # a fold may lie between two bins
            first = axis - at - near  # the bin whose twin is the first above
            source = slice(first, first - (far - near), -1)
            outer = slice(2 * (far - near) // 3, None)
            weaker = (levels[:, above] - levels[:, source])[:, outer][heard[:, outer]]
            if not weaker.size or float(weaker.mean()) < WEAKEST_DB:
                continue
            below = fine[:, source] * heard
            scale = math.sqrt(float(np.vdot(below, below)) * float(np.vdot(mirror, mirror)))
            alike = float(np.vdot(below, mirror)) / scale if scale > 0 else 0.0
            if alike > best:
                best, best_hz = alike, fold
    return best, best_hz
