"""The synthesiser, one note at a time: pitched timbres by additive synthesis, drums from fixed recipes.

Everything is deterministic: the same note is the same samples wherever it sounds, its phase starts at
zero, and onsets lie on a 20 ms grid. A small codec and a small language model learn far faster from
sound that repeats exactly; GRID is half a frame of the codec.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Brightness = Literal["dark", "neutral", "bright"]

SAMPLE_RATE = 16_000  # Hz
GRID = 320  # samples, 20 ms
SHORT = 50  # grid cells: most notes are no longer, and cost a quarter
LONGEST = 210  # grid cells: a bar of four beats at 60 bpm
RELEASE_S = 0.03
TOP_HZ = 7_000.0  # no harmonic above: room for the codec's filters below Nyquist

# How much steeper (positive) or flatter the harmonics fall, as an exponent of their number.
_SLOPE: dict[Brightness, float] = {"dark": 1.3, "neutral": 0.3, "bright": -0.25}
_LOWPASS_HZ: dict[Brightness, float] = {"dark": 900.0, "neutral": 6_000.0, "bright": 4_500.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timbre:
    """Harmonic k of a note has amplitude k**-slope (odd ones only for a square), times its envelope.

    `decay_s` is the time constant of a struck or plucked note, None for one that is held.
    """

    slope: float
    attack_s: float
    decay_s: float | None
    odd_only: bool = False
    partials: tuple[float, ...] = ()  # inharmonic ratios in place of 1, 2, 3 …


TIMBRES: dict[str, Timbre] = {
    "piano": Timbre(slope=1.4, attack_s=0.004, decay_s=0.45),
    "guitar": Timbre(slope=1.0, attack_s=0.002, decay_s=0.25),
    "harp": Timbre(slope=1.9, attack_s=0.003, decay_s=0.35),
    "bells": Timbre(slope=0.9, attack_s=0.002, decay_s=0.6, partials=(1.0, 2.76, 5.4, 8.93)),
    "organ": Timbre(slope=1.0, attack_s=0.012, decay_s=None),
    "strings": Timbre(slope=1.1, attack_s=0.07, decay_s=None),
    "flute": Timbre(slope=2.6, attack_s=0.04, decay_s=None),
    "brass": Timbre(slope=0.7, attack_s=0.03, decay_s=None),
    "synth": Timbre(slope=0.9, attack_s=0.006, decay_s=None),
    "chiptune": Timbre(slope=1.0, attack_s=0.001, decay_s=None, odd_only=True),
    "pad": Timbre(slope=2.0, attack_s=0.15, decay_s=None),
    "bass": Timbre(slope=1.3, attack_s=0.006, decay_s=0.5),
}


def hertz(midi: int) -> float:
    """Frequency of a MIDI note number in equal temperament, A4 = note 69 = 440 Hz."""
    return float(440.0 * 2 ** ((midi - 69) / 12))


@lru_cache(maxsize=4_000)
def _held(name: str, midi: int, cells: int, brightness: Brightness) -> Samples:
    """A note before its release, at about unit RMS while it sounds."""
    timbre = TIMBRES[name]
    t = np.arange(cells * GRID) / SAMPLE_RATE
    base = hertz(midi)
    numbers = timbre.partials or tuple(float(k) for k in range(1, 25, 2 if timbre.odd_only else 1))
    slope = timbre.slope + _SLOPE[brightness]
    sound = np.zeros(len(t))
    power = 0.0
    for ratio in numbers:
        frequency = base * ratio
        if frequency > TOP_HZ:
            break
        amplitude = ratio ** -max(slope, 0.35) / np.sqrt(1 + (frequency / _LOWPASS_HZ[brightness]) ** 4)
        power += amplitude**2 / 2
        partial = np.sin(2 * np.pi * frequency * t)
        if timbre.decay_s is not None:  # high partials die first
            partial *= np.exp(-t / (timbre.decay_s / (1 + 0.15 * (ratio - 1))))
        sound += amplitude * partial
    sound *= np.minimum(1.0, np.arange(len(t)) / max(1, round(timbre.attack_s * SAMPLE_RATE))) / np.sqrt(power)
    return sound.astype(np.float32)


def note(name: str, midi: int, cells: int, brightness: Brightness) -> Samples:
    """A note of timbre `name` that lasts `cells` grid cells (at most LONGEST), its last 30 ms released."""
    whole = _held(name, midi, SHORT if cells <= SHORT else LONGEST, brightness)
    sound = whole[: cells * GRID].copy()
    release = min(len(sound), round(RELEASE_S * SAMPLE_RATE))
    sound[len(sound) - release :] *= np.linspace(1, 0, release, dtype=np.float32)
    return sound


def noise(length: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(length)


def shaped(sound: NDArray[np.float64], low_hz: float, high_hz: float, order: int = 2) -> NDArray[np.float64]:
    """Band-limit by Butterworth-like gains in the frequency domain: no phase, no transient, no scipy."""
    spectrum = np.fft.rfft(sound)
    f = np.maximum(np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE), 1e-3)
    gain = 1 / np.sqrt((1 + (low_hz / f) ** (2 * order)) * (1 + (f / high_hz) ** (2 * order)))
    return np.asarray(np.fft.irfft(spectrum * gain, len(sound)))


def unit(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same sound at RMS 1."""
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-12))


@lru_cache(maxsize=64)
def drum(name: str, brightness: Brightness) -> Samples:
    """A drum hit with peak 1: kick, snare, hat or clap."""
    length = {"kick": 12, "snare": 9, "hat": 4, "clap": 7}[name] * GRID
    t = np.arange(length) / SAMPLE_RATE
    if name == "kick":
        sweep = 50 * t + 100 * 0.03 * (1 - np.exp(-t / 0.03))
        sound = np.sin(2 * np.pi * sweep) * np.exp(-t / 0.07)
    elif name == "snare":
        rattle = unit(shaped(noise(length, 1), 900, 5_000)) * np.exp(-t / 0.05)
        sound = 0.5 * rattle + 0.6 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.06)
    elif name == "hat":
        sound = unit(shaped(noise(length, 2), 4_500, 7_000, 3)) * np.exp(-t / 0.018)
    else:
        sound = unit(shaped(noise(length, 3), 1_000, 3_500)) * np.exp(-t / 0.035)
    if brightness == "dark":
        sound = shaped(sound, 20, 1_400)
    fade = min(length, GRID)
    sound[length - fade :] *= np.linspace(1, 0, fade)
    return np.asarray(sound / np.abs(sound).max(), dtype=np.float32)


def add(track: Samples, sound: Samples, cell: int, gain: float) -> None:
    """Mix `sound` into `track` from grid cell `cell` on; what lies beyond the track's end is dropped."""
    start = cell * GRID
    end = min(len(track), start + len(sound))
    if start < end:
        track[start:end] += np.float32(gain) * sound[: end - start]
