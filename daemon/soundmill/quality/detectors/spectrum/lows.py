"""The quality room, lows: mains hum, and rumble below what is heard as a tone.

Mains hum is a comb of lines at multiples of 50 or 60 Hz that are there in every moment. Notes lie elsewhere (of equal
temperament on 440 Hz none is within 0.2 % of such a multiple up to 420 Hz), and they come and go. So moments count
the more the softer it is around a line, and what lies at multiples of other frequencies tells how much music does by
itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from soundmill.quality.detectors.spectrum.slower import slower

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

RATE_HZ = 1000.0  # lines are looked for below 0.45 of it
SHORTEST_S = 3.0
MAINS_HZ = (50.0, 60.0)
HARMONICS = np.arange(1, 10)
STRAYS = 1 + np.arange(-4, 5) * 0.25e-3  # the share of its frequency by which mains may be off
APART_HZ = 0.6
FRAME_S, OVERLAP = 0.5, 4
PIECE_S = 2.5  # within it a line adds up in phase
TO_HZ = 460.0
ASIDE, SIDE = 3, 3  # bins: what lies so far from a line on its softer side is what it has to stand out of
AROUND_HZ = 8.0
MOST_DB, LEAST_DB = 18.0, -1.0  # of one line
STANDS_OUT_DB, FAR_DB = 28.0, 52.0  # all lines together above what others have: perhaps, and surely, hum
LINE_DB = 5.0
RUMBLE_HZ = (4.0, 24.0)
RUMBLE_S = 1.0
STEADY = 0.25  # rumble goes on where the sound is soft: that part of all moments has no more of it
NONE_DB = -100.0


def _others() -> Floats:
    """Frequencies near the mains' whose low multiples are none of theirs."""
    hertz = np.arange(42.3, 68.0, 0.23)
    low = np.arange(1, 6)
    away = np.abs(hertz[:, None, None, None] * low[:, None] - np.multiply.outer(MAINS_HZ, low)[:, None, :])
    return np.asarray(hertz[away.min(axis=(1, 2, 3)) > APART_HZ])


OTHERS_HZ = _others()


@dataclass(frozen=True, slots=True)
class Lows:
    """In dB against all power of the clip, -100 for none; the mains' frequency and how many of its lines there are;
    sure: no music that was heard has as much by itself."""

    hum_db: float
    mains_hz: float
    lines: int
    sure: bool
    rumble_db: float


def lows(wave: Samples, rate: float) -> Lows:
    """Of a clip [time] at a few kHz."""
    power = float(np.mean(np.square(wave, dtype=np.float64)))
    by = max(1, int(rate / RATE_HZ))
    slow, rate = slower(wave, by), rate / by
    if power <= 0 or slow.size < SHORTEST_S * rate:
        return Lows(NONE_DB, 0.0, 0, False, NONE_DB)
    hum_power, mains, lines, stands_out = _hum(slow, rate)
    hum_db = 10 * math.log10(max(hum_power / power, 1e-10)) if stands_out > STANDS_OUT_DB else NONE_DB
    return Lows(hum_db, mains, lines, stands_out > FAR_DB, _rumble_db(slow, rate, power))


def _hum(slow: Samples, rate: float) -> tuple[float, float, int, float]:
    """(Power of the lines; mains; how many lines; how far all together stand out, in dB)."""
    hertz, step, above, power = _spectrum(slow, rate)
    at = np.concatenate((MAINS_HZ, OTHERS_HZ))[:, None, None] * STRAYS[:, None] * HARMONICS
    nearest = np.rint((at - hertz) / step).astype(np.int64)
    there = nearest < above.size
    nearest[~there] = 0
    heights = np.where(there, np.clip(above[nearest], LEAST_DB, MOST_DB), 0.0)
    sums = heights.sum(axis=2)
    best = sums.max(axis=1)
    mains = int(best[: len(MAINS_HZ)].argmax())
    stray = int(sums[mains].argmax())
    clear = heights[mains, stray] > LINE_DB
    found = float(power[nearest[mains, stray]][clear].sum())
    return found, MAINS_HZ[mains], int(clear.sum()), float(best[mains] - np.median(best[len(MAINS_HZ) :]))


def _spectrum(slow: Samples, rate: float) -> tuple[float, float, Floats, Floats]:
    """(The first frequency and the step in Hz; how far above its surroundings a line is at each, in dB, and the power
    of the sine that makes it): the mean over pieces of a clip, in each of which the moments count by how soft they are
    beside that frequency, as for a known signal in noise that changes."""
    hop = round(FRAME_S * rate / OVERLAP)
    size = OVERLAP * hop
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = sliding_window_view(slow, size)[::hop] * (window * np.float32(2 / window.sum()))
    bins = np.arange(ASIDE, min(round(TO_HZ * size / rate), size // 2 - ASIDE))
    levels = scipy.fft.rfft(frames, axis=1)[:, : bins[-1] + ASIDE + 1]
    smooth = uniform_filter1d(np.square(np.abs(levels)), SIDE, axis=1, mode="nearest")
    beside = np.maximum(np.minimum(smooth[:, 2 * ASIDE :], smooth[:, : -2 * ASIDE]), np.float32(1e-14))
    weights = 1 / uniform_filter1d(beside, SIDE, axis=1, mode="nearest")
    turns = np.exp(-2j * np.pi / OVERLAP * (np.arange(len(frames))[:, None] * bins % OVERLAP)).astype(np.complex64)
    turned = levels[:, bins] * turns
    per_s, count = rate / hop, max(2, round(len(frames) * hop / rate / PIECE_S))
    length = scipy.fft.next_fast_len(3 * (len(frames) // count + 1) // OVERLAP * OVERLAP)
    length += -length % (2 * OVERLAP)
    half = length // (2 * OVERLAP)  # a bin of the frames is a quarter of their rate wide
    height, power = 0.0, 0.0
    for piece in np.array_split(np.arange(len(frames)), count):
        whole = weights[piece].sum(axis=0)
        found = np.square(np.abs(scipy.fft.fft(turned[piece] * weights[piece], length, axis=0)[np.arange(-half, half)]))
        height = height + 10 * np.log10(np.maximum(found / whole, 1e-30))
        power = power + found / np.square(whole)
    step = per_s / length
    line = np.asarray(height).T.ravel() / count
    around = round(AROUND_HZ / step)
    blocks = line[: line.size // around * around].reshape(-1, around)
    middle = np.interp(np.arange(line.size), (np.arange(len(blocks)) + 0.5) * around, np.median(blocks, axis=1))
    return bins[0] * rate / size - half * step, step, line - middle, np.asarray(power).T.ravel() / (2 * count)


def _rumble_db(slow: Samples, rate: float, power: float) -> float:
    size = round(RUMBLE_S * rate)
    frames = sliding_window_view(slow, size)[:: size // 2]
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    spectrum = np.square(np.abs(scipy.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * window, axis=1)))
    first, last = (round(hertz * size / rate) for hertz in RUMBLE_HZ)
    within = spectrum[:, first:last].sum(axis=1) * 2 / (size * float(np.square(window).sum()))
    return max(10 * math.log10(max(float(np.quantile(within, STEADY)) / power, 1e-10)), NONE_DB)
