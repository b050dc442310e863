"""Faults of the spectrum made by other recipes than the benchmark's: told in nine of ten clean sounds, at what the
benchmark calls clear."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, firwin, lfilter, sosfilt

from soundmill.jobs import QualityKind
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of
from soundmill.quality.measure import Measured, measure
from support.clean import CLEAN, RATE, clean

Samples = NDArray[np.float32]
Wave = NDArray[np.float64]
Recipe = Callable[[Samples, np.random.Generator], Wave]

SEEDS = (11, 12, 13, 14)


def measured(sound: Wave | Samples) -> Measured:
    samples = np.ascontiguousarray(0.5 * sound / np.abs(sound).max(), dtype=np.float32)
    return measure(samples, RATE, requested_s=None, loudness_lufs=None, before=None)


def told(sound: Wave | Samples) -> set[str]:
    return {str(each["name"]) for each in measured(sound).defects}


def under(sound: Samples, wave: Wave, decibels: float) -> Wave:
    """A wave so far below a sound, in all channels."""
    return np.asarray(sound + wave * (sound.std() / wave.std() * 10 ** (-decibels / 20)))


def time(sound: Samples) -> Wave:
    return np.asarray(np.arange(sound.shape[1]) / RATE)


def supply(sound: Samples, rng: np.random.Generator) -> Wave:
    """The ripple behind a rectifier, with some of the mains itself, wandering by a hundredth of a percent."""
    mains = rng.choice([50.0, 60.0]) * (1 + 1e-4 * np.sin(0.4 * time(sound) + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(mains) / RATE
    return under(sound, 0.6 * np.sin(phase) + sum(np.cos(n * phase + n) / n**0.7 for n in range(2, 13, 2)), 22)


def wind(sound: Samples, rng: np.random.Generator) -> Wave:
    """A microphone in the wind: brown below 23 Hz, swelling."""
    brown = lfilter([1], [1, -np.exp(-20 / RATE)], rng.standard_normal(sound.shape[1]))
    low = sosfilt(butter(4, [3, 23], "bandpass", fs=RATE, output="sos"), brown)
    return under(sound, low * (1 + 0.4 * np.sin(1.3 * time(sound))), 8)


def tape(sound: Samples, rng: np.random.Generator) -> Wave:
    """Noise that rises with frequency, another in each channel."""
    white = rng.standard_normal(sound.shape)
    return under(sound, lfilter([1, -0.6], [1], white, axis=1) + 0.3 * white, 24)


def nearest(sound: Samples, rng: np.random.Generator) -> Wave:
    """Kept at a usual lower rate, which need not divide this one, and played by the nearest sample."""
    rate = rng.choice([11_025, 12_000, 16_000])
    filtered = sosfilt(butter(8, 0.45 * rate, fs=RATE, output="sos"), sound, axis=1)
    at = (np.arange(sound.shape[1]) * rate / RATE).astype(np.int64)
    moments = np.arange(at[-1] + 1) * RATE / rate
    kept = np.stack([np.interp(moments, np.arange(sound.shape[1]), each) for each in filtered])
    return np.asarray(kept[:, at])


def straight(sound: Samples, rng: np.random.Generator) -> Wave:
    """Every second or third sample, with straight lines between them."""
    step = int(rng.choice([2, 3]))
    filtered = np.stack([np.convolve(each, firwin(255, 0.9 / step), "same") for each in sound])
    places = np.arange(sound.shape[1])
    return np.stack([np.interp(places, places[::step], each[::step]) for each in filtered])


def echoes(sound: Samples, rng: np.random.Generator) -> Wave:
    """Two echoes at a delay that lies between samples, upright or turned over."""
    later, gain, places = rng.uniform(0.0015, 0.008) * RATE, rng.choice([-0.85, 0.85]), np.arange(sound.shape[1])
    echo = [np.stack([np.interp(places - n * later, places, each, left=0) for each in sound]) for n in (1, 2)]
    return np.asarray(sound + gain * echo[0] + gain**2 * echo[1])


def plate(sound: Samples, rng: np.random.Generator) -> Wave:
    """Played through a metal bar: its partials, dying away within a second."""
    moments, partials = np.arange(RATE) / RATE, rng.uniform(420, 700) * np.array([1, 1.53, 2.756, 3.91, 5.404, 8.933])
    rings = sum(rng.uniform(0.5, 1) * np.sin(2 * np.pi * hertz * moments + rng.uniform(0, 6)) for hertz in partials)
    made = np.stack([fftconvolve(each, rings * np.exp(-8 * moments))[: each.size] for each in sound])
    return under(sound, made, -2)


def duller(sound: Samples, rng: np.random.Generator) -> Wave:
    """A filter without any phase, faded in within a fifth of a second."""
    low = np.stack([np.convolve(each, firwin(255, rng.uniform(1200, 2800), fs=RATE), "same") for each in sound])
    gone = np.clip((time(sound) - rng.uniform(2.5, 5)) / 0.2, 0, 1)
    return np.asarray(sound * (1 - gone) + low * gone)


@cache
def clips() -> list[tuple[str, int, Samples]]:
    music = [name for name, (kind, _) in CLEAN.items() if kind == "music"]
    return [(name, seed, clean(name, seed)) for name in music for seed in SEEDS]


RECIPES: dict[Recipe, str] = {
    supply: "mains_hum",
    wind: "rumble",
    tape: "hiss",
    nearest: "images",
    straight: "images",
    echoes: "ringing",
    plate: "ringing",
    duller: "treble_lost",
}


NOT_IN: dict[Recipe, tuple[str, ...]] = {echoes: ("tonal",), plate: ("tonal",)}  # partials that are as regular


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.__name__)
def test_a_fault_by_another_recipe_is_told(recipe: Recipe) -> None:
    found = {
        (name, seed): told(recipe(sound, np.random.default_rng([seed, len(name)])))
        for name, seed, sound in clips()
        if name not in NOT_IN.get(recipe, ())
    }
    missed = {each: names for each, names in found.items() if RECIPES[recipe] not in names}
    assert len(found) >= 8
    assert len(missed) <= 0.1 * len(found), missed


def test_metal_rings_in_what_never_stops() -> None:
    """No pause and no blow in which it could be heard alone."""
    for seed in SEEDS:
        rain = clean("rain", seed)
        assert "ringing" not in told(rain)
        assert "ringing" in told(plate(rain, np.random.default_rng(seed)))


@pytest.mark.parametrize("top", [7000.0, 11_000.0])
def test_hiss_shows_above_what_a_sound_carries(top: float) -> None:
    """A wall of distorted strings that is never soft, cut by a coder's low-pass, over a steady floor."""
    rng, rate = np.random.default_rng(5), 24_000 if top < 8000 else RATE
    moments, strings = np.arange(9 * rate) / rate, np.zeros(9 * rate)
    for hertz in (82.4, 123.5, 164.8, 207.7, 246.9):
        phase = np.cumsum(hertz * (1 + 0.006 * np.sin(2 * np.pi * rng.uniform(3, 7) * moments))) / rate
        strings += (2 * (phase % 1) - 1) * (1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * moments))
    wall = sosfilt(butter(10, top, fs=rate, output="sos"), np.tanh(3 * strings))[None]
    for hissing in (False, True):
        sound = wall + hissing * wall.std() * 10 ** (-24 / 20) * rng.standard_normal(wall.shape)
        samples = np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)
        found = measure(samples, rate, requested_s=None, loudness_lufs=None, before=None)
        assert ("hiss" in {str(each["name"]) for each in found.defects}) is hissing
        assert float(found.values["hiss_db"] or 0) == pytest.approx(-24 if hissing else -100, abs=2)


def test_clean_sounds_fail_by_none_of_it() -> None:
    for name, seed, sound in clips():
        found = measured(sound)
        checks = judge(found.values, limits_of(QualityKind.MUSIC), found.defects).checks
        assert not {check.name for check in checks if not check.passed} & set(RECIPES.values()), (name, seed)
