"""The engine room, wire: what the daemon and its engine process say to each other, and how anything goes over a pipe.

Both ends are ours and of the same release, so messages are pickled. But a pickle names classes, and reading it imports
where they come from: a torch.__version__ alone would bring all of torch into the daemon. So only plain data and our
own nouns go over, and reading a message imports nothing.
"""

from __future__ import annotations

import io
import numbers
import pickle
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from soundmill.errors import EngineError
from soundmill.jobs import GenerationRequest, ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    requests: tuple[GenerationRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    job_ids: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceSlots:
    """Halve the slots; both sides do the same sum, so no answer is awaited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End after what is being written out; clips still decoding are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    info: ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailed:
    error: EngineError


Command = Load | Submit | Cancel | ReduceSlots | Stop
Answer = Loaded | LoadFailed

_PLAIN = {(cls.__module__, cls.__qualname__): cls for cls in (str, int, float, set, frozenset, type(Path()))}


def pack(message: object) -> bytes:
    """A message as it goes over the pipe. Numbers and texts of a class of somebody's go as the plain ones they are.

    Raises pickle.PicklingError, naming the class, where anything else in it is neither plain data nor a noun of ours.
    """
    parts = _Parts()
    _Packer(parts).dump(message)
    return b"".join(parts)


def unpack(data: bytes) -> object:
    """The message, made of classes that are here already. Raises pickle.UnpicklingError for any other."""
    return _Unpacker(io.BytesIO(data)).load()


class _Parts(list[bytes]):
    """What a pickler has written. Audio is one part as it is: a file in memory that grows with it costs 0.8 ms for
    2 MB, which is twenty times as much."""

    write = list.append


class _Packer(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        cls = thing if isinstance(thing, type) else type(thing)
        if isinstance(thing, Enum) and cls.__module__.startswith("soundmill."):
            return cls, (thing.value,)  # before Python 3.11.4 they pickle themselves as a call of getattr
        if cls.__module__.startswith("soundmill.") or (cls.__module__, cls.__qualname__) in _PLAIN:
            return NotImplemented
        if isinstance(thing, str):
            return str, (str(thing),)
        if isinstance(thing, numbers.Real):  # as numpy's are
            plain: type = int if isinstance(thing, numbers.Integral) else float
            return plain, (plain(thing),)
        raise pickle.PicklingError(
            f"{cls.__module__}.{cls.__qualname__} is not plain data and cannot leave the process"
        )


class _Unpacker(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        ours = module.startswith("soundmill.")
        found = getattr(sys.modules.get(module), name, None) if ours else _PLAIN.get((module, name))
        if not isinstance(found, type):
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a message")
        return found
