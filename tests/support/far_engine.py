"""A fake engine on a node, and a RayEngine here, with all that lies between them but Ray itself: packed messages,
numbers, the node's serving. One thread and no waiting: each poll here is one there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from soundmill.engine.process.wire import pack, unpack
from soundmill.engine.remote.contents import Store
from soundmill.engine.remote.engine import RayEngine
from soundmill.engine.remote.messages import Call, FarCommand, FarEvent, Lost
from soundmill.engine.remote.numbered import Incoming, Outgoing
from soundmill.engine.remote.serving import Serving
from soundmill.jobs import FailureKind, GenerationRequest
from support.fake_engine import FakeEngine

NODE = "ws2"


class Way:
    """engine.Line to that engine; its clock goes on by what is waited for in vain."""

    def __init__(self, far: FakeEngine, store: Path) -> None:
        self._far = far
        self._store = Store(store)
        self._sessions = 0
        self.now = 0.0

    def open(self) -> None:
        self._sessions += 1
        self._serving = Serving(
            str(self._sessions), self._far, self._store, alive=lambda: self._far._info is not None,
            clock=lambda: self.now,
        )  # fmt: skip
        self._commands, self._events, self._waiting = Outgoing(), Incoming(), list[bytes]()

    def send(self, command: FarCommand) -> None:
        self._commands.add(pack(command))
        self._call()

    def receive(self, timeout_s: float) -> FarEvent | Lost | None:
        if not self._waiting and timeout_s > 0:
            self._serving.work(0.0)
            self._call()
            if not self._waiting:
                self.now += timeout_s
        return unpack(self._waiting.pop(0)) if self._waiting else None  # type: ignore[return-value]

    def _call(self) -> None:
        call = Call(
            session=str(self._sessions), heard=self._events.heard, commands=self._commands.after(0), room_bytes=10**9,
            wait_s=0.0,
        )  # fmt: skip
        reply = self._serving.call(call)
        self._commands.forget(reply.heard)
        self._waiting += self._events.take(reply.events)

    def close(self) -> None:
        self._far.close()


class FarEngine(RayEngine):
    """What was asked of the engine there, and what it is told to do, is here as on a FakeEngine."""

    def __init__(self, far: FakeEngine, store: Path) -> None:
        way = Way(far, store)

        def rest(seconds: float) -> None:
            way.now += seconds

        super().__init__(NODE, way, load_deadline_s=60.0, clock=lambda: way.now, rest=rest)
        self.far = far

    @property
    def loads(self) -> list[str]:
        return self.far.loads

    @property
    def submitted(self) -> list[GenerationRequest]:
        return self.far.submitted

    @property
    def cancelled(self) -> list[int]:
        return self.far.cancelled

    @property
    def most_in_flight(self) -> int:
        return self.far.most_in_flight

    @property
    def closed(self) -> bool:
        return self.far.closed

    @property
    def _failure(self) -> Callable[[GenerationRequest], FailureKind | None]:
        return self.far._failure

    @_failure.setter
    def _failure(self, failure: Callable[[GenerationRequest], FailureKind | None]) -> None:
        self.far._failure = failure

    @property
    def _flights(self) -> Mapping[tuple[int, int], GenerationRequest]:
        return self._in_flight

    def kill(self) -> None:
        self.far.kill()
