"""The instruments of the evaluation, tried on clips whose facts are known."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from recipe import effects, instruments, music
from recipe.instruments import Wave


@lru_cache
def pieces(count: int) -> tuple[music.MusicSpec, ...]:
    rng = np.random.default_rng(0)
    return tuple(music.draw(rng) for _ in range(count))


def render(spec: music.MusicSpec) -> Wave:
    return music.render(spec, 6.0, np.random.default_rng(1))


@pytest.mark.parametrize("tempo", [90, 120, 150])
def test_the_tempo_of_a_piece_is_found(tempo: int) -> None:
    found = [instruments.tempo(render(replace(spec, tempo=tempo))) for spec in pieces(8)]
    assert sum(abs(heard / tempo - 1) <= 0.08 for heard in found) >= 7


def test_noise_has_no_tempo_that_is_always_the_same() -> None:
    rng = np.random.default_rng(3)
    found = [instruments.tempo(rng.standard_normal(64_000).astype(np.float32) * 0.1) for _ in range(6)]
    assert np.ptp(found) > 20


def test_bright_pieces_have_the_higher_centroid() -> None:
    for spec in pieces(6):
        bright, dark = (render(replace(spec, brightness=how)) for how in ("bright", "dark"))
        assert instruments.centroid_hz(bright) > instruments.centroid_hz(dark)


def test_drums_have_the_sharper_onsets() -> None:
    for spec in pieces(6):
        assert instruments.onset_strength(render(replace(spec, drums=True))) > instruments.onset_strength(
            render(replace(spec, drums=False))
        )


def test_energetic_pieces_are_louder_and_have_more_onsets() -> None:
    energetic, calm = ([render(replace(spec, energy=how)) for spec in pieces(6)] for how in ("energetic", "calm"))
    assert all(instruments.rms(loud) > instruments.rms(soft) for loud, soft in zip(energetic, calm, strict=True))
    assert sum(map(instruments.onsets_per_s, energetic)) > 1.2 * sum(map(instruments.onsets_per_s, calm))


def test_the_classifier_tells_effects_that_it_has_not_heard() -> None:
    rng = np.random.default_rng(4)

    def some(kind: str, count: int) -> list[Wave]:
        return [effects.render(replace(effects.draw(rng), kind=kind), 3.0, rng) for _ in range(count)]

    judge = instruments.Classifier({kind: some(kind, 12) for kind in ("rain", "beeps", "footsteps")})
    right = [judge.name(wave) == kind for kind in judge.names for wave in some(kind, 5)]
    assert sum(right) >= 13


def test_a_buzz_at_the_frame_rate_is_heard_and_rain_has_none() -> None:
    rng = np.random.default_rng(5)
    rain = effects.render(replace(effects.draw(rng), kind="rain"), 3.0, rng)
    burst = rng.standard_normal(640).astype(np.float32) * np.float32(0.1)
    assert instruments.buzz_db(np.tile(burst, 75), 25.0) > 15
    assert abs(instruments.buzz_db(rain, 25.0)) < 3


def test_a_clip_that_ends_in_full_swing_clicks() -> None:
    t = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 100 * t).astype(np.float32)
    assert instruments.end_jump(tone[: 16_000 - 40]) > 0.9
    assert instruments.end_jump(tone * np.linspace(1, 0, 16_000, dtype=np.float32)) < 0.01
