"""What an error means to whoever waits for a clip: its kind, in one line. Imports no torch."""

from __future__ import annotations

import re

from soundmill.errors import (
    BadParameter,
    EngineDied,
    EngineError,
    MissingInput,
    ModelUnavailable,
    OutOfMemory,
    UnknownModel,
)
from soundmill.jobs import FailureKind, GenerationFailed, GenerationRequest

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
LONGEST = 200  # characters of a library's message: some print all their settings

_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|ALLOC_FAILED", re.IGNORECASE)


def text_of(error: BaseException) -> str:
    """What an error says, on one line; of a library's error the beginning, or its class where it says nothing."""
    text = " ".join(str(error).split())
    return text if isinstance(error, EngineError) else text[:LONGEST] or type(error).__name__


def one_line(error: BaseException) -> str:
    """The same, with the class of an error that is not one of ours before it."""
    name, text = type(error).__name__, text_of(error)
    return text if isinstance(error, EngineError) or text == name else f"{name}: {text}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, CUDA or the CPU's allocator said in its own way that there is no room.

    torch's own class for it is told by its name, so that nothing here needs torch.
    """
    if isinstance(error, MemoryError | OutOfMemory) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None


def as_engine_error(error: BaseException) -> EngineError | None:
    """One of our errors as an instance of the class that names its kind, a lack of memory as OutOfMemory, else None."""
    if isinstance(error, EngineError):
        return _class_of(error)(one_line(error))
    return OutOfMemory(f"out of memory ({one_line(error)})") if is_out_of_memory(error) else None


def kind_of(error: BaseException) -> FailureKind:
    known = as_engine_error(error)
    if known is not None:
        return FAILURE_KINDS[type(known)]
    return FailureKind.IO if isinstance(error, OSError) else FailureKind.INTERNAL


def failure(request: GenerationRequest, error: BaseException) -> GenerationFailed:
    """The answer to a request that ended in this error."""
    kind = kind_of(error)
    message = one_line(as_engine_error(error) or error) or kind.value
    return GenerationFailed(job_id=request.job_id, attempt=request.attempt, kind=kind, message=message)


def _class_of(error: EngineError) -> type[EngineError]:
    return next(cls for cls in type(error).__mro__ if cls in FAILURE_KINDS)
