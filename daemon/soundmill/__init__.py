"""Soundmill: an audio factory that is fed by dropping job files into a folder.

For notebooks and programs (docs/python.md): `submit`, `catalogue` and `judge`. Each is imported when it is first used,
so that importing Soundmill costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundmill.commands.judging import judge_audio as judge
    from soundmill.commands.look import catalogue as catalogue
    from soundmill.commands.submit import submit as submit

__version__ = "0.1.0"
__all__ = ["catalogue", "judge", "submit"]

_HOMES = {
    "catalogue": ("soundmill.commands.look", "catalogue"),
    "judge": ("soundmill.commands.judging", "judge_audio"),
    "submit": ("soundmill.commands.submit", "submit"),
}

# Pydantic would read the metadata of every installed package in search of plugins: a tenth of a second at each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, function = _HOMES[name]
    return getattr(import_module(module), function)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
