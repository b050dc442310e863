"""Imports AudioCraft without what a running engine has no use for: most of the time an engine takes to start.

Importing AudioCraft imports its training code and with it torchmetrics, spaCy for a tokenizer that no published model
has, and xformers, whose kernels do not match this torch (attention.py) and which brings torch's compiler; av, which
reads the audio files of its training; librosa for what only hears a melody; and transformers, which a model with a
codec or a tokenizer of the hub's imports as it is loaded.
While AudioCraft is imported, stand-ins hold their places; whoever asks one for anything after all gets the real one's.
"""

from __future__ import annotations

import pkgutil
import sys
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for what pkgutil.resolve_name finds under its name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system's own questions
            raise AttributeError(name)
        return getattr(pkgutil.resolve_name(self.__name__), name)


# Modules, and what AudioCraft takes from each by name while it is imported.
_LEFT_OUT = {
    "audiocraft.solvers.compression": ("CompressionSolver",),
    "av": (),
    "librosa": ("filters",),
    "spacy": (),
    "transformers": ("EncodecModel", "RobertaTokenizer", "T5EncoderModel", "T5Tokenizer"),
    "xformers": ("ops",),
}


def _stand_in(name: str) -> ModuleType:
    module = _Later(name)
    vars(module).update({part: _Later(f"{name}:{part}") for part in _LEFT_OUT[name]})
    return module


def _import_audiocraft() -> None:
    held = {name: _stand_in(name) for name in _LEFT_OUT if name not in sys.modules}
    sys.modules.update(held)
    try:
        from audiocraft.modules import transformer
    finally:
        for name in held:
            del sys.modules[name]
    # Asked by every layer that is made, and only to say that xformers is missing before it is called.
    vars(transformer)["_verify_xformers_memory_efficient_compat"] = lambda: None


_import_audiocraft()
