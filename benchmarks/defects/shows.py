"""What a sound can show: whether a fault that moves its tones, its level or its end can be heard and measured in it.

These are measures of the clean sound, and none is a detector's: recipes of benchmarks/defects/planted.py leave out what
they say shows nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]

WINDOW_S, TONES_HZ = 0.064, (150.0, 3500.0)
AS_NOISE = 0.3  # white noise has 0.27, people who speak 0.20 to 0.25, a melody from 0.35 on
HEARD = 1e-3  # of the loudest moment's power
FALL_DB, FALL_S, FALLS_A_S = 12.0, 0.1, 1.0  # speech falls so twice or thrice a second
END_S, SOFTER_DB = 0.005, 20.0


def tones(sound: Samples, rate: int) -> bool:
    """Whether it has tones that last: how far each moment's magnitudes and phases follow from the two before it (the
    unpredictability of ISO 11172-3, annex D, model 2), over its power, in half of its moments better than of noise."""
    mono, size = sound.mean(axis=0), round(WINDOW_S * rate) & ~1
    if mono.size < 4 * size:
        return False
    spectrum = np.fft.rfft(sliding_window_view(mono, size)[:: size // 2] * np.hanning(size), axis=1)
    hertz = np.fft.rfftfreq(size, 1 / rate)
    spectrum = spectrum[:, (hertz >= TONES_HZ[0]) & (hertz <= TONES_HZ[1])]
    level, phase = np.abs(spectrum), np.angle(spectrum)
    expected = 2 * level[1:-1] - level[:-2]
    off = np.abs(spectrum[2:] - expected * np.exp(1j * (2 * phase[1:-1] - phase[:-2])))
    power = np.square(level[2:])
    foreseen = 1 - off / np.maximum(level[2:] + np.abs(expected), 1e-12)
    whole = power.sum(axis=1)
    heard = whole > HEARD * whole.max()
    return bool(heard.any()) and float(np.median((power * foreseen).sum(axis=1)[heard] / whole[heard])) >= AS_NOISE


def calm(sound: Samples, rate: int) -> bool:
    """Whether its level falls by 12 dB within a tenth of a second no more than once a second by itself."""
    size = round(FALL_S / 2 * rate)
    count = sound.shape[1] // size
    power = np.mean(np.square(sound[:, : count * size].reshape(len(sound), count, size), dtype=np.float64), axis=(0, 2))
    level = 10 * np.log10(power + 1e-10 * power.mean() + 1e-30)
    falling = level[2:] - level[:-2] < -FALL_DB
    falls = np.count_nonzero(falling[1:] & ~falling[:-1]) + int(falling[:1].any())
    return falls <= FALLS_A_S * count * FALL_S / 2


def sounds_to(sound: Samples, rate: int, end: int) -> bool:
    """Whether it sounds up to a sample: the 5 ms before it are less than 20 dB under the tenth of a second before."""

    def power(seconds: float) -> float:
        return float(np.mean(np.square(sound[:, max(end - round(seconds * rate), 0) : end], dtype=np.float64)))

    return power(END_S) > 10 ** (-SOFTER_DB / 10) * power(FALL_S)
