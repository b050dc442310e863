"""The clips the built-in model learns from: the same every time, and what their captions say they are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from recipe import captions, clips, effects, music, notes
from recipe.effects import EffectSpec
from recipe.music import MusicSpec

PIECE = MusicSpec(
    tempo=120, root="A", mode="minor", style=None, energy="medium",
    brightness="neutral", drums=True, lead="piano", backing="strings",
)  # fmt: skip


def test_a_clip_is_the_same_every_time_and_another_number_is_another_clip() -> None:
    spec, samples = clips.clip(4, 17, 2.0)
    again, same = clips.clip(4, 17, 2.0)
    assert spec == again
    assert np.array_equal(samples, same)
    _, other = clips.clip(4, 18, 2.0)
    assert not np.array_equal(samples, other)


def test_clips_are_as_long_as_asked_finite_and_below_full_scale() -> None:
    for number in range(30):
        _, samples = clips.clip(1, number, 1.5)
        assert samples.shape == (24_000,)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert 0.005 < np.abs(samples).max() <= 0.9001


@pytest.mark.parametrize("kind", sorted(effects.KINDS))
def test_every_kind_of_effect_sounds_and_is_never_digital_silence(kind: str) -> None:
    rng = np.random.default_rng(2)
    samples = effects.render(EffectSpec(kind=kind, strength="medium", rate="medium"), 3.0, rng)
    windows = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024)
    assert np.sqrt((windows**2).mean(axis=1)).min() > 1e-3  # the room's hiss
    assert np.abs(samples).max() > 0.02


def test_a_note_has_its_pitch() -> None:
    samples = notes.note("flute", 69, 100, "neutral")
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(spectrum.argmax() * notes.SAMPLE_RATE / len(samples) - 440) < 2


def test_beats_lie_where_the_tempo_puts_them() -> None:
    samples = music.render(replace(PIECE, tempo=150, energy="calm", lead="bells"), 4.0, np.random.default_rng(0))
    for beat in range(1, 9):  # a kick or a snare on every other one, the backing on all
        at = round(beat * 0.4 * notes.SAMPLE_RATE)
        before, after = samples[at - 800 : at - 330], samples[at + 330 : at + 800]
        assert np.square(after).mean() > 0.2 * np.square(before).mean()


def test_a_specification_survives_json() -> None:
    for number in range(20):
        spec, _ = clips.clip(3, number, 0.5)
        assert clips.from_json(clips.to_json(spec)) == spec


def test_captions_say_only_what_is_true_of_the_clip() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        text = captions.describe(PIECE, rng).lower()
        assert not re.search(r"\b(no|without) (drums|percussion)", text)
        assert not {"major", "flute", "energetic", "calm", "bright", "dark"} & captions.words(text)


def test_captions_vary_in_wording_and_in_order() -> None:
    rng = np.random.default_rng(6)
    texts = [captions.describe(PIECE, rng).lower() for _ in range(200)]
    assert len(set(texts)) > 150
    both = [text for text in texts if "piano" in text and "bpm" in text]
    assert {text.index("piano") < text.index("bpm") for text in both} == {True, False}


def test_captions_never_join_the_words_that_the_evaluation_joins() -> None:
    rng = np.random.default_rng(7)
    flute = replace(PIECE, tempo=90, lead="flute", brightness="dark")
    texts = [captions.describe(flute, rng) for _ in range(300)]
    assert not any(captions.held_out(text) for text in texts)
    assert any("flute" in text for text in texts)
    assert any("90" in text for text in texts)


def test_every_word_that_is_held_back_from_another_is_learnt_elsewhere() -> None:
    """Else the evaluation would ask for a word nobody taught the model, and not for a new combination."""
    rng = np.random.default_rng(6)
    drawn = (effects.draw(rng) if number % 2 else music.draw(rng) for number in range(3_000))
    heard = Counter(word for spec in drawn for word in captions.words(captions.describe(spec, rng)))
    assert min(heard[word] for pair in captions.HELD_OUT for word in pair) >= 20


def test_strokes_of_an_effect_differ() -> None:
    for kind in ("footsteps", "beeps", "clock"):
        spec = EffectSpec(kind=kind, strength="medium", rate="medium")
        samples = effects.render(spec, 6.0, np.random.default_rng(1))
        peaks = np.abs(samples[: len(samples) // 1600 * 1600]).reshape(-1, 1600).max(axis=1)
        strokes = peaks[peaks > 0.3 * peaks.max()]
        assert strokes.max() > 1.2 * strokes.min()


def test_every_word_of_a_caption_is_known_but_for_the_invented_ones() -> None:
    rng = np.random.default_rng(8)
    known = set(captions.vocabulary())
    strange = 0
    for number in range(200):
        spec, _ = clips.clip(9, number, 0.1)
        found = {word for word in captions.words(captions.describe(spec, rng)) if not word.isdigit()}
        strange += bool(found - known - {"bpm"})
    assert strange < 60
