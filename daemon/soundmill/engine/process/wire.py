"""The engine room, wire: what the daemon and its engine process say to each other over their pipe.

Both ends are ours and of the same release, so messages are pickled. Events go through as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from soundmill.errors import (
    BadParameter,
    EngineDied,
    EngineError,
    MissingInput,
    ModelUnavailable,
    OutOfMemory,
    UnknownModel,
)
from soundmill.jobs import FailureKind, GenerationRequest, ModelInfo

# The nearest class in an error's ancestry decides; EngineError itself stands for what nobody foresaw.
FAILURE_KINDS: dict[type[EngineError], FailureKind] = {
    BadParameter: FailureKind.BAD_PARAMETER,
    UnknownModel: FailureKind.UNKNOWN_MODEL,
    ModelUnavailable: FailureKind.MODEL_UNAVAILABLE,
    MissingInput: FailureKind.MISSING_INPUT,
    OutOfMemory: FailureKind.OUT_OF_MEMORY,
    EngineDied: FailureKind.ENGINE_DIED,
    EngineError: FailureKind.INTERNAL,
}


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


def kind_of(error: EngineError) -> FailureKind:
    return next(FAILURE_KINDS[cls] for cls in type(error).__mro__ if cls in FAILURE_KINDS)


def one_line(error: BaseException) -> str:
    """The exception's message on one line; its class too when it is not one of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, EngineError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def as_engine_error(error: Exception) -> EngineError | None:
    """One of our errors as an instance of the class that names its kind, a lack of memory as OutOfMemory, else None.

    torch's own class for it is told by its name, so that nothing here needs torch.
    """
    if isinstance(error, EngineError):
        known = next(cls for cls in type(error).__mro__ if cls in FAILURE_KINDS)
        return known(one_line(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return OutOfMemory(f"out of memory ({one_line(error)})")
    return None
