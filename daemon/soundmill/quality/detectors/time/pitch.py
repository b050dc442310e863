"""The quality room, steps of pitch: from one moment on everything is higher or lower by the same ratio, and stays so.

A new note or chord moves what plays it, and comes back. Where a tape or a clock changes its speed, or a model its
mind, what sounds on through that moment jumps, all of it; what comes before and after is alike only when moved by as
much; and where all of it is played faster, so are the edges of its noise and what its lows and highs are like.

No one of these is sure: chords move in parallel, and a voice jumps by itself. How much each of them counts is learned
(weights in learned.py, by benchmarks/defects/learn.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from soundmill.quality.detectors.runs import highest
from soundmill.quality.detectors.spectra import Spectra
from soundmill.quality.detectors.time.learned import PITCH_STEP

Samples = NDArray[np.float32]
Numbers = NDArray[np.int64]

WINDOW_S, HOP_S = 0.128, 0.064
FROM_HZ, TO_HZ = 150.0, 3300.0
STEPS = 48  # of log frequency in an octave
FARTHEST = 17  # of those: three and a half semitones, and what lies between
NEAREST = 2
SMOOTH, WIDE = 25, 145  # lines: what is wider is a sound's colour, and the fall from its lows to its highs
DEPTH = 1e-4  # of the strongest line's magnitude
SHORTEST_S, LONGEST_S = 4.0, 15.0  # of a longer clip the middle
CLEAR = 2  # frames from the moment on either side that do not reach over it
SHORT, LONG_S = 3, 2.0  # frames, and time: what is compared on either side, and then all there is
SIDE, SIDE_S = 0.3, 3.0  # share of the clip that must lie on either side, and time at most: the last chord is no step
LIKELY, BY_COLOUR = 8, 4  # moments that are looked at: those of what sounds on, and those of its colour
APART = 3  # frames from one to the next
COLOUR_HZ = (300.0, 20_000.0)
CARRIED = 0.97  # of half the sample rate
FLOOR, MOST_DB = 1e-13, 25.0
RISE_DB = 12.0
LEAST_SEGMENTS = 2
LIKELY_FROM = 0.9  # evidence of what is told; one in a hundred clean clips has as much
GOES_ON = 0.8  # likeness of what is not moved, whole and fine together: with more, one scale goes on, and chords move
COMPARED = ("at_once", "long", "whole", "fine", "wide")
# Of alike when moved over when not: here, usually, and over the next best; by how many dB it gets louder, as where a
# chord begins.
AROUND = ("gain", "usual_gain", "lead", "rise")
FEATURES = (*(f"{name}_{how}" for how in ("moved", "still", "else") for name in COMPARED), *AROUND)
WEIGHTS = np.array([PITCH_STEP[name] for name in FEATURES])


@dataclass(frozen=True, slots=True)
class Moment:
    """features: for each of COMPARED how alike the two sides are when the second is moved by `semitones`, when not, and
    when moved by anything else at best; then those of AROUND."""

    at_s: float
    semitones: float
    features: NDArray[np.float64]

    @property
    def evidence(self) -> float:
        """Logarithm of the odds that it is a step, where clips with and without one are as usual as in learning."""
        return float(self.features @ WEIGHTS) + PITCH_STEP["bias"]

    @property
    def goes_on(self) -> float:
        return float(self.features[FEATURES.index("whole_still")] + self.features[FEATURES.index("fine_still")])


def pitch_step(slow: Samples, rate: float, each: Sequence[Spectra]) -> Moment | None:
    """Of one clip [time] at about 8 kHz and the spectra of its channels; the clearest one."""
    likely = [moment for moment in moments(slow, rate, each) if moment.goes_on < GOES_ON]
    best = max(likely, key=lambda moment: moment.evidence, default=None)
    return best if best and best.evidence > LIKELY_FROM else None


def moments(slow: Samples, rate: float, each: Sequence[Spectra]) -> list[Moment]:
    """Those at which a step is likeliest."""
    if slow.size < SHORTEST_S * rate or not each:
        return []
    start_s = max(slow.size - round(LONGEST_S * rate), 0) // 2 / rate
    first = round(start_s * rate)
    lines = _lines(slow[first : first + round(LONGEST_S * rate)], rate)
    side = max(SHORT + CLEAR, min(round(SIDE_S / HOP_S), round(SIDE * len(lines))))
    at = np.arange(side, len(lines) - side)
    if not at.size or not lines.any():
        return []
    at_s = np.asarray(start_s + at * HOP_S + WINDOW_S / 2, np.float64)
    sums = np.concatenate((np.zeros((1, lines.shape[1])), np.cumsum(lines, axis=0, dtype=np.float64)))

    def alike(at: Numbers, width: int) -> Samples:
        start, end = np.maximum(at - CLEAR - width, 0), np.minimum(at + CLEAR + width, len(lines))
        return _alike(_flat(sums[at - CLEAR + 1] - sums[start]), _flat(sums[end] - sums[at + CLEAR]))

    now = alike(at, SHORT)
    fine, wide, within = _colours(each, start_s, at_s)
    gain, by = _gain(now)
    likely = highest(gain, LIKELY, apart=APART)
    more, more_by = _by_colour(fine + wide, within, now)
    one = np.concatenate((likely, more))
    moved = np.concatenate((by[likely], more_by))
    sides = [now[one], *(alike(at[one], round(s / HOP_S)) for s in (LONG_S, LONGEST_S))]
    compared = [_moved(side, moved) for side in (*sides, fine[within[one]], wide[within[one]])]
    lead = [float(gain[n] - gain[np.abs(np.arange(gain.size) - n) >= APART].max(initial=0)) for n in one]
    loud = 10 * np.log10(np.square(lines).sum(axis=1, dtype=np.float64) + FLOOR)
    rise = np.clip(loud[at[one] + CLEAR] - loud[at[one] - CLEAR], 0, RISE_DB)
    around = np.stack([gain[one], np.full(one.size, np.median(gain)), lead, rise], axis=1)
    features = np.concatenate((*np.stack(compared, axis=1).transpose(2, 0, 1), around), axis=1)
    return [
        Moment(float(at_s[n]), (int(up) - FARTHEST) * 12 / STEPS, row)
        for n, up, row in zip(one, moved, features, strict=True)
    ]


def _gain(alike: Samples) -> tuple[Samples, Numbers]:
    """(How much more alike the sides are when moved than when not; by which move) of each row."""
    best = alike.copy()
    best[:, FARTHEST - NEAREST + 1 : FARTHEST + NEAREST] = -2
    return best.max(axis=1) - alike[:, FARTHEST], best.argmax(axis=1)


def _moved(alike: Samples, by: Numbers) -> NDArray[np.float64]:
    """[rows, 3]: alike when moved, give or take one; when not; when moved by anything else."""
    away = np.abs(np.arange(2 * FARTHEST + 1) - by[:, None])
    still = np.abs(np.arange(2 * FARTHEST + 1) - FARTHEST) < NEAREST
    moved = np.where(away < NEAREST, alike, -1).max(axis=1)
    others = np.where((away <= NEAREST) | still, -1, alike).max(axis=1)
    return np.stack([moved, alike[:, FARTHEST], others], axis=1).astype(np.float64)


def _by_colour(colour: Samples, within: Numbers, now: Samples) -> tuple[Numbers, Numbers]:
    """(Moments of the segments on whose two sides the colour is most alike when moved; by which move): in each of them
    the one at which what sounds on moves by as much."""
    gain, by = _gain(colour)
    found = [n for n in np.argsort(-gain, kind="stable")[:BY_COLOUR] if gain[n] > 0 and (within == n).any()]
    one = [int(np.where(within == n, now[:, by[n]] - now[:, FARTHEST], -np.inf).argmax()) for n in found]
    return np.array(one, dtype=np.int64), by[found]


def _colours(each: Sequence[Spectra], start_s: float, at_s: NDArray[np.float64]) -> tuple[Samples, Samples, Numbers]:
    """(How alike all before and all after a segment of the spectra is, its fine structure, and all of its shape; in
    which segment each moment lies)."""
    power = np.sum([one.mean for one in each], axis=0)
    size, step = each[0].segment_frames, float(each[0].frequencies[1])
    live = np.flatnonzero(power.any(axis=1))
    middles = np.array([each[0].seconds((n + 0.5) * size - 0.5) for n in live])
    inside = (middles > start_s) & (middles < start_s + LONGEST_S)
    live, middles = live[inside], middles[inside]
    count = live.size
    if count < 2 * LEAST_SEGMENTS + 1:
        nothing = np.zeros((1, 2 * FARTHEST + 1), np.float32)
        return nothing, nothing, np.zeros(at_s.size, np.int64)
    level = 10 * np.log10(np.maximum(power[live], np.float32(FLOOR)))
    top = min(CARRIED * float(each[0].frequencies[-1]), COLOUR_HZ[1])
    places = COLOUR_HZ[0] * 2 ** ((np.arange(int(np.log2(top / COLOUR_HZ[0]) * STEPS) + 1) - 0.5) / STEPS) / step
    sums = np.cumsum(_means(level, places), axis=0)
    apart = np.arange(count)
    before, after = np.maximum(apart, 1), np.maximum(count - 1 - apart, 1)
    mean_before = (sums[np.maximum(apart - 1, 0)] / before[:, None]).astype(np.float32)
    mean_after = ((sums[-1] - sums[apart]) / after[:, None]).astype(np.float32)
    fine, wide = (
        _alike(*(np.clip(_less_smooth(side, width), -MOST_DB, MOST_DB) for side in (mean_before, mean_after)))
        for width in (SMOOTH, WIDE)
    )
    alone = (apart < LEAST_SEGMENTS) | (apart >= count - LEAST_SEGMENTS)
    fine[alone] = wide[alone] = 0
    borders = (middles[1:] + middles[:-1]) / 2
    return fine, wide, np.searchsorted(borders, at_s)


def _means(level: Samples, places: NDArray[np.float64]) -> Samples:
    """Mean of levels [segments, bins], joined by straight lines, between each two places, in bins."""
    whole = np.cumsum((level[:, 1:] + level[:, :-1]) / 2, axis=1, dtype=np.float64)
    low = places.astype(np.int64)
    share = places - low
    up_to = whole[:, low - 1] + share * (level[:, low] + (level[:, low + 1] - level[:, low]) * (share / 2))
    return np.asarray(np.diff(up_to, axis=1) / np.diff(places), np.float32)


def _lines(sound: Samples, rate: float) -> Samples:
    """Magnitudes by log frequency [frames, lines]."""
    size = scipy.fft.next_fast_len(round(WINDOW_S * rate), real=True)
    hop = round(HOP_S * rate)
    shape = np.hanning(size + 1)[:-1].astype(np.float32)
    found = np.abs(scipy.fft.rfft(sliding_window_view(sound, size)[::hop] * shape, axis=1))
    count = int(np.log2(min(TO_HZ, 0.45 * rate) / FROM_HZ) * STEPS)
    places = FROM_HZ * 2 ** (np.arange(count) / STEPS) * size / rate
    low = places.astype(np.int64)
    share = (places - low).astype(np.float32)
    lines: Samples = found[:, low] * (1 - share) + found[:, low + 1] * share
    return lines


def _flat(sums: NDArray[np.float64]) -> Samples:
    """In the logarithm, without what is smooth."""
    level = np.log(np.maximum(sums, DEPTH * sums.max(axis=1, keepdims=True) + 1e-12).astype(np.float32))
    return _less_smooth(level, SMOOTH)


def _less_smooth(level: Samples, width: int) -> Samples:
    return np.asarray(level - uniform_filter1d(level, width, axis=1, mode="nearest"), np.float32)


def _alike(before: Samples, after: Samples) -> Samples:
    """Correlation of each pair of rows, the second moved by -FARTHEST to FARTHEST lines [rows, 2 FARTHEST + 1]."""
    length = scipy.fft.next_fast_len(before.shape[1] + FARTHEST, real=True)
    cross = scipy.fft.irfft(
        scipy.fft.rfft(before, length, axis=1).conj() * scipy.fft.rfft(after, length, axis=1), length, axis=1
    )
    scale = np.sqrt(np.vecdot(before, before) * np.vecdot(after, after))[:, None]
    both = np.concatenate((cross[:, -FARTHEST:], cross[:, : FARTHEST + 1]), axis=1)
    alike: Samples = both / np.maximum(scale, np.float32(1e-9))
    return alike
