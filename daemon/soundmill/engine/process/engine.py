"""The engine room, process: an Engine whose work is done in a process of its own. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait

from soundmill.engine.process.child import Child, Gone
from soundmill.engine.process.wire import Answer, Cancel, Command, Load, Loaded, LoadFailed, ReduceSlots, Submit
from soundmill.engine.protocol import Event
from soundmill.errors import EngineDied, EngineError, OutOfMemory
from soundmill.jobs import FailureKind, GenerationFailed, GenerationRequest, ModelInfo, Progress

_LOOK_AGAIN_S = 1.0  # while loading: how often the clock is read


@dataclass(frozen=True, slots=True)
class _Flight:
    request: GenerationRequest
    due_at: float


class ProcessEngine:
    """Keeps the promises of protocol.Engine for one device.

    `backend_for` is the import path (module:callable) of what opens a model in the process: (model, device, slots) ->
    Backend. `slots` None leaves their number to it. `load_deadline_s` bounds a load, each request's own deadline_s its
    generation, both on `clock`; a process that misses one is killed. A poll ends early once there is something to read
    from the descriptor `wake`.
    """

    def __init__(
        self,
        device: str,
        *,
        backend_for: str = "soundmill.engine.process.host:open_backend",
        slots: int | None,
        load_deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
        wake: int | None = None,
    ) -> None:
        self._device = device
        self._backend_for = backend_for
        self._slots = slots
        self._load_deadline_s = load_deadline_s
        self._clock = clock
        self._wake = wake
        self._child: Child[Command, Answer | Event] | None = None
        self._info: ModelInfo | None = None
        self._model: str | None = None  # as load() was asked for it; the info may have a longer name
        self._in_flight: dict[tuple[int, int], _Flight] = {}
        self._pending: list[Event] = []  # arrived, not yet polled

    @property
    def pid(self) -> int | None:
        """The engine process, None while there is none."""
        return self._child.pid if self._child else None

    def load(self, model: str) -> ModelInfo:
        self._collect(0.0)  # notices a process that died while nobody looked
        if self._in_flight:
            raise RuntimeError(f"{self._device}: load({model}) with {len(self._in_flight)} clips in flight")
        if self._child is not None and self._info is not None and self._model == model:
            return self._info
        self._info = None
        if self._child is None:
            self._child = Child(
                "soundmill.engine.process.host",
                self._device,
                (self._backend_for, str(self._slots or "auto")),
                name=f"the engine on {self._device}",
                environment={},
            )
        try:
            self._child.send(Load(model=model))
            answer = self._await_answer(model)
        except Gone:
            raise EngineDied(f"loading {model}: {self._bury()}") from None
        if isinstance(answer, LoadFailed):
            if type(answer.error) in (EngineError, OutOfMemory):
                self._end()  # whatever went wrong may have left its mark: the next load gets a fresh process
            raise answer.error
        self._info = replace(answer.info, device=self._device)  # in there every GPU is cuda:0
        self._model = model
        return self._info

    def _await_answer(self, model: str) -> Answer:
        assert self._child is not None
        until = self._clock() + self._load_deadline_s
        while (left_s := until - self._clock()) > 0:
            message = self._child.receive(min(left_s, _LOOK_AGAIN_S))
            if isinstance(message, Loaded | LoadFailed):
                return message  # anything else belongs to a clip that was cancelled
        obituary = self._bury(f"it had not loaded {model} after {self._load_deadline_s:g} s")
        raise EngineDied(f"{obituary}; raise schedule.load_deadline_s if it needs longer")

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        if not requests:
            return
        if self._child is None or self._info is None:
            raise EngineDied(f"{self._device}: the engine is gone or has no model; load one first")
        keys = [request.key for request in requests]
        if len(self._in_flight.keys() | set(keys)) < len(self._in_flight) + len(keys):
            raise ValueError(f"{self._device}: a request with the key of another one in flight")
        self._tell(Submit(requests=tuple(requests)))
        now = self._clock()
        self._in_flight |= {request.key: _Flight(request, now + request.deadline_s) for request in requests}

    def poll(self, timeout_s: float) -> list[Event]:
        self._collect(timeout_s)
        events, self._pending = self._pending, []
        return events

    def cancel(self, job_ids: Iterable[int]) -> None:
        dropped = frozenset(job_ids)
        self._in_flight = {key: flight for key, flight in self._in_flight.items() if key[0] not in dropped}
        self._pending = [event for event in self._pending if event.job_id not in dropped]
        if self._child is not None and dropped:
            try:
                self._child.send(Cancel(job_ids=dropped))
            except Gone:
                self._bury()

    def reduce_slots(self) -> ModelInfo:
        """Raises EngineDied when the engine is gone."""
        if self._child is None or self._info is None:
            raise EngineDied(f"{self._device}: the engine is gone or has no model; load one first")
        self._tell(ReduceSlots())
        self._info = replace(self._info, slots=max(1, self._info.slots // 2))
        return self._info

    def close(self) -> None:
        self._in_flight.clear()
        self._pending.clear()
        self._end()

    def _tell(self, command: Command) -> None:
        assert self._child is not None
        try:
            self._child.send(command)
        except Gone:
            raise EngineDied(self._bury()) from None

    def _collect(self, timeout_s: float) -> None:
        """Move what has arrived to `_pending`, waiting up to `timeout_s` for the first; kill a hung process."""
        until = time.monotonic() + timeout_s
        if self._child is None:
            if not self._pending:
                # A caller with nothing to do polls in a loop.
                wait(() if self._wake is None else (self._wake,), timeout_s)
            return
        try:
            while True:
                wait_s = 0.0 if self._pending else max(0.0, min(until - time.monotonic(), self._due_in_s()))
                message = self._child.receive(wait_s, self._wake)
                if message is not None:
                    self._take(message)
                elif self._pending or self._due_in_s() <= 0 or time.monotonic() >= until or self._is_woken():
                    break
        except Gone:
            self._bury()
        if self._child is not None and self._due_in_s() <= 0:
            self._kill_overdue()

    def _is_woken(self) -> bool:
        return self._wake is not None and bool(wait((self._wake,), 0.0))

    def _due_in_s(self) -> float:
        """Time until the next deadline."""
        return min((flight.due_at for flight in self._in_flight.values()), default=float("inf")) - self._clock()

    def _take(self, message: Answer | Event) -> None:
        """Keep an event of a clip that is still wanted."""
        if isinstance(message, Loaded | LoadFailed) or message.key not in self._in_flight:
            return
        if not isinstance(message, Progress):
            del self._in_flight[message.key]
        self._pending.append(message)

    def _kill_overdue(self) -> None:
        now = self._clock()
        overdue = {key: flight.request.deadline_s for key, flight in self._in_flight.items() if flight.due_at <= now}
        longest = max(overdue.values())
        self._bury(f"a clip was not done after {longest:g} s", overdue)

    def _bury(self, killed_because: str | None = None, overdue: Iterable[tuple[int, int]] = ()) -> str:
        """The process is dead, or is killed for the reason given: what it has not answered fails."""
        assert self._child is not None
        child, self._child, self._info = self._child, None, None
        left, obituary = child.bury(killed_because)
        for message in left:
            self._take(message)
        hung = frozenset(overdue)
        for key, flight in self._in_flight.items():
            kind, message_ = FailureKind.ENGINE_DIED, obituary
            if key in hung:
                kind = FailureKind.TIMED_OUT
                message_ = f"no clip after {flight.request.deadline_s:g} s; the engine on {self._device} was killed"
            self._pending.append(GenerationFailed(job_id=key[0], attempt=key[1], kind=kind, message=message_))
        self._in_flight.clear()
        return obituary

    def _end(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.stop()
        self._info = None
