"""The synthetic signals of EBU Tech 3341 (2016) and Tech 3342 (2016), made to their published recipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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


def at_a_fraction_of_the_rate(part: int, degrees: float, amplitude: float, seconds: float = 2.0) -> Samples:
    """Tech 3341, cases 15 to 19: a sine of `amplitude` at rate / part with a phase, faded in and out, in stereo."""
    n = np.arange(round(seconds * RATE))
    wave = amplitude * np.sin(2 * np.pi * n / part + np.deg2rad(degrees))
    fade = np.minimum(np.minimum(n, n[::-1]) / (0.1 * RATE), 1)
    return np.stack([wave * fade] * 2).astype(np.float32)


def between_the_samples(offset: int) -> Samples:
    """Tech 3341, cases 20 to 23: at four times the rate, a sine of amplitude 0.5 at a sixth of 48 kHz, one period of it
    raised to 1.0, band-limited, and every fourth sample taken from `offset` on, so that the highest point lies between
    samples."""
    fine = 4 * RATE
    n = np.arange(fine)
    phase = 2 * np.pi * n * (RATE / 6) / fine
    amplitude = np.where((n >= fine // 2) & (n < fine // 2 + 24), 1.0, 0.5)
    wave = amplitude * np.sin(phase)
    spectrum = np.fft.rfft(wave)
    spectrum[np.fft.rfftfreq(fine, 1 / fine) > 0.45 * RATE] = 0
    limited = np.fft.irfft(spectrum, fine)
    limited /= np.abs(limited).max()
    return np.stack([limited[offset::4]] * 2).astype(np.float32)
