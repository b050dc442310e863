"""What runs inside an engine process: a model that turns requests into samples, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from soundmill.jobs import GenerationFailed, GenerationRequest, ModelInfo, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Raw samples of one finished request: float32, shape [channels, time], full scale = 1.

    `surprise` has the measurements that only the decode loop can make, by the names in decoder/surprise.py.
    """

    request: GenerationRequest
    samples: NDArray[np.float32]
    sample_rate: int  # Hz
    generation_s: float  # this and the next two as in jobs.Generated
    device_s: float
    row_steps: int
    surprise: Mapping[str, float] = field(default_factory=dict)


class Backend(Protocol):
    """One loaded model on one device. Single-threaded: the host's loop owns it."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def busy(self) -> bool:
        """True while a submitted request is unanswered."""
        ...

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests; never blocks on generation."""
        ...

    def step(self) -> list[Clip | GenerationFailed | Progress]:
        """Do a bounded piece of work (a few decode steps, or one static batch) and say what came of it.

        Raises errors.OutOfMemory when the device has no room; everything in flight is then lost to
        the caller, who reports it.
        """
        ...

    def cancel(self, job_ids: Iterable[int]) -> None: ...

    def reduce_slots(self) -> None:
        """Halve the slots, never below one."""
        ...

    def close(self) -> None:
        """Free the device's memory."""
        ...
