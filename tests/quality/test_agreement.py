"""What a prompt asks for against what is heard."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from soundmill.quality.agreement import agreement
from soundmill.quality.traits import traits
from support.clean import RATE, clean

BRIGHT, DARK = {"brightness_hz": 1600.0}, {"brightness_hz": 150.0}


@pytest.mark.parametrize("prompt", ["a bright tune", "not dark at all, sparkling", "BRIGHT, without dull parts"])
def test_what_is_asked_for_agrees_with_what_is_heard(prompt: str) -> None:
    heard, missed = agreement(prompt, BRIGHT), agreement(prompt, DARK)
    assert heard is not None and missed is not None
    assert heard > 0.8 > 0.2 > missed


def test_a_word_that_is_denied_asks_for_the_contrary() -> None:
    drums, none = {"attacks_per_s": 4.0}, {"attacks_per_s": 0.1}
    for prompt, wanted, other in (("piano with drums", drums, none), ("piano, no drums", none, drums)):
        assert (agreement(prompt, wanted) or 0) > 0.8 > 0.2 > (agreement(prompt, other) or 1)


@pytest.mark.parametrize("prompt", ["a tune", "", "brightness", "bright and dark"])
def test_who_asks_for_nothing_that_is_measured_gets_no_number(prompt: str) -> None:
    assert agreement(prompt, BRIGHT) is None


def test_what_was_not_measured_is_not_judged() -> None:
    assert agreement("a bright tune", {}) is None
    assert agreement("a bright tune", {"brightness_hz": None}) is None


def test_tempo_and_key_count_as_far_as_they_are_heard_with_certainty() -> None:
    heard = {"asked_bpm": 120, "tempo_bpm": 124, "asked_key_number": 0, "key_number": 7}
    sure = {"tempo_certainty": 0.6, "key_certainty": 0.3}
    assert agreement("", {**heard, **sure}) == 0.75  # the fifth is near, and counts a half
    assert agreement("", {**heard, **sure, "tempo_bpm": 170}) == 0.25
    assert agreement("", {**heard, **sure, "key_certainty": 0.01}) == 1.0
    assert agreement("", heard) is None


def test_traits_are_told_apart_and_do_not_change_with_the_sample_rate() -> None:
    drums, pad = clean("percussive", 1), clean("ambient", 1)
    found = {name: traits(sound, RATE) for name, sound in (("drums", drums), ("pad", pad))}
    assert found["drums"]["attacks_per_s"] == pytest.approx(1.75, abs=0.4) and found["pad"]["attacks_per_s"] == 0
    for name, sound in (("drums", drums), ("pad", pad)):
        for rate in (16_000, 44_100, 96_000):
            again = traits(np.asarray(resample_poly(sound, rate, RATE, axis=1), dtype=np.float32), rate)
            assert again["brightness_hz"] == pytest.approx(found[name]["brightness_hz"], rel=0.06)
            assert again["attacks_per_s"] == pytest.approx(found[name]["attacks_per_s"], abs=0.3)


@pytest.mark.parametrize("samples", [np.zeros((2, 16_000)), np.zeros((1, 10)), np.full((1, 16_000), np.nan)])
def test_silence_and_what_is_too_short_have_no_traits(samples: np.ndarray) -> None:
    assert set(traits(samples.astype(np.float32), 16_000).values()) == {None}
