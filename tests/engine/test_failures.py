"""Which error is called what, and how errors travel."""

from __future__ import annotations

import pytest
import torch

from soundmill.engine.failures import as_engine_error, failure, is_out_of_memory
from soundmill.errors import BadParameter, EngineError, MissingInput, OutOfMemory
from soundmill.jobs import FailureKind
from support.conformance import make_request


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


class OddParameter(BadParameter):
    def __init__(self, name: str, value: float) -> None:
        super().__init__(f"{name}:\n{value} is odd")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OddParameter("top_k", 3), FailureKind.BAD_PARAMETER, "top_k: 3 is odd"),
        (MissingInput("no such file"), FailureKind.MISSING_INPUT, "no such file"),
        (EngineError(), FailureKind.INTERNAL, "internal"),
        (MemoryError(), FailureKind.OUT_OF_MEMORY, "out of memory (MemoryError)"),
        (OutOfMemoryError("tried\n2 GiB"), FailureKind.OUT_OF_MEMORY, "out of memory (OutOfMemoryError: tried 2 GiB)"),
        (OSError(28, "No space left on device"), FailureKind.IO, "OSError: [Errno 28] No space left on device"),
        (ValueError("what?"), FailureKind.INTERNAL, "ValueError: what?"),
    ],
)
def test_an_error_becomes_a_kind_of_failure_on_one_line(error: Exception, kind: FailureKind, message: str) -> None:
    failed = failure(make_request(), error)
    assert (failed.kind, failed.message) == (kind, message)


def test_errors_travel_as_the_class_the_daemon_knows() -> None:
    assert type(as_engine_error(OddParameter("top_k", 3))) is BadParameter
    assert type(as_engine_error(MemoryError())) is OutOfMemory
    assert as_engine_error(ValueError()) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_failures(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
