"""The engine room, far away: the daemon's side. An Engine whose device is on another machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from soundmill.engine.failures import failure
from soundmill.engine.process.wire import Cancel, Load, Loaded, LoadFailed, ReduceSlots
from soundmill.engine.protocol import Event
from soundmill.engine.remote import contents
from soundmill.engine.remote.messages import Content, Died, FarCommand, FarEvent, Lost, SubmitFar, Wants
from soundmill.errors import EngineDied, EngineNotStarted, MissingInput
from soundmill.jobs import FailureKind, GenerationFailed, GenerationRequest, ModelInfo, Progress

PATIENCE_S = 30.0  # beyond the time that a load may take: the node itself ends one that takes longer
_OF_THE_PROCESS = (FailureKind.ENGINE_DIED, FailureKind.TIMED_OUT)


class Line(Protocol):
    """The way to one engine, which says everything once and in order, or that the engine is lost."""

    def open(self) -> None:
        """Have an engine started. Raises EngineNotStarted where there is no node for it."""
        ...

    def send(self, command: FarCommand) -> None: ...

    def receive(self, timeout_s: float) -> FarEvent | Lost | None:
        """The next event, None when none came in time."""
        ...

    def close(self) -> None:
        """End the engine; nothing more is received of it."""
        ...


class RayEngine:
    """Keeps the promises of protocol.Engine for a device of the node `node`. `same_weights(model, digest)` says what is
    wrong with a model's weights there, None where nothing is."""

    def __init__(
        self,
        node: str,
        line: Line,
        *,
        load_deadline_s: float,
        same_weights: Callable[[str, str], str | None] = lambda _model, _digest: None,
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._node = node
        self._line = line
        self._load_deadline_s = load_deadline_s
        self._same_weights = same_weights
        self._clock = clock
        self._rest = rest
        self._open = False
        self._info: ModelInfo | None = None
        self._model: str | None = None
        self._in_flight: dict[tuple[int, int], GenerationRequest] = {}
        self._pending: list[Event] = []

    @property
    def alive(self) -> bool:
        """Whether it has a model, as far as has been heard."""
        self._collect(0.0)
        return self._info is not None

    def load(self, model: str) -> ModelInfo:
        self._collect(0.0)
        if self._in_flight:
            raise RuntimeError(f"{self._node}: load({model}) with {len(self._in_flight)} clips in flight")
        if self._info is not None and self._model == model:
            return self._info
        self._info = None
        if not self._open:
            self._line.open()
            self._open = True
        self._line.send(Load(model=model))
        answer = self._await_answer(model)
        if isinstance(answer, LoadFailed):
            raise type(answer.error)(f"{self._node}: {answer.error}")
        if wrong := self._same_weights(model, answer.info.versions.get("weights", "")):
            self.close()
            raise EngineNotStarted(wrong)
        self._info, self._model = answer.info, model
        return self._info

    def _await_answer(self, model: str) -> Loaded | LoadFailed:
        until = self._clock() + self._load_deadline_s + PATIENCE_S
        while (left_s := until - self._clock()) > 0:
            message = self._line.receive(left_s)
            if isinstance(message, Loaded | LoadFailed):
                return message
            if isinstance(message, Lost):
                self._lose(message.reason)
                raise EngineNotStarted(f"{self._node}: {message.reason}")
        self.close()
        raise EngineNotStarted(f"{self._node}: no word of {model} after {self._load_deadline_s + PATIENCE_S:g} s")

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        if not requests:
            return
        self._must_have_a_model()
        keys = [request.key for request in requests]
        if len(self._in_flight.keys() | set(keys)) < len(self._in_flight) + len(keys):
            raise ValueError(f"{self._node}: a request with the key of another one in flight")
        far: list[GenerationRequest] = []
        named: dict[str, str] = {}
        for request in requests:
            self._in_flight[request.key] = request
            try:
                far.append(self._by_content(request, named))
            except MissingInput as error:
                self._answered(failure(request, error))
        if far:
            self._line.send(SubmitFar(requests=tuple(far), named=named))

    def _by_content(self, request: GenerationRequest, named: dict[str, str]) -> GenerationRequest:
        """The request with the names of its files' contents in place of their paths. Raises MissingInput."""

        def name_of(file: Path | None) -> Path | None:
            if file is None:
                return None
            name = contents.name_of(file, request.input_folders)
            named[name] = str(file)
            return Path(name)

        return replace(
            request, melody=name_of(request.melody), continue_from=name_of(request.continue_from), input_folders=None
        )

    def poll(self, timeout_s: float) -> list[Event]:
        self._collect(timeout_s)
        events, self._pending = self._pending, []
        return events

    def cancel(self, job_ids: Iterable[int]) -> None:
        dropped = frozenset(job_ids)
        self._in_flight = {key: request for key, request in self._in_flight.items() if key[0] not in dropped}
        self._pending = [event for event in self._pending if event.job_id not in dropped]
        if self._open and dropped:
            self._line.send(Cancel(job_ids=dropped))

    def reduce_slots(self) -> ModelInfo:
        """Raises EngineDied when the engine is gone."""
        info = self._must_have_a_model()
        self._line.send(ReduceSlots())
        self._info = replace(info, slots=max(1, info.slots // 2))
        return self._info

    def close(self) -> None:
        self._in_flight.clear()
        self._pending.clear()
        self._info = None
        if self._open:
            self._open = False
            self._line.close()

    def _must_have_a_model(self) -> ModelInfo:
        if self._info is None:
            raise EngineDied(f"{self._node}: the engine is gone or has no model; load one first")
        return self._info

    def _collect(self, timeout_s: float) -> None:
        """Move what has arrived to `_pending`, waiting up to `timeout_s` for the first."""
        until = self._clock() + timeout_s
        while self._open:
            message = self._line.receive(0.0 if self._pending else max(0.0, until - self._clock()))
            if message is not None:
                self._take(message)
            elif self._pending or self._clock() >= until:
                return
        if not self._pending:
            self._rest(max(0.0, until - self._clock()))  # a caller with nothing to do polls in a loop

    def _take(self, message: FarEvent | Lost) -> None:
        match message:
            case Lost(reason=reason):
                self._lose(reason)
            case Died():
                self._info = None
            case Wants(names=names):
                for name in names:
                    self._line.send(self._content(name))
            case Loaded() | LoadFailed():
                pass  # of a load that was given up
            case _:
                self._answered(message)

    def _answered(self, event: Event) -> None:
        """Keep an event of a clip that is still wanted, of this attempt and no earlier one."""
        if event.key not in self._in_flight:
            return
        if isinstance(event, GenerationFailed) and event.kind in _OF_THE_PROCESS:
            event = replace(event, message=f"{self._node}: {event.message}")
        if not isinstance(event, Progress):
            del self._in_flight[event.key]
        self._pending.append(event)

    def _content(self, name: str) -> Content:
        for request in self._in_flight.values():
            for file in (request.melody, request.continue_from):
                if file is not None and file.name == name.partition("/")[2]:
                    try:
                        return Content(name=name, data=contents.read(file, request.input_folders, name))
                    except MissingInput as error:
                        return Content(name=name, data=None, reason=str(error))
        return Content(name=name, data=None, reason=f"{name}: no clip begins with it any more")

    def _lose(self, reason: str) -> None:
        """The node is gone for us: whatever it answers later is of a session that has ended."""
        self._open = False
        self._info = None
        self._line.close()
        for key in self._in_flight:
            self._pending.append(
                GenerationFailed(
                    job_id=key[0], attempt=key[1], kind=FailureKind.NODE_LOST, message=f"{self._node}: {reason}"
                )
            )
        self._in_flight.clear()
