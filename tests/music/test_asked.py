"""Which tempo and key are asked for, and how far what was heard agrees."""

from __future__ import annotations

import pytest

from soundmill.music.asked import Asked, agreement, asked_tempo_key, key_agreement, key_name, tempo_difference

C_MAJOR, E_FLAT_MAJOR, A_MINOR, C_SHARP_MINOR, D_MINOR = 0, 3, 21, 13, 14


@pytest.mark.parametrize(
    ("prompt", "bpm"),
    [
        ("driving techno, 128 bpm", 128),
        ("90bpm lofi", 90),
        ("funk. bpm: 110. key: D minor", 110),
        ("a march at 100 beats per minute", 100),
        ("Tempo = 72, solo cello", 72),
        ("a 174-BPM break", 174),
        ("house at 120.5 BPM", 120.5),
        ("between 90 and 100 bpm", 100),
        ("80-100 bpm ambient", 90),
        ("a calm piano", None),
        ("120 violins", None),
        ("slow tempo, 16 bars", None),
        ("from 1990, 44100 Hz, 9 bpm", None),
        ("1200 bpm", None),
    ],
)
def test_the_tempo_of_a_prompt(prompt: str, bpm: float | None) -> None:
    assert asked_tempo_key(prompt, {}).bpm == bpm


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("a waltz in D minor", D_MINOR),
        ("a waltz in d minor, slow", D_MINOR),
        ("funk. key: C# minor", C_SHARP_MINOR),
        ("E flat major fanfare", E_FLAT_MAJOR),
        ("Eb-major fanfare", E_FLAT_MAJOR),
        ("sad song in the key of A minor", A_MINOR),
        ("sad song in a minor", A_MINOR),
        ("C major scale", C_MAJOR),
        ("a minor setback", None),
        ("in a minor key", None),
        ("a major battle at sea", None),
        ("in a major city at night", None),
        ("it ends on a D minor chord", None),
        ("minor key, dark", None),
        ("Grand minority", None),
    ],
)
def test_the_key_of_a_prompt(prompt: str, key: int | None) -> None:
    assert asked_tempo_key(prompt, {}).key == key


def test_the_job_and_its_columns_say_it_before_the_prompt() -> None:
    prompt = "techno, 128 bpm, in C major"
    assert asked_tempo_key(prompt, {"bpm": 96.0, "Key": "Dm"}) == Asked(bpm=96, key=D_MINOR)
    assert asked_tempo_key(prompt, {"bpm": 0, "Tempo (BPM)": "140", "musical key": "c# minor"}) == Asked(
        bpm=140, key=C_SHARP_MINOR
    )
    assert asked_tempo_key(prompt, {"tempo": "slow", "key": "front door"}) == Asked(bpm=128, key=C_MAJOR)
    assert asked_tempo_key("a piano", {"scene": "120 bpm"}) == Asked()


@pytest.mark.parametrize(("heard", "difference"), [(120, 0), (60, 0), (240, 0), (126, 0.05), (63, 0.05), (480, 1.0)])
def test_half_and_double_are_the_same_beat(heard: float, difference: float) -> None:
    assert tempo_difference(120, heard) == pytest.approx(difference)


def test_keys_that_share_their_notes_are_near() -> None:
    by_distance = [C_MAJOR, 7, A_MINOR, 12, 6]
    found = [key_agreement(C_MAJOR, heard) for heard in by_distance]
    assert found == [1.0, 0.5, 0.3, 0.2, 0.0]
    assert all(key_agreement(a, b) == key_agreement(b, a) for a in range(24) for b in range(24))


def test_what_was_heard_is_said_with_what_was_asked() -> None:
    asked = Asked(bpm=120, key=D_MINOR)
    found = agreement(asked, bpm=119.0, bpm_certainty=0.5, key=D_MINOR, key_certainty=0.4)
    assert {name: each.value for name, each in found.items()} == {"tempo": 1.0, "key": 1.0}
    assert found["tempo"].says == "The tempo is 119 bpm; 120 bpm were asked."
    found = agreement(asked, bpm=60.5, bpm_certainty=0.5, key=5, key_certainty=0.4)
    assert found["tempo"].value == 1 and "an octave below what was asked, 120" in found["tempo"].says
    assert found["key"].says == "The key is F major; D minor was asked, which is near."
    found = agreement(asked, bpm=98.0, bpm_certainty=0.5, key=1, key_certainty=0.4)
    assert [each.value for each in found.values()] == [0.0, 0.0]


def test_what_is_uncertain_or_was_not_asked_is_not_held_against_anything() -> None:
    assert not agreement(Asked(), bpm=98.0, bpm_certainty=1.0, key=1, key_certainty=1.0)
    assert not agreement(Asked(bpm=120, key=2), bpm=98.0, bpm_certainty=0.01, key=1, key_certainty=0.01)
    assert not agreement(Asked(bpm=120, key=2), bpm=None, bpm_certainty=None, key=None, key_certainty=None)


def test_keys_are_called_as_musicians_do() -> None:
    assert [key_name(number) for number in (0, 10, 13, 23)] == ["C major", "B♭ major", "C♯ minor", "B minor"]
