"""Musical, key: a clip's tonic and mode, read off how long and loud each of the twelve pitch classes sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from soundmill.audio.musical.onsets import mono, thinned

LOWEST_RATE = 5_000  # Hz: pitches above 2 kHz say little of the key
FRAME_S = 0.4
HOP_S = 0.2
LOWEST_HZ, HIGHEST_HZ = 55.0, 1_800.0
FLOOR = 1e-3  # of the greatest magnitude of a frame: below it a peak is noise
HARMONICS = 4  # of which a peak may be one
FALL = 0.6  # by how much less a peak counts for the fundamental of which it would be the next harmonic
LEAST_TONAL = 0.1

# How well the pitch classes above the tonic fit its key: D. Temperley 1999, "What's Key for Key? The
# Krumhansl-Schmuckler Key-Finding Algorithm Reconsidered".
MAJOR = (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0)
MINOR = (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`number`: 0 to 11 are C major to B major, 12 to 23 C minor to B minor. `certainty`, 0 to 1: how much better it
    fits than the best of the other keys."""

    number: int
    certainty: float


def key(samples: NDArray[np.float32], sample_rate: int) -> Key | None:
    """The key of finite samples [channels, time]; None where no pitch stands out.

    The correlation of the clip's pitch classes with Temperley's profiles of the 24 keys (the Krumhansl-Schmuckler
    algorithm). Relative and dominant keys share most notes and are the usual mistake.
    """
    heard = pitch_classes(samples, sample_rate)
    if heard is None:
        return None
    centred = heard - heard.mean()
    size = float(np.linalg.norm(centred))
    if size < LEAST_TONAL * float(np.linalg.norm(heard)):
        return None
    fits = PROFILES @ (centred / size)
    best = int(np.argmax(fits))
    other = float(np.delete(fits, best).max())
    return Key(number=best, certainty=float(np.clip(4 * (fits[best] - other), 0, 1)))


def pitch_classes(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64] | None:
    """How much there is of C, C♯ … B, summing to 1 [12]; None for silence and noise without peaks.

    Peaks of spectra of 0.4 s, each counted for the pitches of which it may be a harmonic (E. Gómez 2006, "Tonal
    Description of Music Audio Signals"), all of them tuned as the peaks say.
    """
    sound, rate = thinned(mono(samples), sample_rate, LOWEST_RATE)
    frame = round(FRAME_S * rate)
    if sound.size < frame:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(sound, frame)[:: max(1, round(HOP_S * rate))]
    spectra = np.abs(rfft(frames * np.hanning(frame).astype(np.float32), axis=1))
    low, high = int(LOWEST_HZ * frame / rate), min(int(HIGHEST_HZ * frame / rate), spectra.shape[1] - 2)
    here = spectra[:, low : high + 1]
    before, after = spectra[:, low - 1 : high], spectra[:, low + 1 : high + 2]
    floor = FLOOR * np.maximum(spectra.max(axis=1, keepdims=True), 1e-9)
    row, at = np.nonzero((here > before) & (here >= after) & (here > floor))
    if not row.size:
        return None
    a, b, c = (np.log(np.maximum(part[row, at], 1e-12)) for part in (before, here, after))
    shift = np.clip(0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9), -0.5, 0.5)
    pitch = 69 + 12 * np.log2((low + at + shift) * rate / frame / 440)
    # The square root: a loud note weighs more than a soft one, but not as much more as its power.
    weight = np.sqrt(here[row, at] / spectra.max())
    turns = np.exp(2j * np.pi * pitch)
    tuning = float(np.angle((turns * weight).sum()) / (2 * np.pi))
    classes = np.zeros(12)
    for harmonic in range(1, HARMONICS + 1):
        fundamental = pitch - tuning - 12 * np.log2(harmonic)
        nearest = np.round(fundamental)
        off = np.cos(np.pi * np.clip(fundamental - nearest, -0.5, 0.5)) ** 2
        kept = fundamental > 28  # below E1 is none
        classes += np.bincount(
            nearest[kept].astype(np.int64) % 12, (weight * off * FALL ** (harmonic - 1))[kept], minlength=12
        )
    total = float(classes.sum())
    return classes / total if total > 0 else None


def _profiles() -> NDArray[np.float64]:
    """Those of the 24 keys, each without its mean and of length 1 [24, 12]."""
    made = np.array([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])
    made -= made.mean(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return scaled


PROFILES = _profiles()
