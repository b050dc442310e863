"""The quality room, speed: wow and flutter, a sound that was played by a machine which runs unevenly.

Everything in it is then higher and lower by the same ratio at the same time, again and again at one rate. A voice's or
a string's vibrato moves its own partials alone, and a new note those of one instrument.

How fast a spectrum moves along log frequency is its change in time over its slope (optical flow: B. Lucas and T.
Kanade, 1981), which needs no partials to be told apart and follows those that move by more than a bin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

FROM_HZ, TO_HZ = 150.0, 1900.0  # what lies higher says the same
BANDS = 5  # equal steps of log frequency between these: what has to move together
FAINT = 1e-9  # of the strongest bin's power
SHORTEST_S, LONGEST_S = 3.0, 12.0  # of a longer clip the middle: what runs unevenly does so throughout
MOST = 0.045  # of the speed: what moves by more is a voice that speaks, or glides
FINER = 4  # times as many points of a spectrum as there are frames: no line lies between two
OUTLIER = 3.0  # times the median speed: a note that begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Unevenness:
    """What to look for: rates of change from `slowest_hz` to `fastest_hz`, in spectra of `window_s` every `hop_s`;
    `stands_out` is how often a line's power has to exceed the median one, `of_others` that of the highest line beside
    it, `together` how alike the bands must move, 0 to 1, `least` by what share of the speed."""

    slowest_hz: float
    fastest_hz: float
    window_s: float
    hop_s: float
    stands_out: float
    of_others: float
    together: float
    least: float


WOW = Unevenness(
    slowest_hz=0.4,
    fastest_hz=7.0,
    window_s=0.128,
    hop_s=0.032,
    stands_out=12.0,
    of_others=2.0,
    together=0.35,
    least=0.003,
)
FLUTTER = Unevenness(
    slowest_hz=7.0,
    fastest_hz=28.0,
    window_s=0.064,
    hop_s=0.016,
    stands_out=80.0,
    of_others=1.0,
    together=0.5,
    least=0.002,
)
# A voice moves at every rate, the slower the more: what is no line is as strong beside it.
BESIDE = 1.7  # times the rate and its inverse: so far is beside it
LOBE = 2  # frames' worth of bins that are the line's own
LOCALLY, FEWEST_BINS = 6.0, 4  # times the median beside it; of so many bins at least
LINES = 4  # that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wobble:
    """deviation: amplitude of the speed's change as a share of the speed; rate_hz: how often a second"""

    deviation: float
    rate_hz: float


def unevenness(slow: Samples, rate: float) -> tuple[Wobble | None, Wobble | None]:
    """(Wow, flutter) of one clip [time] at about 8 kHz, the middle of a long one; None where nothing moves as one."""
    most = round(LONGEST_S * rate)
    first = max(slow.size - most, 0) // 2
    if slow.size < SHORTEST_S * rate:
        return None, None
    here = slow[first : first + most]
    slower = here[:-3] + here[3:] + 3 * (here[1:-2] + here[2:-1])  # (1 3 3 1), which folds next to nothing
    slower = slower[::2]
    return _uneven(slower, rate / 2, WOW), _uneven(slower, rate / 2, FLUTTER)


def _uneven(sound: Samples, rate: float, what: Unevenness) -> Wobble | None:
    size = scipy.fft.next_fast_len(round(what.window_s * rate), real=True)
    hop = max(1, round(what.hop_s * rate))
    moves, weight = _flow(sound, rate, size, hop)
    limits = OUTLIER * np.median(np.abs(moves), axis=0) + 1e-9
    weight = np.minimum(weight, 1.0)
    moves = np.clip(moves, -limits, limits) * weight
    moves -= moves.mean(axis=0)
    length = scipy.fft.next_fast_len(FINER * len(moves), real=True)
    window = np.hanning(len(moves))[:, None]
    spectrum = scipy.fft.rfft(moves * window, length, axis=0)
    hertz = np.arange(len(spectrum)) * (rate / hop / length)
    slowest = max(what.slowest_hz, 2 * rate / hop / len(moves))
    near = (hertz >= slowest / BESIDE) & (hertz <= what.fastest_hz * BESIDE)
    spectrum, hertz = spectrum[near], hertz[near]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    here = np.flatnonzero((hertz >= slowest) & (hertz <= what.fastest_hz))
    scale = power[here].mean(axis=0)
    if not scale.all():
        return None
    summed = spectrum @ (1 / np.sqrt(scale))
    shared = np.square(summed.real) + np.square(summed.imag)
    usual = float(np.median(shared[here]))
    for top in _lines(shared, here):
        together = float(shared[top] / (BANDS * (power[top] / scale).sum()))
        if shared[top] < what.stands_out * usual or together < what.together or not _is_line(shared, hertz, top, what):
            continue
        speed = float(np.median(2 * np.sqrt(power[top]) / np.maximum((weight * window).sum(axis=0), 1e-9)))
        deviation = speed / (2 * math.pi * float(hertz[top]))
        if what.least <= deviation <= MOST:
            return Wobble(deviation=deviation, rate_hz=float(hertz[top]))
    return None


def _lines(shared: Floats, here: NDArray[np.int64]) -> list[int]:
    """The highest tops, highest first."""
    inside = here[(here > 0) & (here < shared.size - 1)]
    tops = inside[(shared[inside] >= shared[inside - 1]) & (shared[inside] >= shared[inside + 1])]
    return [int(top) for top in tops[np.argsort(-shared[tops], kind="stable")[:LINES]]]


def _is_line(shared: Floats, hertz: Floats, top: int, what: Unevenness) -> bool:
    """Whether it stands out of what lies on either side of it."""
    own = LOBE * FINER
    slower = shared[np.searchsorted(hertz, hertz[top] / BESIDE) : max(top - own, 0)]
    faster = shared[top + own + 1 : np.searchsorted(hertz, hertz[top] * BESIDE)]
    sides = [side for side in (slower, faster) if side.size >= FEWEST_BINS]
    return all(
        shared[top] > max(LOCALLY * float(np.median(side)), what.of_others * float(side.max())) for side in sides
    )


def _flow(sound: Samples, rate: float, size: int, hop: int) -> tuple[Floats, Floats]:
    """How fast the bands move along log frequency, as a share of it a second, and how much there is to tell it from,
    against the mean of the band [frames, BANDS each]."""
    first, last = math.ceil(FROM_HZ * size / rate), min(int(TO_HZ * size / rate), size // 2 - 1)
    shape = np.hanning(size + 1)[:-1].astype(np.float32)
    found = scipy.fft.rfft(sliding_window_view(sound, size)[::hop] * shape, axis=1)[:, first - 1 : last + 1]
    level: Samples = np.square(found.real) + np.square(found.imag)
    level += np.float32(FAINT * max(float(level.max()), 1e-20))
    np.sqrt(level, out=level)
    np.sqrt(level, out=level)  # a fourth root: loud partials count for more, not for all
    slope = (level[1:-1, 2:] - level[1:-1, :-2]) * (0.5 * np.arange(first, last)).astype(np.float32)
    change = level[2:, 1:-1] - level[:-2, 1:-1]
    edges = np.searchsorted(np.arange(first, last), np.geomspace(first, last, BANDS + 1)[:-1])
    against = np.add.reduceat(slope * change, edges, axis=1).astype(np.float64)
    weight = np.add.reduceat(slope * slope, edges, axis=1).astype(np.float64)
    mean = np.maximum(weight.mean(axis=0), 1e-20)
    return -against / np.maximum(weight, 1e-3 * mean) * (rate / (2 * hop)), weight / mean
