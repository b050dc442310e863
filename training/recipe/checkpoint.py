"""Makes checkpoint folders in AudioCraft's own format, filled with random weights.

The tests and the benchmarks need models that can be had without a download, and training/ fills one with what it has
learnt. A folder made here is read by AudioCraft's ordinary loader, as a published one is: `state_dict.bin` (the
language model), `compression_state_dict.bin` (the codec), and beside them `text_encoder/`, a small T5 encoder with its
tokenizer. The configuration names the text encoder relative to the folder, so the folder may be moved; text_encoder.py
resolves the name.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from soundmill.engine.audiocraft import t5, text_encoder  # before AudioCraft itself, which it imports without ballast

# isort: split
import audiocraft
import torch
import yaml
from audiocraft.models import builders
from omegaconf import OmegaConf
from recipe.pieces import vocabulary
from recipe.shapes import (
    AUDIOGEN_MEDIUM,
    MUSICGEN_LARGE,
    MUSICGEN_MEDIUM,
    MUSICGEN_SMALL,
    TEST_AUDIOGEN,
    TEST_MAGNET,
    TEST_MELODY,
    TEST_MUSICGEN,
    TEST_STEREO,
    TEST_TWO_STEP,
    TINY,
    Shape,
    codec_config,
    language_model_config,
)
from safetensors.torch import save_file

from soundmill.engine.quiet import quiet

__all__ = [
    "AUDIOGEN_MEDIUM",
    "MUSICGEN_LARGE",
    "MUSICGEN_MEDIUM",
    "MUSICGEN_SMALL",
    "TEST_AUDIOGEN",
    "TEST_MAGNET",
    "TEST_MELODY",
    "TEST_MUSICGEN",
    "TEST_STEREO",
    "TEST_TWO_STEP",
    "TINY",
    "Shape",
    "build",
    "codec_config",
    "language_model_config",
]

LM_FILE = "state_dict.bin"
CODEC_FILE = "compression_state_dict.bin"

# Random decoders whisper; this level makes a clip audible and measurable like a real one.
TARGET_RMS = 0.1


def build(folder: Path, shape: Shape, seed: int) -> Path:
    """Write a checkpoint of `shape` into `folder` and return it; the same seed gives the same files.

    `folder` is made if it is not there; files of an earlier build in it are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _write_text_encoder(folder / text_encoder.FOLDER, shape)
        _write_codec(folder / CODEC_FILE, shape)
        _write_language_model(folder, shape)
    return folder


def _write_text_encoder(folder: Path, shape: Shape) -> None:
    from transformers import T5Tokenizer

    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = T5Tokenizer(vocab=vocabulary(), extra_ids=0)
    sizes = t5.Sizes(
        vocab_size=len(tokenizer),
        d_model=shape.text_dim,
        d_kv=shape.text_dim // shape.text_heads,
        d_ff=shape.text_dim * 4,
        num_layers=shape.text_layers,
        num_heads=shape.text_heads,
    )
    encoder = t5.T5Encoder(sizes)
    for name, weight in encoder.named_parameters():
        if (
            weight.dim() == 2
        ):  # scaled as a fresh T5's are, so that what comes out of a layer is as loud as what goes in
            queries = sizes.d_kv if name.endswith(".q.weight") else 1
            torch.nn.init.normal_(weight, std=1.0 if name == "shared.weight" else (weight.shape[1] * queries) ** -0.5)
    tokenizer.save_pretrained(folder)
    save_file(dict(encoder.named_parameters()), folder / t5.WEIGHTS, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "dropout_rate": 0.0, **asdict(sizes)}))


def _write_codec(file: Path, shape: Shape) -> None:
    config = codec_config(shape)
    codec: Any = builders.get_compression_model(OmegaConf.create(config)).eval()
    for codebook in codec.quantizer.vq.layers:
        # A codebook that does not count as initialised would be replaced by k-means at first use.
        codebook._codebook.inited.fill_(1)
        torch.nn.init.normal_(codebook._codebook.embed)
        codebook._codebook.embed_avg.copy_(codebook._codebook.embed)
    _set_level(codec, shape)
    _save(file, codec.state_dict(), config)


def _set_level(codec: Any, shape: Shape) -> None:
    """Scale the decoder's last layer so that random codes come out at TARGET_RMS."""
    with torch.no_grad():
        codes = torch.randint(shape.cardinality, (1, shape.codebooks, shape.frame_rate))
        rms = codec.decode(codes).square().mean().sqrt().item()
        gain = float(f"{TARGET_RMS / rms:.3g}")  # few digits: no last-bit differences between machines
        last = codec.decoder.model[-1].conv.conv
        last.weight_g.mul_(gain)
        last.bias.mul_(gain)


def _write_language_model(folder: Path, shape: Shape) -> None:
    config = language_model_config(shape)
    text_encoder.register(text_encoder.FOLDER, folder / text_encoder.FOLDER)
    model = builders.get_lm_model(OmegaConf.create(config))
    state = model.state_dict()
    if shape.half:
        state = {key: value.half() for key, value in state.items()}
    _save(folder / LM_FILE, state, config)


def _save(file: Path, state: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    package = {
        "best_state": state,
        "xp.cfg": yaml.safe_dump(config, sort_keys=False),
        "version": audiocraft.__version__,
        "exported": True,
    }
    torch.save(package, file)
