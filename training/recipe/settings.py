"""What is trained and for how long: the sizes of the built-in model and the numbers of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recipe import shapes
from recipe.shapes import TINY

SAMPLE_RATE = TINY.sample_rate  # Hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The numbers of a training run; the same ones on the same machine give the same checkpoint."""

    seed: int = 4
    codebook_clips: int = 400
    codec_steps: int = 600
    codec_batch: int = 6
    codec_frames: int = 25  # of a crop
    codec_rate: float = 3e-4
    wave_weight: float = 1.0
    save_every: int = 50
    clips: int = 10_000  # that the language model learns from
    clip_s: float = 10.0
    shard: int = 100  # clips in a file
    lm_steps: int = 16_000
    lm_batch: int = 30  # of the shortest crops; fewer of longer ones
    lm_frames: int = 50  # of the shortest crops; others have twice as many, or are whole clips
    lm_rate: float = 3e-3
    text_dropout: float = 0.15  # rows trained without their caption, for classifier-free guidance


def codec_config() -> dict[str, Any]:
    config = shapes.codec_config(TINY)
    # Weights are set, not drawn, so none is normalised; a border that reflects keeps ELU's lift (see codec.py).
    config["seanet"] |= {"norm": "none", "pad_mode": "reflect"}
    config["seanet"]["encoder"] = {"n_residual_layers": 0, "last_kernel_size": 1}
    return config


def language_model_config() -> dict[str, Any]:
    config = shapes.language_model_config(TINY)
    config["classifier_free_guidance"]["training_dropout"] = 0.15
    return config
