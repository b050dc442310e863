"""Lets AudioCraft read a text encoder that lies in the checkpoint's own folder.

AudioCraft accepts the T5 names of a fixed table and fetches them from the hub. A checkpoint made by
checkpoint.py names a folder beside its weights instead; `register` adds that name to the table and
answers for it with that folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from soundmill.engine.audiocraft import lean  # noqa: F401  before AudioCraft, both
from soundmill.engine.quiet import quiet

# isort: split
from audiocraft.modules import conditioners
from transformers import T5Config, T5EncoderModel, T5Tokenizer

FOLDER = "text_encoder"

# Words people put into prompts get a piece of their own; anything else is spelled out in letters.
_WORDS = """
a acoustic action adventure alarm ambient and applause at background ballad bass battle beat bell bells birds blues
boss bpm brass breeze bright calm car castle cave cello chase chimes chiptune choir chords cinematic city classical
clarinet close combat cozy creature crowd dance dark day deep desert distant dog door dramatic dreamy driving drone
drum drums dungeon echo electric electronic emotional energetic engine epic ethereal explosion eerie fantasy fast
field fight fire flute folk footsteps forest funk futuristic game gentle ghost gloomy guitar gun happy hard harp heavy
heroic hip hit hop horn horror house in industrial instrumental intense intro jazz joyful jungle key keys kick lead
light lofi loop loud low machine magic magical major march medieval mellow melancholic melody menu metal minor
minimal moody music mysterious night no noise ocean of on orchestra orchestral organ pad pads peaceful percussion
percussive piano playful pop powerful punk quiet rain reggae relaxed relaxing retro reverb rhythm rising river rock
romantic rumble sad sci-fi sea short sine siren slow snare soft solo sound space steps steady storm strings sword
suspense sweeping synth synths synthwave tavern techno tempo tense tension the theme thunder tone traffic train trance
tribal triumphant trumpet underwater upbeat uplifting vibes village viola violin vocal vocals voice walking warm water
waves whistle wind with wood woodwinds world
"""
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'\"()-/&+#%"

_registered: dict[str, Path] = {}


def vocabulary() -> list[tuple[str, float]]:
    """The (piece, log probability) pairs of a small Unigram tokenizer; the first three are T5's own."""
    words = dict.fromkeys(_WORDS.split())
    return [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -4.0),
        *((f"▁{word}", -6.0) for word in words),
        *((letter, -8.0) for letter in _LETTERS),
    ]


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
    with quiet():
        conditioners.T5Conditioner.MODELS_DIMS[name] = T5Config.from_pretrained(folder).d_model


class _Source:
    """Stands where AudioCraft looks for a transformers class, and knows the registered folders."""

    def __init__(self, from_pretrained: Callable[..., Any]) -> None:
        self._from_pretrained = from_pretrained

    def from_pretrained(self, name: str) -> Any:
        return self._from_pretrained(str(_registered.get(name, name)))


def _stand_in() -> None:
    module: Any = conditioners
    if not isinstance(module.T5EncoderModel, _Source):
        module.T5Tokenizer = _Source(T5Tokenizer.from_pretrained)
        module.T5EncoderModel = _Source(T5EncoderModel.from_pretrained)
