"""Lets AudioCraft read a text encoder that lies in the checkpoint's own folder.

AudioCraft accepts the T5 names of a fixed table and fetches them from the hub. A checkpoint made in
training/ names a folder beside its weights instead; `register` adds that name to the table and answers for
it with that folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from audiocraft.modules import conditioners

from soundmill.engine.audiocraft import t5, tokenizer

FOLDER = "text_encoder"

_registered: dict[str, Path] = {}


def names(config: Mapping[str, Any]) -> list[str]:
    """The T5 names in a language model's `xp.cfg`."""
    found = (config.get("conditioners") or {}).values()
    return [c["t5"]["name"] for c in found if isinstance(c, Mapping) and c.get("model") == "t5"]


def register(name: str, folder: Path) -> None:
    """Make AudioCraft read the text encoder `name` from `folder`. The latest registration counts."""
    _stand_in()
    _registered[name] = folder
    if name not in conditioners.T5Conditioner.MODELS:
        conditioners.T5Conditioner.MODELS.append(name)
    conditioners.T5Conditioner.MODELS_DIMS[name] = t5.Sizes.of(t5.read_config(folder)).d_model


class _Source:
    """Stands where AudioCraft looks for a transformers class, and knows the registered folders."""

    def __init__(self, from_pretrained: Callable[..., Any]) -> None:
        self._from_pretrained = from_pretrained

    def from_pretrained(self, name: str) -> Any:
        return self._from_pretrained(str(_registered.get(name, name)))


def _stand_in() -> None:
    module: Any = conditioners
    if not isinstance(module.T5EncoderModel, _Source):
        module.T5Tokenizer = _Source(tokenizer.load)
        module.T5EncoderModel = _Source(t5.load)
