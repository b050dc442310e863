"""The audio room, fingerprints: what a sound is like, in few numbers, by which others like it are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.fingerprint.spectrum import BIN_HZ, spectra

BANDS = 24
LOWEST_HZ, TOP_HZ = 60.0, 8000.0
NUMBERS = 3 * BANDS
DEEPEST_DB = 60.0  # under the loudest band
STEP_DB = 0.25  # of a stored byte


def likeness(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.uint8]:
    """72 bytes, in steps of 0.25 dB, for finite samples [channels, time]: of 24 bands of the mel scale (O'Shaughnessy,
    1987) from 60 Hz to 8 kHz how far each lies on average over 60 dB under the loudest moment of any, how much it
    varies, and by how much it changes from one frame to the next. Gain does not change them; a shift in time hardly.
    """
    power = spectra(samples, sample_rate, top_hz=TOP_HZ) ** 2
    if power.size == 0:
        return np.zeros(NUMBERS, np.uint8)
    low, high = 1127 * np.log1p(np.array([LOWEST_HZ, TOP_HZ]) / 700)
    edges = 700 * np.expm1(np.linspace(low, high, BANDS + 1) / 1127)
    bands = np.add.reduceat(power, (edges[:-1] / BIN_HZ).astype(np.int64), axis=1)
    loudest = float(bands.max())
    if loudest == 0:
        return np.zeros(NUMBERS, np.uint8)
    decibels = np.maximum(0.0, 10 * np.log10(np.maximum(bands / loudest, 1e-12)) + DEEPEST_DB)
    changes = np.abs(np.diff(decibels, axis=0, prepend=decibels[:1]))
    numbers = np.concatenate([decibels.mean(axis=0), decibels.std(axis=0), changes.mean(axis=0)])
    return np.clip(np.round(numbers / STEP_DB), 0, 255).astype(np.uint8)


def distances(sound: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How unlike a sound others [sounds, 72] are: the root mean square of the differences of all numbers, each in
    standard deviations of its own over `others`. Two of them that have nothing to do with each other are 1.4 apart."""
    known = others.astype(np.float32)
    spread = np.maximum(known.std(axis=0), 1.0)
    steps = (known - sound.astype(np.float32)) / spread
    return np.asarray(np.sqrt((steps**2).mean(axis=1)), np.float64)
