"""An engine for measuring what lies around engines: a device that makes one clip after another, each of which takes its
duration, computes nothing, and is SOUNDMILL_STUB_BYTES large. Up to two may be asked for at once."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from multiprocessing.connection import wait

from soundmill.engine.protocol import Event
from soundmill.engine.remote.messages import OpenEngine
from soundmill.errors import EngineDied
from soundmill.jobs import AudioFormat, Generated, GenerationRequest, ModelInfo

SLOTS = 2


class StubEngine:
    """Its clips' `versions` say when each was made (Unix seconds), and how long the device has had nothing to do since
    its first clip."""

    def __init__(self, wake: int | None = None) -> None:
        self._wake = wake
        self._audio = os.urandom(int(os.environ.get("SOUNDMILL_STUB_BYTES", "2000000")))
        self._info: ModelInfo | None = None
        self._waiting: deque[tuple[GenerationRequest, float, float]] = deque()  # done when, idle so far
        self._busy_until: float | None = None
        self._idle_s = 0.0

    @property
    def pid(self) -> int | None:
        return os.getpid()

    def load(self, model: str) -> ModelInfo:
        self._info = ModelInfo(
            name=model, sample_rate=32_000, channels=1, frame_rate=50.0, slots=SLOTS, device="cpu", licence="CC0-1.0",
        )  # fmt: skip
        return self._info

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        if self._info is None:
            raise EngineDied("no model is loaded")
        for request in requests:
            now = time.time()
            free_at = now if self._busy_until is None else self._busy_until
            self._idle_s += max(0.0, now - free_at)
            self._busy_until = max(now, free_at) + request.parameters.duration
            self._waiting.append((request, self._busy_until, self._idle_s))

    def poll(self, timeout_s: float) -> list[Event]:
        left_s = min(timeout_s, self._waiting[0][1] - time.time() if self._waiting else timeout_s)
        if left_s > 0:
            wait(() if self._wake is None else (self._wake,), left_s)
        events: list[Event] = []
        while self._waiting and self._waiting[0][1] <= time.time():
            events.append(self._clip(*self._waiting.popleft()))
        return events

    def _clip(self, request: GenerationRequest, made_at: float, idle_s: float) -> Generated:
        return Generated(
            job_id=request.job_id, attempt=request.attempt, audio=self._audio, format=AudioFormat.WAV,
            sample_rate=32_000, channels=1, duration_s=request.parameters.duration,
            generation_s=request.parameters.duration, device_s=request.parameters.duration, row_steps=50,
            measurements={}, licence="CC0-1.0",
            versions={"made_at": repr(made_at), "idle_s": repr(idle_s), "engine": str(id(self))},
        )  # fmt: skip

    def cancel(self, job_ids: Iterable[int]) -> None:
        dropped = set(job_ids)
        self._waiting = deque(each for each in self._waiting if each[0].job_id not in dropped)

    def reduce_slots(self) -> ModelInfo:
        assert self._info is not None
        self._info = replace(self._info, slots=max(1, self._info.slots // 2))
        return self._info

    def close(self) -> None:
        self._waiting.clear()
        self._info = None


def open_stub(asked: OpenEngine, wake: int) -> StubEngine:
    """For a node of a cluster."""
    return StubEngine(wake)
