"""The benchmark of defects leaves out sounds that show nothing of a fault, by measures of the sound."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from support.clean import RATE, clean


@pytest.fixture(scope="module")
def shows() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "defects" / "shows.py"
    spec = importlib.util.spec_from_file_location("shows", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(3))
def test_music_has_tones_that_last_and_speech_and_noise_have_none(shows: ModuleType, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((1, 5 * RATE)).astype(np.float32)
    assert shows.tones(clean("tonal", seed), RATE) and shows.tones(clean("ambient", seed), RATE)
    assert not any(shows.tones(sound, RATE) for sound in (clean("speech", seed), clean("rain", seed), noise))


@pytest.mark.parametrize("seed", range(3))
def test_speech_falls_by_itself_and_a_melody_and_rain_do_not(shows: ModuleType, seed: int) -> None:
    assert shows.calm(clean("tonal", seed), RATE) and shows.calm(clean("rain", seed), RATE)
    assert not shows.calm(clean("speech", seed), RATE)


def test_a_cut_in_a_pause_is_none(shows: ModuleType) -> None:
    sound = clean("tonal", 1).copy()
    sound[:, 3 * RATE - RATE // 50 : 3 * RATE] *= 0.01
    assert not shows.sounds_to(sound, RATE, 3 * RATE)
    assert shows.sounds_to(sound, RATE, 3 * RATE - RATE // 50)
