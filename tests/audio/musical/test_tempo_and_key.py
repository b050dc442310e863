"""Tempo and key of rendered pieces whose tempo and key are known; the styles here are none that they were tuned on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from soundmill.audio.musical.heard import musical
from soundmill.audio.musical.key import key
from soundmill.audio.musical.tempo import tempo
from soundmill.music.asked import Asked, tempo_difference
from support.rendered import RATE, Piece, held_out, render

SECONDS = 12.0
EACH = 4  # of six styles
Rendered = list[tuple[Piece, np.ndarray]]


@pytest.fixture(scope="module")
def pieces() -> Rendered:
    return [(piece, render(piece, SECONDS)) for piece in held_out(EACH)]


def test_the_tempo_is_within_four_percent_or_an_octave_off(pieces: Rendered) -> None:
    found = [(piece, tempo(sound, RATE)) for piece, sound in pieces]
    right = [heard is not None and tempo_difference(piece.bpm, heard.bpm) <= 0.04 for piece, heard in found]
    same = [heard is not None and abs(heard.bpm / piece.bpm - 1) <= 0.04 for piece, heard in found]
    rng = np.random.default_rng(0)
    chance = np.mean([tempo_difference(a, b) <= 0.04 for a, b in rng.uniform(60, 190, (5000, 2))])
    print(f"{sum(right)} of {len(right)}, {sum(same)} without an octave; by chance {chance:.0%}")
    assert np.mean(right) >= 0.85 > 3 * chance


def test_the_key_is_named(pieces: Rendered) -> None:
    right = [(heard := key(sound, RATE)) is not None and heard.number == p.tonic + 12 * p.minor for p, sound in pieces]
    print(f"{sum(right)} of {len(right)}; by chance 4 %")
    assert np.mean(right) >= 0.7


def test_certainty_tells_the_known_from_the_unknown(pieces: Rendered) -> None:
    rng = np.random.default_rng(1)
    noises = [rng.normal(0, 0.1, (1, 12 * RATE)).astype(np.float32) for _ in range(4)]
    beats = [found.certainty for _, sound in pieces if (found := tempo(sound, RATE))]
    others = [found.certainty for sound in noises if (found := tempo(sound, RATE))]
    assert np.median(beats) > 2 * max(others, default=0.0)


@pytest.mark.parametrize("change", [lambda x: x[:, ::2], lambda x: 0.01 * x, lambda x: np.concatenate([x, -x])])
def test_sample_rate_level_and_channels_do_not_matter(pieces: Rendered, change: Callable[..., np.ndarray]) -> None:
    _, sound = pieces[0]
    changed = np.ascontiguousarray(change(sound))
    rate = RATE * changed.shape[1] // sound.shape[1]
    was, now = tempo(sound, RATE), tempo(changed, rate)
    assert was and now and now.bpm == pytest.approx(was.bpm, rel=0.01)
    first, second = key(sound, RATE), key(changed, rate)
    assert first and second and first.number == second.number


@pytest.mark.parametrize(
    "sound", [np.zeros((1, 5 * RATE)), np.zeros((2, 0)), np.ones((1, 100)), np.ones((1, 5 * RATE))]
)
def test_what_has_neither_says_so(sound: np.ndarray) -> None:
    sound = sound.astype(np.float32)
    assert tempo(sound, RATE) is None
    assert key(sound, RATE) is None


def test_samples_that_are_no_numbers_count_as_silence(pieces: Rendered) -> None:
    _, sound = pieces[0]
    broken = sound.copy()
    broken[0, 1000:1010] = np.nan
    found = musical(broken, RATE, asked=Asked(bpm=pieces[0][0].bpm), looped=True)
    assert found["tempo_difference"] is not None and found["tempo_difference"] < 0.04
