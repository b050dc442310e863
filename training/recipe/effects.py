"""The synthesiser, sound effects: what sounds in the world, by simple physics and filtered noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from recipe.notes import GRID, SAMPLE_RATE, Samples, noise, shaped, unit

Degree = Literal["low", "medium", "high"]
Wave = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSpec:
    """A kind of sound. `strength` is how strong (light rain, heavy rain), `rate` how often or how fast."""

    kind: str
    strength: Degree
    rate: Degree


def _time(length: int) -> Wave:
    return np.arange(length) / SAMPLE_RATE


def _pick(degree: Degree, low: float, medium: float, high: float) -> float:
    return {"low": low, "medium": medium, "high": high}[degree]


def _every(
    spec: EffectSpec, length: int, intervals_s: tuple[float, float, float], hit: Wave, gain: float,
    rng: np.random.Generator,
) -> Wave:  # fmt: skip
    """`hit` again and again, its onsets on the 20 ms grid, now a little early, now late, at half to all of `gain`.

    Nothing in the world strikes twice alike, and a clip of exact copies is what the loop check rejects.
    """
    track = np.zeros(length + GRID + len(hit))
    interval = round(_pick(spec.rate, *intervals_s) * SAMPLE_RATE / GRID) * GRID
    for beat in range(0, length, interval):
        start = beat + GRID * int(rng.integers(0, 2))
        track[start : start + len(hit)] += gain * rng.uniform(0.5, 1.0) * hit
    return track[:length]


def _drift(length: int, share: float, rng: np.random.Generator) -> Wave:
    """A factor around 1 that wanders by up to `share`, for what would otherwise repeat to the sample."""
    t = _time(length)
    slow, slower = (np.sin(2 * np.pi * rng.uniform(0.05, 0.4) * t + rng.uniform(0, 6.28)) for _ in range(2))
    return np.asarray(1 + share / 2 * (slow + slower))


def _rain(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    hiss = unit(shaped(rng.standard_normal(length), 900, 5_000, 1)) * _pick(spec.strength, 0.05, 0.10, 0.18)
    drops = np.zeros(length)
    count = int(length / SAMPLE_RATE * _pick(spec.strength, 8, 20, 40))
    t = _time(480)
    for start in rng.integers(0, max(1, length - 480), count):
        drops[start : start + 480] += np.sin(2 * np.pi * rng.uniform(1_500, 4_000) * t) * np.exp(-t / 0.004)
    return hiss + 0.12 * drops


def _wind(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(length)
    gusts = 0.6 + 0.4 * np.sin(2 * np.pi * _pick(spec.rate, 0.15, 0.3, 0.5) * t + rng.uniform(0, 6.28))
    breath = unit(shaped(rng.standard_normal(length), 120, 450, 2))
    whistle = unit(shaped(rng.standard_normal(length), 500, 700, 4))
    return _pick(spec.strength, 0.06, 0.12, 0.2) * gusts * (breath + 0.4 * gusts * whistle)


def _waves(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(length)
    swell = np.maximum(0.12, np.sin(2 * np.pi * _pick(spec.rate, 0.14, 0.2, 0.3) * t + 0.3)) ** 2
    surf = unit(shaped(rng.standard_normal(length), 200, 2_500, 1))
    return _pick(spec.strength, 0.08, 0.14, 0.2) * (swell + 0.05) * surf


def _fire(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    bed = 0.04 * unit(shaped(rng.standard_normal(length), 60, 400, 1))
    crackle = np.zeros(length)
    burst = shaped(noise(640, 5), 1_200, 6_000) * np.exp(-_time(640) / 0.006)
    for start in rng.integers(0, max(1, length // GRID - 2), int(length / SAMPLE_RATE * _pick(spec.rate, 4, 8, 16))):
        crackle[start * GRID : start * GRID + 640] += rng.uniform(0.1, 0.5) * burst
    return _pick(spec.strength, 0.7, 1.0, 1.4) * (bed + crackle)


def _footsteps(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(2_560)
    thud = np.sin(2 * np.pi * 85 * t) * np.exp(-t / 0.03)
    scuff = unit(shaped(noise(2_560, 7), 500, 2_500)) * np.exp(-((t - 0.03) ** 2) / 0.0006)
    return _every(spec, length, (0.8, 0.54, 0.32), 0.7 * thud + 0.16 * scuff, _pick(spec.strength, 0.35, 0.6, 0.9), rng)


def _beeps(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(2_560)
    frequency = _pick(spec.strength, 600, 1_000, 1_800)
    tone = np.sin(2 * np.pi * frequency * t) * np.minimum(1, np.minimum(t, t[-1] - t) / 0.005)
    return _every(spec, length, (1.0, 0.5, 0.26), tone, 0.4, rng)


def _alarm(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(length)
    high = np.floor(t / _pick(spec.rate, 0.6, 0.4, 0.24)) % 2
    phase = 2 * np.pi * np.cumsum(np.where(high > 0, 950, 700) * _drift(length, 0.02, rng)) / SAMPLE_RATE
    return _pick(spec.strength, 0.15, 0.22, 0.3) * (np.sin(phase) + 0.3 * np.sin(3 * phase))


def _siren(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(length)
    sweep = 800 + 300 * np.sin(2 * np.pi * _pick(spec.rate, 0.25, 0.5, 1.0) * t)
    phase = 2 * np.pi * np.cumsum(sweep * _drift(length, 0.03, rng)) / SAMPLE_RATE
    return _pick(spec.strength, 0.15, 0.22, 0.3) * (np.sin(phase) + 0.2 * np.sin(2 * phase))


def _engine(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(length)
    base = _pick(spec.rate, 33, 52, 85) * (1 + 0.04 * np.sin(2 * np.pi * 0.7 * t)) * _drift(length, 0.04, rng)
    phase = 2 * np.pi * np.cumsum(base) / SAMPLE_RATE
    hum = sum(np.sin(k * phase) / k**0.8 for k in range(1, 12))
    grit = unit(shaped(rng.standard_normal(length), 150, 900, 1)) * (1 + np.sin(phase))
    return np.asarray(_pick(spec.strength, 0.6, 1.0, 1.4) * (0.11 * np.asarray(hum) + 0.03 * grit))


def _explosion(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    size = round(2.4 * SAMPLE_RATE)
    t = _time(size)
    blast = unit(shaped(noise(size, 11), 30, 700, 1)) * np.exp(-t / 0.5)
    crack = unit(shaped(noise(size, 12), 500, 4_000, 1)) * np.exp(-t / 0.05)
    boom = np.sin(2 * np.pi * (38 * t + 1.2 * (1 - np.exp(-t / 0.08)))) * np.exp(-t / 0.4)
    hit = 0.28 * blast + 0.15 * crack + 0.35 * boom
    return _every(spec, length, (3.0, 2.4, 1.6), hit, _pick(spec.strength, 0.4, 0.8, 1.1), rng)


def _thunder(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(length)
    roll = 0.5 + 0.5 * np.sin(2 * np.pi * 0.35 * t + rng.uniform(0, 6.28)) * np.sin(2 * np.pi * 1.3 * t)
    return _pick(spec.strength, 0.12, 0.2, 0.3) * roll * unit(shaped(rng.standard_normal(length), 30, 160, 2))


def _bell(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(round(2.0 * SAMPLE_RATE))
    base = _pick(spec.strength, 220, 330, 520)
    parts = ((0.5, 0.5, 1.2), (1.0, 1.0, 0.9), (1.19, 0.6, 0.7), (2.0, 0.5, 0.45), (2.74, 0.4, 0.3), (4.1, 0.25, 0.2))
    hit = sum(a * np.sin(2 * np.pi * base * r * t) * np.exp(-t / d) for r, a, d in parts)
    return _every(spec, length, (2.0, 1.4, 0.8), np.asarray(hit), 0.13, rng)


def _clock(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(640)
    tick = (np.sin(2 * np.pi * 2_400 * t) + 0.5 * np.sin(2 * np.pi * 3_700 * t)) * np.exp(-t / 0.006)
    return _every(spec, length, (1.0, 0.5, 0.26), tick, _pick(spec.strength, 0.25, 0.4, 0.55), rng)


def _knock(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(1_600)
    knock = np.sin(2 * np.pi * 240 * t) * np.exp(-t / 0.02) + 0.4 * np.sin(2 * np.pi * 620 * t) * np.exp(-t / 0.01)
    three = np.zeros(10_240)
    for start in (0, 3_200, 6_400):
        three[start : start + 1_600] += knock
    return _every(spec, length, (1.8, 1.4, 1.0), three, _pick(spec.strength, 0.3, 0.45, 0.65), rng)


def _birds(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    track = 0.006 * unit(shaped(rng.standard_normal(length), 300, 3_000, 1))
    t = _time(1_920)
    for cell in rng.integers(0, max(1, length // GRID - 6), int(length / SAMPLE_RATE * _pick(spec.rate, 2, 4, 7))):
        start = rng.choice([2_400, 3_000, 3_600])
        phase = 2 * np.pi * (start * t + rng.choice([-1, 1]) * 4_500 * t**2)
        track[cell * GRID : cell * GRID + 1_920] += 0.25 * np.sin(phase) * np.sin(np.pi * t / t[-1])
    return track


def _laser(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(4_800)
    phase = 2 * np.pi * (300 * t + 2_800 * 0.08 * (1 - np.exp(-t / 0.08)))
    return _every(
        spec, length, (1.2, 0.7, 0.36), np.sin(phase) * np.exp(-t / 0.12), _pick(spec.strength, 0.25, 0.4, 0.5), rng
    )


def _heartbeat(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    t = _time(6_400)
    beat = np.sin(2 * np.pi * 55 * t) * np.exp(-t / 0.06)
    beat[3_200:] += 0.7 * beat[:3_200]
    return _every(spec, length, (1.1, 0.8, 0.5), beat, _pick(spec.strength, 0.4, 0.6, 0.8), rng)


def _static(spec: EffectSpec, length: int, rng: np.random.Generator) -> Wave:
    return _pick(spec.strength, 0.05, 0.1, 0.18) * unit(shaped(rng.standard_normal(length), 60, 7_000, 1))


KINDS: dict[str, Callable[[EffectSpec, int, np.random.Generator], Wave]] = {
    "rain": _rain,
    "wind": _wind,
    "waves": _waves,
    "fire": _fire,
    "footsteps": _footsteps,
    "beeps": _beeps,
    "alarm": _alarm,
    "siren": _siren,
    "engine": _engine,
    "explosion": _explosion,
    "thunder": _thunder,
    "bell": _bell,
    "clock": _clock,
    "knock": _knock,
    "birds": _birds,
    "laser": _laser,
    "heartbeat": _heartbeat,
    "static": _static,
}


COMMON = ("rain", "footsteps", "beeps")  # drawn twice as often


def draw(rng: np.random.Generator) -> EffectSpec:
    degrees: tuple[Degree, ...] = ("low", "medium", "high")
    return EffectSpec(
        kind=str(rng.choice([*KINDS, *COMMON])), strength=degrees[rng.integers(3)], rate=degrees[rng.integers(3)]
    )


def render(spec: EffectSpec, seconds: float, rng: np.random.Generator) -> Samples:
    """The effect, mono, float32 [seconds × 16000], peak at most 0.9, over the hiss of a quiet room."""
    length = round(seconds * SAMPLE_RATE)
    room = 0.004 * unit(shaped(rng.standard_normal(length), 100, 3_000, 1))
    sound = KINDS[spec.kind](spec, length, rng) + room
    peak = float(np.abs(sound).max(initial=1e-9))
    return np.asarray(sound * min(1.0, 0.9 / peak), dtype=np.float32)
