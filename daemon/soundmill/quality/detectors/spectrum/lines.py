"""The quality room, lines: what shows in the fine structure of a spectrum. Resonances that stay, whatever sounds; and
images, the mirrored copy of a spectrum above half of the rate that a sound was once kept at.

A room and an instrument have resonances too, but move between them. Of a sound brought to a higher rate without a
filter, or with a bad one, each partial has a twin as far above that half as it lies below, which nothing in nature has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from soundmill.quality.detectors.spectra import BINS, SPECTRUM_FLOOR, Spectra, top_hz
from soundmill.quality.detectors.spectrum.resonances import resonances

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

COMB_HZ = (300.0, 8000.0)
COMB_MS = (1.0, 10.0)
SMOOTH_HZ = 1200.0  # what is wider is the sound's own shape
MOST_DB = 25.0  # of one bin's departure from that: a single whistle is no comb
CEPSTRUM = 8192
COMB_PARTS, COMB_LEAST_DB = 4, 2.7  # an echo ripples every quarter of a clip so much; notes come and go
FEWEST_SEGMENTS, FEWEST_TO_RING = 4, 6  # a short effect sounds once, and rings as it likes

FOLDS_HZ = (4000.0, 5512.5, 6000.0, 8000.0, 11_025.0, 12_000.0, 16_000.0)  # half of the rates that sounds are kept at
FOLD_PARTS = (4, 6, 8)  # and half, a third, a quarter of what it is kept at now, as parts of the rate
MIRROR_FROM_HZ, MIRROR_WIDE_HZ = 250.0, 2250.0  # from a fold on; so much is looked at together
MIRROR_TO = 1.9  # times the fold: below, images of what lies low are weak
FINE = 9  # bins
LEAST_BINS = 30
MOST_SEGMENTS = 20  # are looked at, evenly spread
LEAST_DB = -97.0
# Of images against what they mirror, and far out in the window next to the fold: the skirt of a proper filter mirrors
# what is next to it, and has fallen lower there.
WEAKEST_DB, LEAST_NEXT_DB = -38.0, -30.0
THERE = 0.3  # share of bins that have more than that in a segment, and of segments that have so many
MOSTLY = 0.25  # share of the segments that may be less alike


@dataclass(frozen=True, slots=True)
class Lines:
    """comb_db, comb_ms: half the depth of the strongest regular ripple of the spectrum, below 0 where zero frequency
    lies in a dip, and the delay that makes it; standing, rings_hz: how many lines ring whatever sounds, and where;
    mirrored, fold_hz: the correlation of the fine structure below a frequency with that above turned round, in all but
    the least alike quarter of the segments; the highest over frequencies and distances from them."""

    comb_db: float = 0.0
    comb_ms: float = 0.0
    standing: float = 0.0
    rings_hz: tuple[float, ...] = ()
    mirrored: float = 0.0
    fold_hz: float = 0.0


def lines(found: Spectra, sample_rate: int) -> Lines:
    live = found.mean.any(axis=1)
    if found.average_db is None or np.count_nonzero(live) < FEWEST_SEGMENTS:
        return Lines()
    levels: Floats32 = 10 * np.log10(np.maximum(found.mean[live], np.float32(SPECTRUM_FLOOR)))
    step, top = float(found.frequencies[1]), min(top_hz(sample_rate), float(found.frequencies[-1]) * 0.9)
    mirrored, fold_hz = _mirrored(levels, step, sample_rate)
    if len(levels) < FEWEST_TO_RING:
        return Lines(mirrored=mirrored, fold_hz=fold_hz)
    comb_db, comb_ms = _comb(levels, step, top)
    standing, hertz = resonances(levels, found.wavering[live], step, top)
    return Lines(comb_db, comb_ms, standing, tuple(hertz), mirrored, fold_hz)


def _comb(levels: Floats32, step: float, top: float) -> tuple[float, float]:
    first, last = (round(hertz / step) for hertz in (COMB_HZ[0], min(COMB_HZ[1], top)))
    if last - first < LEAST_BINS:
        return 0.0, 0.0
    part = np.stack([each[:, first:last].mean(axis=0) for each in np.array_split(levels, COMB_PARTS)])
    width = round(SMOOTH_HZ / step) | 1
    ripple = np.clip(part - uniform_filter1d(part, width, axis=1, mode="nearest"), -MOST_DB, MOST_DB)
    window = np.hanning(last - first).astype(np.float32)
    ms = np.arange(CEPSTRUM // 2 + 1) * 1000 / (CEPSTRUM * step)
    looked = slice(*np.searchsorted(ms, (COMB_MS[0], min(COMB_MS[1], 400 / step))))
    waves = scipy.fft.rfft(ripple * window, CEPSTRUM, axis=1)[:, looked] * (2 / window.sum())
    depth = (waves * np.exp(-2j * np.pi * first * step / 1000 * ms[looked])).real
    least = np.maximum(depth.min(axis=0), -depth.max(axis=0))
    at = int(least.argmax())
    if least[at] < COMB_LEAST_DB:
        return 0.0, 0.0
    return float(depth[:, at].mean()), float(ms[looked][at])


def _mirrored(levels: Floats32, step: float, sample_rate: int) -> tuple[float, float]:
    levels = levels[:: -(-len(levels) // MOST_SEGMENTS)]
    heard = levels > LEAST_DB
    fine = levels - uniform_filter1d(levels, FINE, axis=1, mode="nearest")
    fewest = max(FEWEST_SEGMENTS - 1, math.ceil(THERE * len(levels)))
    near, wide = round(MIRROR_FROM_HZ / step) + 2, round(MIRROR_WIDE_HZ / step)
    best, best_hz = 0.0, 0.0
    for fold in sorted({*FOLDS_HZ, *(sample_rate / part for part in FOLD_PARTS)}):
        first, last = round(fold / step) + near, min(round(MIRROR_TO * fold / step), BINS - 3)
        starts = np.arange(0, last - first - LEAST_BINS, max(wide // 2, 1))
        if not starts.size:
            continue
        windows = starts, np.minimum(starts + wide, last - first)
        above = np.arange(first, last)
        image, there = fine[:, above] * heard[:, above], heard[:, above]
        ready = _sums(there, windows) >= THERE * (windows[1] - windows[0])
        enough = ready.sum(axis=0) >= fewest
        if not enough.any():
            continue
        power, bins = _sums(np.square(image), windows), windows[1] - windows[0]
        for axis in {math.floor(2 * fold / step), math.ceil(2 * fold / step)}:  # a fold may lie between two bins
            source = fine[:, axis - above] * there
            both = np.sqrt(power * _sums(np.square(source), windows))
            alike = np.where(ready, _sums(image * source, windows) / np.maximum(both, 1e-9), np.inf)
            nth = np.rint(MOSTLY * np.maximum(ready.sum(axis=0) - 1, 0)).astype(np.int64)
            most = np.where(enough, np.sort(alike, axis=0)[nth, np.arange(nth.size)], 0.0)
            if most.max() <= best:
                continue
            weaker = levels[:, above] - levels[:, axis - above]
            most[_sums(weaker, windows).mean(axis=0) / bins < WEAKEST_DB] = 0
            if weaker[:, 2 * bins[0] // 3 : bins[0]].mean() < LEAST_NEXT_DB:
                most[0] = 0
            if most.max() > best:
                best, best_hz = float(most.max()), fold
    return best, best_hz


def _sums(values: NDArray[Any], windows: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Floats:
    """Of values [segments, bins] over windows of the bins, each from its start to its end [segments, windows]."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return np.asarray(sums[:, windows[1]] - sums[:, windows[0]])
