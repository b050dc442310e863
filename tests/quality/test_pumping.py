"""Gain that pumps, as a ducker makes it: keyed by something else, with attack, hold and release."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundmill.quality.measure import Measured, measure
from support.clean import RATE, clean

Samples = NDArray[np.float32]


def measured(sound: Samples, rate: int = RATE) -> Measured:
    return measure(np.asarray(sound, np.float32), rate, requested_s=None, loudness_lufs=None, before=None)


def ducked(sound: Samples, rate: int, keys: NDArray[np.float64], decibels: float, release_s: float = 0.18) -> Samples:
    """Turned down by so much within 15 ms of each key, held for 30 ms, released by straight lines in dB."""
    since = np.full(sound.shape[1], 9.0)
    time = np.arange(sound.shape[1]) / rate
    for key in keys:
        since[time >= key] = time[time >= key] - key
    gain = np.interp(since, [0, 0.015, 0.045, 0.045 + 2 * release_s], [0, -decibels, -decibels, 0])
    return np.asarray(sound * 10 ** (gain / 20), np.float32)


def beats(seed: int, every_s: float, seconds: float = 8.0) -> NDArray[np.float64]:
    """Nearly regular: somebody plays them."""
    rng = np.random.default_rng(seed)
    return np.arange(0.4, seconds - 0.5, every_s) + rng.normal(0, 0.015, len(np.arange(0.4, seconds - 0.5, every_s)))


def hall(rate: int, seconds: float = 8.0, seed: int = 0) -> Samples:
    """Voices that speak at random, too many to be told apart, in a room."""
    rng = np.random.default_rng(seed)
    sound = np.cumsum(rng.standard_normal((2, round(seconds * rate))), axis=1)
    sound = np.diff(sound - 0.97 * np.roll(sound, 1, axis=1), axis=1, prepend=0)
    for _ in range(40):
        at, hertz = rng.uniform(0, seconds - 1), rng.uniform(100, 240)
        time = np.arange(round(rng.uniform(0.3, 0.9) * rate)) / rate
        voice = sum(np.sin(2 * np.pi * n * hertz * time) / n for n in range(1, 25)) * np.hanning(time.size)
        first = round(at * rate)
        part = sound[:, first : first + time.size]
        part += 0.8 * voice[: part.shape[1]]
    return np.asarray(sound / np.abs(sound).max(), np.float32)


@pytest.mark.parametrize(("rate", "decibels"), [(8_000, 14), (11_025, 18), (16_000, 18), (48_000, 10)])
def test_pumping_is_noted_with_its_depth_at_every_sample_rate(rate: int, decibels: float) -> None:
    sound = hall(rate)
    assert measured(sound, rate).values["pumping_db"] == 0
    found = measured(ducked(sound, rate, beats(1, 0.62), decibels), rate)
    assert found.values["pumping_db"] == pytest.approx(decibels, abs=4)
    [note] = [each for each in found.defects if each["name"] == "pumping"]
    assert float(str(note["start_s"])) < 1.5 and float(str(note["end_s"])) > 6.5


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("sound", ["tonal", "ambient", "rain", "percussive"])
def test_other_sounds_that_pump_are_noted_and_those_as_they_are_not(sound: str, seed: int) -> None:
    whole = clean(sound, seed)
    assert measured(whole).values["pumping_db"] == 0
    assert float(measured(ducked(whole, RATE, beats(seed, 0.55), 16)).values["pumping_db"] or 0) > 8


def test_a_gain_that_pumps_at_a_beat_is_told_under_blows_that_fall_by_themselves() -> None:
    """At 112 a minute, and the gain to another beat."""
    rng, sound = np.random.default_rng(3), 0.25 * np.random.default_rng(2).standard_normal((1, 9 * RATE))
    for at in np.arange(0.1, 8.6, 60 / 112) + rng.normal(0, 0.01, len(np.arange(0.1, 8.6, 60 / 112))):
        first, time = round(at * RATE), np.arange(round(0.3 * RATE)) / RATE
        sound[:, first : first + time.size] += rng.standard_normal(time.size) * np.exp(-time / 0.05)
    sound = np.asarray(sound / np.abs(sound).max(), np.float32)
    assert measured(sound).values["pumping_db"] == 0
    assert float(measured(ducked(sound, RATE, beats(4, 0.8, 9.0), 18)).values["pumping_db"] or 0) > 8


def test_a_gate_and_a_tremolo_do_not_pump() -> None:
    """One opens as fast as it closes, the other rises as fast as it falls."""
    time, sound = np.arange(8 * RATE) / RATE, hall(RATE)
    gate = (time * 2 % 1 < 0.6).astype(np.float32)
    tremolo = (0.55 + 0.45 * np.sin(2 * np.pi * 5 * time)).astype(np.float32)
    assert measured(sound * gate).values["pumping_db"] == 0
    assert measured(sound * tremolo).values["pumping_db"] == 0


def test_one_fall_is_no_pumping() -> None:
    assert measured(ducked(hall(RATE), RATE, np.array([3.0]), 18)).values["pumping_db"] == 0
