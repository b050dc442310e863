"""The synthetic signals of EBU Tech 3341 (version 4, 2023, table 1) and Tech 3342, made to their published recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin

Samples = NDArray[np.float32]

RATE = 48_000


def tone(levels_dbfs: Sequence[float], seconds: float, rate: int = RATE, hz: float = 1000.0) -> Samples:
    """A sine whose peak is levels_dbfs[c] in channel c."""
    wave = np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.asarray(10 ** (np.array(levels_dbfs)[:, None] / 20) * wave, dtype=np.float32)


def stereo(parts: Sequence[tuple[float, float | None]]) -> Samples:
    """(seconds, dBFS or None for silence) in turn, a 1000 Hz sine in both channels with one running phase."""
    count = [round(seconds * RATE) for seconds, _ in parts]
    gain = np.concatenate(
        [np.full(n, 0.0 if level is None else 10 ** (level / 20)) for n, (_, level) in zip(count, parts, strict=True)]
    )
    wave = gain * np.sin(2 * np.pi * 1000 * np.arange(gain.size) / RATE)
    return np.stack([wave, wave]).astype(np.float32)


def tapered(wave: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Faded in and out in 10 ms."""
    n = np.arange(wave.size)
    return wave * np.minimum(np.minimum(n, n[::-1]) / (0.01 * rate), 1)


def at_a_fraction_of_the_rate(part: int, degrees: float, amplitude: float, seconds: float = 2.0) -> Samples:
    """Tech 3341, cases 15 to 19: a tapered stereo sine of `amplitude` at rate / part with a phase."""
    n = np.arange(round(seconds * RATE))
    wave = amplitude * np.sin(2 * np.pi * n / part + np.deg2rad(degrees))
    return np.stack([tapered(wave, RATE)] * 2).astype(np.float32)


def between_the_samples(offset: int) -> Samples:
    """Tech 3341, cases 20 to 23: at four times the rate a tapered stereo sine of amplitude 0.5 at rate / 6 that holds
    one period of amplitude 1 at rate / 4, its phase running on; low-passed, and every fourth sample taken from `offset`
    on. Of the EBU's own file of case 20 meters are known to read −0.13 dBTP, and so they do of this one."""
    fine = 4 * RATE
    period = slice(fine // 2, fine // 2 + 16)  # begins at a zero crossing of the sine, of which 24 samples are a period
    hertz, amplitude = np.full(fine, RATE / 6), np.full(fine, 0.5)
    hertz[period], amplitude[period] = RATE / 4, 1.0
    turns = np.concatenate(([0.0], np.cumsum(hertz / fine)[:-1]))
    wave = tapered(amplitude * np.sin(2 * np.pi * turns), fine)
    limited = np.convolve(wave, firwin(401, 0.95 * RATE / 2, fs=fine), "same")
    return np.stack([limited[offset::4]] * 2).astype(np.float32)
