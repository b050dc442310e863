"""What a worker may ask of an engine, and nothing more: the seam between scheduling and inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from soundmill.jobs import Generated, GenerationFailed, GenerationRequest, ModelInfo, Progress

Event = Generated | GenerationFailed | Progress


class Engine(Protocol):
    """Generates clips on one device. Not thread-safe: one worker thread owns it.

    Every submitted request is answered by exactly one Generated or GenerationFailed, unless it is
    cancelled first or the engine is closed; Progress may come any number of times before that.
    """

    def load(self, model: str) -> ModelInfo:
        """Make `model` the loaded one; a no-op when it is. Nothing may be in flight.

        Raises an EngineError: UnknownModel, ModelUnavailable, OutOfMemory, EngineDied.
        """
        ...

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Start the requests, at most as many as there are free slots. Returns at once.

        Raises EngineDied when the engine is gone; the requests then count as not submitted.
        """
        ...

    def poll(self, timeout_s: float) -> list[Event]:
        """What has happened since the last call; waits up to `timeout_s` for the first event.

        A dead or hung engine is reported as a GenerationFailed for each clip in flight, never
        raised: the next `load` starts afresh.
        """
        ...

    def cancel(self, job_ids: Iterable[int]) -> None:
        """Drop these jobs if they are in flight; no event for them follows."""
        ...

    def reduce_slots(self) -> ModelInfo:
        """Halve the slots (never below one) after an out-of-memory failure."""
        ...

    def close(self) -> None:
        """End the engine and free its device. May be called more than once."""
        ...
