"""Wow, flutter and steps of pitch as a machine makes them: the sound read at places that an unevenly turning wheel
comes to, or played on in another tuning."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.signal import butter, sosfilt

from soundmill.quality.measure import Measured, measure
from support.clean import RATE, clean

Samples = NDArray[np.float32]


def measured(sound: Samples, rate: int = RATE) -> Measured:
    return measure(np.asarray(sound, np.float32), rate, requested_s=None, loudness_lufs=None, before=None)


def notes(sound: Samples, rate: int = RATE) -> set[str]:
    return {str(each["name"]) for each in measured(sound, rate).defects} & {"wow", "flutter"}


def played(sound: Samples, rate: int, speed: NDArray[np.float64]) -> Samples:
    """At a speed [time] that is 1 where it is right, by cubic splines between the samples."""
    places = np.cumsum(speed) - speed[0]
    return np.stack([map_coordinates(each, [places], order=2, mode="nearest") for each in sound]).astype(np.float32)


def off_centre(seconds: float, rate: int, hertz: float, by: float) -> NDArray[np.float64]:
    """A record whose hole is not in its middle, on a plate that is not flat either: the turn, and a third of it twice a
    turn."""
    turn = 2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate
    return 1 + by * (np.cos(turn + 1.0) + 0.33 * np.cos(2 * turn))


def worn(seconds: float, rate: int, hertz: float, by: float) -> NDArray[np.float64]:
    """A pinch roller with a flat side: the tape is slower for a quarter of each turn."""
    turn = (hertz * np.arange(round(seconds * rate)) / rate) % 1
    return 1 + by * (0.25 - 2 * np.maximum(1 - np.abs(turn - 0.5) / 0.25, 0))


def music(rate: int = RATE, seed: int = 0) -> Samples:
    """Chords with a bass, 10 s; one of those sounds that no detector learned from."""
    rng = np.random.default_rng(seed)
    time = np.arange(10 * rate) / rate
    sound = 0.002 * rng.standard_normal((2, time.size))
    for bar, root in enumerate((45, 50, 52, 45, 47)):
        for pitch in (root - 12, root, root + 7, root + 12, root + 16):
            hertz, since = 440 * 2 ** ((pitch - 69) / 12), time - 2 * bar
            loud = np.where(since >= 0, np.minimum(since / 0.02, 1) * np.exp(-np.maximum(since, 0) / 1.1), 0)
            wave = sum(np.sin(2 * np.pi * n * hertz * time + rng.uniform(0, 6)) / n**1.3 for n in range(1, 9))
            sound += 0.1 * loud * wave
    return np.asarray(sound / np.abs(sound).max(), np.float32)


@pytest.mark.parametrize(("rate", "hertz"), [(16_000, 1.3), (44_100, 0.55), (32_000, 4.0)])
def test_wow_is_noted_with_its_rate_whatever_the_sample_rate(rate: int, hertz: float) -> None:
    found = measured(played(music(rate), rate, off_centre(10, rate, hertz, 0.02)), rate)
    [note] = [each for each in found.defects if each["name"] == "wow"]
    assert (note["start_s"], note["end_s"]) == (0.0, 10.0)
    assert float(str(note["detail"]).split()[-4]) == pytest.approx(hertz, abs=0.11)
    assert 0.005 < float(found.values["wow_share"] or 0) < 0.03


@pytest.mark.parametrize("hertz", [8.0, 16.0])
def test_flutter_is_noted(hertz: float) -> None:
    assert notes(played(music(), RATE, worn(10, RATE, hertz, 0.012))) == {"flutter"}


def test_what_moves_at_every_rate_the_slower_the_more_is_no_flutter() -> None:
    """As a voice does, and a hand on the plate."""
    for seed in range(3):
        steps = np.random.default_rng(seed).standard_normal(10 * RATE)
        walk = sosfilt(
            butter(1, [0.5, 25], "bandpass", fs=RATE, output="sos"),
            np.cumsum(steps) - np.arange(10 * RATE) * steps.mean(),
        )
        assert "flutter" not in notes(played(music(), RATE, 1 + 0.01 * walk / walk.std()))


def test_notes_that_begin_and_a_voice_with_vibrato_over_others_are_neither() -> None:
    assert notes(music()) == set()
    time = np.arange(10 * RATE) / RATE
    phase = 2 * np.pi * 523.25 * time - 523.25 * 0.012 / 5.5 * np.cos(2 * np.pi * 5.5 * time)
    voice = 0.1 * sum(np.sin(n * phase) / n for n in range(1, 4))
    assert notes(np.asarray(music() + voice, np.float32)) == set()


@pytest.mark.parametrize("seed", range(3))
def test_clean_sounds_are_noted_for_neither(seed: int) -> None:
    assert {sound: notes(clean(sound, seed)) for sound in ("tonal", "percussive", "ambient", "sparse", "rain")} == {
        sound: set() for sound in ("tonal", "percussive", "ambient", "sparse", "rain")
    }


@pytest.mark.parametrize("seed", range(2))
def test_wow_is_noted_in_notes_and_in_ambience(seed: int) -> None:
    for sound in ("tonal", "ambient"):
        whole = clean(sound, seed)
        spoiled = played(whole, RATE, off_centre(whole.shape[1] / RATE, RATE, 1.1, 0.02))
        assert "wow" in notes(spoiled), sound


def test_what_is_short_or_silent_wavers_by_nothing() -> None:
    for sound in (music()[:, :RATE], np.zeros((1, 5 * RATE), np.float32)):
        values = measured(sound).values
        assert (values["wow_share"], values["flutter_share"]) == (0.0, 0.0)


def band(seconds: float, from_s: float, ratio: float) -> Samples:
    """Four who play one chord over and over, each note when its time comes, with a drum that is in no key; from a
    moment on all four sound higher by a ratio, in the midst of their notes, and no faster."""
    rng = np.random.default_rng(5)
    time = np.arange(round(seconds * RATE)) / RATE
    clock = np.where(time < from_s, time, from_s + (time - from_s) * ratio)
    sound = 0.001 * rng.standard_normal(time.size)
    for at in np.arange(0, seconds, 0.21):
        pitch = rng.choice([45, 52, 57, 60, 64, 69])
        since = time - at
        loud = np.where(since >= 0, np.minimum(np.maximum(since, 0) / 0.01, 1) * np.exp(-np.maximum(since, 0) / 0.5), 0)
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        sound += loud * sum(np.sin(2 * np.pi * n * hertz * clock + rng.uniform(0, 6)) / n for n in range(1, 8))
    for at in np.arange(0, seconds, 0.5):
        since = np.maximum(time - at, 0)
        sound += np.where(time >= at, np.exp(-since / 0.03), 0) * rng.standard_normal(time.size)
    return np.asarray(sound[None] / np.abs(sound).max(), np.float32)


@pytest.mark.parametrize(("semitones", "at_s"), [(1.0, 3.7), (-2.0, 5.2), (3.0, 4.4)])
def test_a_step_of_pitch_is_noted_with_its_moment_and_its_height(semitones: float, at_s: float) -> None:
    found = measured(band(9.0, at_s, 2 ** (semitones / 12)))
    assert found.values["pitch_step_semitones"] == pytest.approx(semitones, abs=0.26)
    [note] = [each for each in found.defects if each["name"] == "pitch_step"]
    assert note["start_s"] == pytest.approx(at_s, abs=0.2)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_machine_that_runs_slower_from_a_moment_on_is_told_by_its_noise_too(rate: int) -> None:
    """Wind through a narrow slit and a motor under it: nothing in it is a note."""
    rng = np.random.default_rng(9)
    wind = sosfilt(butter(4, [500, 3000], "bandpass", fs=rate, output="sos"), rng.standard_normal(10 * rate))
    motor = np.sin(2 * np.pi * 310 * np.arange(10 * rate) / rate + 0.3 * np.cumsum(rng.standard_normal(10 * rate)) / 60)
    sound = np.asarray((wind / wind.std() + 0.5 * motor)[None], np.float32) / 8
    assert measured(sound, rate).values["pitch_step_semitones"] == 0
    speed = np.where(np.arange(10 * rate) < 5 * rate, 1.0, 2 ** (-2 / 12))
    found = measured(played(sound, rate, speed), rate)
    assert found.values["pitch_step_semitones"] == pytest.approx(-2, abs=0.3)


def test_notes_and_chords_that_change_are_no_step_of_pitch() -> None:
    for sound in (band(9.0, 20.0, 1.0), music(), clean("tonal", 1), clean("ambient", 1), clean("rain", 1)):
        assert measured(sound).values["pitch_step_semitones"] == 0


@pytest.mark.parametrize("rate", [4_000, 5_999, 6_000, 7_000, 12_000])
def test_every_sample_rate_is_measured(rate: int) -> None:
    values = measured(music(rate), rate).values
    assert (values["wow_share"], values["flutter_share"], values["pitch_step_semitones"]) == (0.0, 0.0, 0.0)
