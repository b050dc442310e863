"""The engine room, far away: the node's side. It works an engine for a daemon that calls from elsewhere."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from soundmill.engine.failures import as_engine_error, failure, one_line
from soundmill.engine.process.wire import Cancel, Load, Loaded, LoadFailed, ReduceSlots, pack, unpack
from soundmill.engine.protocol import Engine, Event
from soundmill.engine.remote.contents import Store
from soundmill.engine.remote.messages import Call, Content, Died, FarCommand, FarEvent, Reply, SubmitFar, Wants
from soundmill.engine.remote.numbered import Incoming, Outgoing
from soundmill.errors import EngineDied, EngineError, MissingInput
from soundmill.jobs import FailureKind, GenerationFailed, GenerationRequest, Progress

MOST_HELD_BYTES = 64 * 2**20  # finished and not yet heard: more clips are left in the engine process, which then waits

ENDED = "the engine process has ended"


class Serving:
    """`call` answers the daemon, from any thread; `work` does a round with the engine, in one. `alive()` says whether
    the engine's process is there; `wake()` ends a wait in `engine.poll`."""

    def __init__(
        self,
        session: str,
        engine: Engine,
        store: Store,
        *,
        alive: Callable[[], bool],
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._engine = engine
        self._store = store
        self._alive = alive
        self._wake = wake
        self._clock = clock
        self._changed = threading.Condition()
        self._commands = Incoming()
        self._events = Outgoing()
        self._due: deque[bytes] = deque()
        self._was_alive = False
        self._named: dict[int, dict[str, str]] = {}  # by job: paths of contents here, and what the user calls them
        self._waiting: list[tuple[GenerationRequest, frozenset[str]]] = []  # for contents of these names
        self.called_at = clock()

    # -- for the daemon ----------------------------------------------------------------------

    def call(self, call: Call) -> Reply:
        """Take commands in, wait for events, hand them out. A call of another session changes nothing."""
        if call.session != self._session:
            return Reply(session=self._session, heard=0, events=())
        with self._changed:
            self.called_at = self._clock()
            new = self._commands.take(call.commands)
            self._due.extend(new)
            self._events.forget(call.heard)
            if new or call.heard:
                self._changed.notify_all()
            if new:
                self._wake()
            if call.room_bytes > 0 and call.wait_s > 0:
                self._changed.wait_for(lambda: self._events.after(call.heard, 1), call.wait_s)
            events = self._events.after(call.heard, call.room_bytes)
            return Reply(session=self._session, heard=self._commands.heard, events=events)

    # -- with the engine ---------------------------------------------------------------------

    def work(self, timeout_s: float) -> None:
        """Obey what has come and collect what the engine has done, waiting up to `timeout_s` for it."""
        while True:
            with self._changed:
                command = self._due.popleft() if self._due else None
            if command is None:
                break
            message: FarCommand = unpack(command)  # type: ignore[assignment]
            self._obey(message)
        if self._events.size_bytes >= MOST_HELD_BYTES:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._due) or self._events.size_bytes < MOST_HELD_BYTES, timeout_s)
            return
        events = self._engine.poll(timeout_s)
        self._look_for_death()
        for event in events:
            self._tell(self._with_users_names(event))

    def _obey(self, command: FarCommand) -> None:
        match command:
            case Load(model=model):
                self._load(model)
            case SubmitFar(requests=requests, named=named):
                self._take_in(requests, named)
            case Content():
                self._content(command)
            case Cancel(job_ids=job_ids):
                self._waiting = [each for each in self._waiting if each[0].job_id not in job_ids]
                self._named = {job: names for job, names in self._named.items() if job not in job_ids}
                self._engine.cancel(job_ids)
            case ReduceSlots():
                try:
                    self._engine.reduce_slots()
                except EngineDied:
                    self._look_for_death()

    def _load(self, model: str) -> None:
        try:
            answer: Loaded | LoadFailed = Loaded(info=self._engine.load(model))
        except Exception as error:
            known = as_engine_error(error) or EngineError(f"{model}: loading failed ({one_line(error)})")
            answer = LoadFailed(error=known)
        self._was_alive = self._alive() and isinstance(answer, Loaded)
        self._tell(answer)

    def _take_in(self, requests: tuple[GenerationRequest, ...], named: Mapping[str, str]) -> None:
        ready, missing = [], set[str]()
        for request in requests:
            names = [str(path) for path in (request.melody, request.continue_from) if path is not None]
            here = replace(
                request, melody=self._here(request.melody), continue_from=self._here(request.continue_from),
                input_folders=(self._store.folder,) if names else request.input_folders,
            )  # fmt: skip
            if names:
                self._named[request.job_id] = {str(self._store.path(name)): named[name] for name in names}
            lacking = frozenset(name for name in names if not self._store.has(name))
            if lacking:
                self._waiting.append((here, lacking))
                missing |= lacking
            else:
                ready.append(here)
        self._submit(ready)
        if missing:
            self._tell(Wants(names=tuple(sorted(missing))))

    def _here(self, name: Path | None) -> Path | None:
        return None if name is None else self._store.path(str(name))

    def _content(self, content: Content) -> None:
        problem: Exception | None = None
        if content.data is None:
            problem = MissingInput(content.reason)
        else:
            try:
                self._store.put(content.name, content.data)
            except OSError as error:
                problem = error
        ready, waiting = [], []
        for request, lacking in self._waiting:
            if content.name not in lacking:
                waiting.append((request, lacking))
            elif problem is not None:
                self._tell(failure(request, problem))
            elif rest := lacking - {content.name}:
                waiting.append((request, rest))
            else:
                ready.append(request)
        self._waiting = waiting
        self._submit(ready)

    def _submit(self, requests: list[GenerationRequest]) -> None:
        try:
            self._engine.submit(requests)
        except EngineDied as error:  # they count as not submitted: it ended while they were on their way
            self._look_for_death()
            for request in requests:
                self._tell(replace(failure(request, error), kind=FailureKind.NODE_LOST))
        except Exception as error:
            for request in requests:
                self._tell(failure(request, error))

    def _look_for_death(self) -> None:
        """Told before the clips' failures, so that the daemon submits nothing more meanwhile."""
        if self._was_alive and not self._alive():
            self._was_alive = False
            self._tell(Died(message=ENDED))
            for request, _ in self._waiting:
                self._tell(replace(failure(request, EngineDied(ENDED)), kind=FailureKind.NODE_LOST))
            self._waiting.clear()

    def _with_users_names(self, event: Event) -> Event:
        """A failure speaks of the file that the user named, not of its copy here."""
        if isinstance(event, Progress):
            return event
        named = self._named.pop(event.job_id, {})
        if not isinstance(event, GenerationFailed):
            return event
        message = event.message
        for here, name in named.items():
            message = message.replace(here, name)
        return replace(event, message=message)

    def _tell(self, event: FarEvent) -> None:
        packed = pack(event)
        with self._changed:
            self._events.add(packed)
            self._changed.notify_all()
