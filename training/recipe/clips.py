"""The training set: clip number n of a seed is always the same sound with the same facts about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from recipe import effects, music
from recipe.effects import EffectSpec
from recipe.music import MusicSpec
from recipe.notes import Samples

Spec = MusicSpec | EffectSpec

EFFECT_SHARE = 0.4


def clip(seed: int, number: int, seconds: float) -> tuple[Spec, Samples]:
    """A clip of the training set: its specification and its samples, mono float32 at 16 kHz."""
    rng = np.random.default_rng((seed, number))
    if rng.random() < EFFECT_SHARE:
        effect = effects.draw(rng)
        return effect, effects.render(effect, seconds, rng)
    piece = music.draw(rng)
    return piece, music.render(piece, seconds, rng)


def to_json(spec: Spec) -> dict[str, Any]:
    return asdict(spec)


def from_json(data: dict[str, Any]) -> Spec:
    return EffectSpec(**data) if "kind" in data else MusicSpec(**data)
