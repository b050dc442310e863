"""The light engine of the tests, which fails as prompts say and writes down all that it is asked for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crashpoints.diary import Diary
from soundmill.engine.protocol import Event
from soundmill.jobs import FailureKind, Generated, GenerationRequest
from support.fake_engine import FakeEngine


def failure(request: GenerationRequest) -> FailureKind | None:
    first = request.attempt == 1
    prompt = request.prompt
    if prompt.startswith("refused once"):
        return FailureKind.BAD_PARAMETER if first else None
    if prompt.startswith("refused"):
        return FailureKind.BAD_PARAMETER
    if prompt.startswith("oom once"):
        return FailureKind.OUT_OF_MEMORY if first else None
    if prompt.startswith("deadly once"):
        return FailureKind.ENGINE_DIED if first else None
    return None


def measurements(request: GenerationRequest) -> Mapping[str, float | None]:
    """Of silent takes the first is the best, so that it is taken out of quarantine in the end."""
    silent = "silence" in request.prompt
    return {"silence_share": min(1.0, 0.5 + 0.1 * request.attempt)} if silent else {}


class NotingEngine(FakeEngine):
    """`on_late(batch/job)` is called when the clip of a `late` prompt is about to be handed out, alone, and
    `on_endless(batch/job)` when one is begun that comes to no end."""

    def __init__(
        self,
        device: str,
        *,
        slots: int,
        diary: Diary,
        on_late: Callable[[str], None],
        on_endless: Callable[[str], None],
    ) -> None:
        super().__init__(
            device,
            slots=slots,
            polls_per_clip=2,
            failure=failure,
            measurements=measurements,
            wait=lambda seconds: time.sleep(min(seconds, 0.003)),
        )
        self._diary = diary
        self._on_late = on_late
        self._on_endless = on_endless
        self._waiting: deque[Event] = deque()

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        for request in requests:
            self._diary.note("work", job=request.job_id, attempt=request.attempt, seed=request.seed)
        super().submit(requests)
        for request in requests:
            if request.prompt.startswith("endless"):
                self._on_endless(_job_of(request))

    def _advance(self, flight: Any) -> list[Event]:
        if flight.request.prompt.startswith("endless"):
            return []
        return super()._advance(flight)

    def poll(self, timeout_s: float) -> list[Event]:
        """One event at a time, so that it is known whose take is filed next."""
        if not self._waiting:
            self._waiting += super().poll(timeout_s)
        if not self._waiting:
            return []
        event = self._waiting.popleft()
        if isinstance(event, Generated):
            request = next(each for each in reversed(self.submitted) if each.key == event.key)
            if request.prompt.startswith("late"):
                self._on_late(_job_of(request))
        return [event]

    def close(self) -> None:
        self._waiting.clear()
        super().close()


def _job_of(request: GenerationRequest) -> str:
    return f"{request.tags['batch']}/{request.tags['job']}"
