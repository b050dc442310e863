"""Writes the checkpoint: a folder that AudioCraft's own loader reads, weights in half precision."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from recipe import codec as codecs
from recipe import lm as lms
from recipe import settings, text
from recipe.progress import read
from recipe.settings import Settings
from safetensors.torch import save_file
from torch import Tensor

TEXT_PREFIX = "condition_provider.conditioners.description.t5."


def export(chosen: Settings, work: Path, target: Path) -> Path:
    """Put what `work` holds by now into `target`; returns it. Other files there (the card) stay."""
    from soundmill.engine.audiocraft import text_encoder

    state = read(work / "lm.pt")
    if state is None:
        raise SystemExit(f"{work}/lm.pt: missing; run the lm stage first")
    target.mkdir(parents=True, exist_ok=True)
    lm = lms.build(work / "text_encoder", trainable=True)
    lm.load_state_dict(state["lm"])
    t5 = lm.condition_provider.conditioners["description"].t5
    text.spread_over_capitals(t5)
    folder = target / text_encoder.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "text_encoder", folder)  # for its tokenizer and its sizes
    save_file(dict(t5.named_parameters()), folder / "model.safetensors", metadata={"format": "pt"})
    weights = {name: value for name, value in lm.state_dict().items() if not name.startswith(TEXT_PREFIX)}
    _write(target / "state_dict.bin", weights, settings.language_model_config())
    codec = codecs.trained(chosen, work)
    _write(target / "compression_state_dict.bin", codec.state_dict(), settings.codec_config())
    return target


def _write(file: Path, weights: dict[str, Tensor], config: dict[str, Any]) -> None:
    import audiocraft

    package = {
        "best_state": {name: value.half() if value.is_floating_point() else value for name, value in weights.items()},
        "xp.cfg": yaml.safe_dump(config, sort_keys=False),
        "version": audiocraft.__version__,
        "exported": True,
    }
    torch.save(package, file)
