"""The quality room, lows: mains hum, and rumble below what is heard as a tone.

Mains hum is a comb of lines at multiples of 50 or 60 Hz that are there in every moment. Notes lie elsewhere (of equal
temperament on 440 Hz none is within 0.2 % of such a multiple up to 420 Hz), and they come and go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundmill.quality.detectors.spectrum.slower import slower

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

RATE_HZ = 1000.0  # lines are looked for below 0.45 of it
MAINS_HZ = (50.0, 60.0)
HARMONICS = 8
STRAYS = 0.001  # share of its frequency by which mains may be off
FRAME_S, SHORTEST_S = 4.0, 3.0  # shorter frames in a shorter clip
SOFT = 0.25  # hum is there in the softest quarter of the frames
SIDES_HZ, SIDES_BINS = 5.0, 8
CLEAR_DB = 5.0  # a line lies so far above
SIDE = 0.9  # nine in ten of its neighbours;
FEWEST_LINES = 3  # three of them are hum,
FAR_DB, FEWEST_FAR = 8.0, 2  # two of which stand out farther
RUMBLE_HZ = (4.0, 24.0)
RUMBLE_S = 1.0
STEADY = 0.25  # rumble goes on where the sound is soft: that part of all moments has no more of it
NONE_DB = -100.0


@dataclass(frozen=True, slots=True)
class Lows:
    """In dB against all power of the clip, -100 for none; the mains' frequency and how many of its lines there are."""

    hum_db: float
    mains_hz: float
    lines: int
    rumble_db: float


def lows(wave: Samples, rate: float) -> Lows:
    """Of a clip [time] at a few kHz."""
    power = float(np.mean(np.square(wave, dtype=np.float64)))
    by = max(1, int(rate / RATE_HZ))
    slow, rate = slower(wave, by), rate / by
    if power <= 0 or slow.size < SHORTEST_S * rate:
        return Lows(NONE_DB, 0.0, 0, NONE_DB)
    spectrum = _spectrum(slow, rate)
    hum_db, mains, lines = max(_hum(*spectrum, each) for each in MAINS_HZ)
    return Lows(max(hum_db - 10 * math.log10(power), NONE_DB), mains, lines, _rumble_db(slow, rate, power))


def _spectrum(slow: Samples, rate: float) -> tuple[Floats, Floats]:
    """Power of the sine at each bin in the softest quarter of the frames, and the bins' frequencies."""
    size = min(round(FRAME_S * rate), slow.size // 2)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = sliding_window_view(slow, size)[:: size // 4] * (window * np.float32(2 / window.sum()))
    power = np.quantile(np.square(np.abs(scipy.fft.rfft(frames, axis=1))), SOFT, axis=0) / 2
    return np.asarray(power, np.float64), np.arange(power.size) * rate / size


def _hum(power: Floats, hertz: Floats, mains: float) -> tuple[float, float, int]:
    """(Level of the mains' lines in dB, -inf where they are too few; mains; how many lines)."""
    step = float(hertz[1])
    found, far = [], 0
    for number in range(1, HARMONICS + 1):
        line, stray = number * mains, STRAYS * number * mains
        reach = max(SIDES_HZ, SIDES_BINS * step)
        if line + reach > hertz[-1] * 0.9:
            break
        first, last = np.searchsorted(hertz, (line - reach, line + reach))
        away = np.abs(hertz[first:last] - line)
        here = float(power[first:last][away <= stray + 0.75 * step].max())
        over = here / max(float(np.quantile(power[first:last][away > stray + 2.5 * step], SIDE)), 1e-30)
        if over > 10 ** (CLEAR_DB / 10):
            found.append(here)
            far += over > 10 ** (FAR_DB / 10)
    if len(found) < FEWEST_LINES or far < FEWEST_FAR:
        return -math.inf, mains, len(found)
    return 10 * math.log10(max(sum(found), 1e-30)), mains, len(found)


def _rumble_db(slow: Samples, rate: float, power: float) -> float:
    size = round(RUMBLE_S * rate)
    frames = sliding_window_view(slow, size)[:: size // 2]
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    spectrum = np.square(np.abs(scipy.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * window, axis=1)))
    first, last = (round(hertz * size / rate) for hertz in RUMBLE_HZ)
    within = spectrum[:, first:last].sum(axis=1) * 2 / (size * float(np.square(window).sum()))
    return max(10 * math.log10(max(float(np.quantile(within, STEADY)) / power, 1e-10)), NONE_DB)
