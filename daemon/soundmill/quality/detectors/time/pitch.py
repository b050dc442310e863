"""The quality room, steps of pitch: from one moment on everything is higher or lower by the same ratio, and stays so.

A new note or chord moves what plays it, and comes back. Where a tape or a clock changes its speed, or a model its
mind, what sounds on through that moment jumps, all of it, and what comes before and after is alike only when moved by
as much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

Samples = NDArray[np.float32]

WINDOW_S, HOP_S = 0.128, 0.064
FROM_HZ, TO_HZ = 150.0, 3300.0
STEPS = 48  # of log frequency in an octave
FARTHEST = 17  # of those: three and a half semitones
NEAREST = 2
SMOOTH = 25  # what is wider is a sound's colour
DEPTH = 1e-4  # of the strongest line's magnitude
SHORTEST_S, LONGEST_S = 4.0, 20.0  # of a longer clip the middle
CLEAR = 2  # frames from the moment on either side that do not reach over it
SHORT, LONG_S = 3, 2.0  # frames, and time: what is compared on either side, at the moment and for good
SIDE = 0.3  # share of the clip that must lie on either side, where that is less than LONG_S
LIKELY = 12  # moments that are looked at for good
ALIKE, BETTER = 0.35, 0.15  # correlation of the moment's two sides when moved, and how much more than when not
LASTING, NOT_MOVED = 0.5, 0.1  # for good: at least when moved, at most when not


@dataclass(frozen=True, slots=True)
class PitchStep:
    semitones: float
    at_s: float


def pitch_step(slow: Samples, rate: float) -> PitchStep | None:
    """Of one clip [time] at about 8 kHz; the clearest one."""
    if slow.size < SHORTEST_S * rate:
        return None
    first = max(slow.size - round(LONGEST_S * rate), 0) // 2
    here = slow[first : first + round(LONGEST_S * rate)]
    lines = _lines(here, rate)
    if not lines.any():
        return None
    long = round(LONG_S / HOP_S)
    side = max(SHORT + CLEAR, min(long, round(SIDE * len(lines))))
    moments = np.arange(side, len(lines) - side)
    sums = np.concatenate((np.zeros((1, lines.shape[1]), np.float32), np.cumsum(lines, axis=0)))

    def moved(at: NDArray[np.int64], width: int) -> Samples:
        start, end = np.maximum(at - CLEAR - width, 0), np.minimum(at + CLEAR + width, len(lines))
        return _alike(_flat(sums[at - CLEAR + 1] - sums[start]), _flat(sums[end] - sums[at + CLEAR]))

    now = moved(moments, SHORT)
    best = now.copy()
    best[:, FARTHEST - NEAREST + 1 : FARTHEST + NEAREST] = -1
    gain = np.where(best.max(axis=1) > ALIKE, best.max(axis=1) - now[:, FARTHEST], 0)
    likely = np.argsort(-gain)[:LIKELY]
    likely = likely[gain[likely] > BETTER]
    if not likely.size:
        return None
    by = best[likely].argmax(axis=1)
    lasting = moved(moments[likely], long)
    there = lasting[np.arange(likely.size), by]
    score = np.minimum(gain[likely], there - lasting[:, FARTHEST])
    top = int(score.argmax())
    if score[top] < BETTER or there[top] < LASTING or lasting[top, FARTHEST] > NOT_MOVED:
        return None
    at_s = first / rate + (float(moments[likely[top]]) * HOP_S + WINDOW_S / 2)
    return PitchStep((int(by[top]) - FARTHEST) * 12 / STEPS, at_s)


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


def _flat(sums: Samples) -> Samples:
    """In the logarithm, without what is smooth."""
    level = np.log(np.maximum(sums, DEPTH * sums.max(axis=1, keepdims=True) + np.float32(1e-12)))
    return np.asarray(level - uniform_filter1d(level, SMOOTH, axis=1, mode="nearest"), np.float32)


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
