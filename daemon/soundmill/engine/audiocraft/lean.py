"""Imports AudioCraft without what a running engine has no use for: nearly a third of the time an engine takes to start.

Importing AudioCraft imports its training code and with it torchmetrics, spaCy for a tokenizer that no published model
has, and xformers, whose kernels do not match this torch (attention.py) and which brings torch's compiler. While
AudioCraft is imported, stand-ins hold their places; whoever asks one for anything after all gets the real one's.
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


def _stand_ins() -> dict[str, ModuleType]:
    xformers, solver, spacy = (_Later(name) for name in ("xformers", "audiocraft.solvers.compression", "spacy"))
    vars(xformers)["ops"] = _Later("xformers.ops")
    vars(solver)["CompressionSolver"] = _Later("audiocraft.solvers.compression:CompressionSolver")
    return {module.__name__: module for module in (xformers, solver, spacy)}


def _import_audiocraft() -> None:
    import transformers  # noqa: F401  first: it asks which of these packages there are

    held = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
    sys.modules.update(held)
    try:
        from audiocraft.modules import transformer
    finally:
        for name in held:
            del sys.modules[name]
    # Asked by every layer that is made, and only to say that xformers is missing before it is called.
    vars(transformer)["_verify_xformers_memory_efficient_compat"] = lambda: None


_import_audiocraft()
