"""The engine room, far away: the daemon's end of the gateway, which all engines of the cluster share. No Ray here."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

from soundmill.engine.process.child import Child, Gone
from soundmill.engine.process.wire import pack, unpack
from soundmill.engine.remote.messages import (
    Demand,
    FarCommand,
    FarEvent,
    FromGateway,
    HeadSilent,
    Heard,
    LineLost,
    Lost,
    Node,
    Nodes,
    OpenEngine,
    Say,
    Shut,
    ToGateway,
    Took,
)
from soundmill.errors import EngineNotStarted, SoundmillError

log = logging.getLogger("soundmill.cluster")

AGAIN_S = (1.0, 2.0, 5.0, 10.0)  # before the gateway is started again: the first, second, third, and every later time
STEADY_S = 60.0  # a gateway that was in the cluster for so long has its failures forgiven
HEAD_GONE = "connect to GCS"  # in Ray's own last words
LOOK_AGAIN_S = 0.5  # how often the thread looks whether it is to end


class Link:
    """Keeps a gateway running. `settings` are cluster.joined's arguments, `environment` what it gets beside ours;
    `module` is what runs. Safe to share between threads."""

    def __init__(
        self,
        settings: Mapping[str, object],
        environment: Mapping[str, str],
        *,
        module: str = "soundmill.engine.remote.gateway",
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._module = module
        self._lock = threading.Lock()
        self._child: Child[ToGateway, FromGateway] | None = None
        self._queues: dict[tuple[str, str], SimpleQueue[tuple[int, FarEvent | Lost]]] = {}
        self._nodes: tuple[Node, ...] = ()
        self._trouble: str | None = None
        self._joined = False
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="cluster", daemon=True)
        self._thread.start()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Those of the cluster; none while it is not reached."""
        return self._nodes

    @property
    def trouble(self) -> str | None:
        """Why the cluster is not as it should be, in one sentence."""
        return self._trouble

    @property
    def pid(self) -> int | None:
        child = self._child
        return child.pid if child is not None else None

    def close(self) -> None:
        self._ends.set()
        self._thread.join(15.0)

    def demand(self, engines: int, *, gpu: bool, cpus: float) -> None:
        self._send(Demand(engines=engines, gpu=gpu, cpus=cpus))

    def open(self, asked: OpenEngine) -> SimpleQueue[tuple[int, FarEvent | Lost]]:
        """Have an engine started; what comes of it, with its size on the way. Raises EngineNotStarted."""
        heard: SimpleQueue[tuple[int, FarEvent | Lost]] = SimpleQueue()
        with self._lock:
            self._queues[(asked.line, asked.session)] = heard
        if not self._send(asked):
            self._forget(asked.line, asked.session)
            raise EngineNotStarted(f"{asked.line}: {self._trouble or 'the cluster is not reached yet'}")
        return heard

    def shut(self, line: str, session: str) -> None:
        self._forget(line, session)
        self._send(Shut(line=line, session=session))

    def say(self, line: str, session: str, command: FarCommand) -> None:
        """Where this cannot be said any more, the engine is lost, and its queue says so."""
        self._send(Say(line=line, session=session, command=pack(command)))

    def took(self, line: str, session: str, size_bytes: int) -> None:
        self._send(Took(line=line, session=session, size_bytes=size_bytes))

    def _forget(self, line: str, session: str) -> None:
        with self._lock:
            self._queues.pop((line, session), None)

    def _send(self, message: ToGateway) -> bool:
        with self._lock:
            if self._child is None:
                return False
            try:
                self._child.send(message)
            except Gone:
                return False  # the thread notices, too
            return True

    # -- the thread --------------------------------------------------------------------------

    def _keep(self) -> None:
        failures = 0
        while not self._ends.is_set():
            began = time.monotonic()
            reason = self._one_gateway()
            if self._ends.is_set():
                return
            if time.monotonic() - began > STEADY_S:
                failures = 0
            self._trouble = reason
            log.warning("cluster: %s", reason)
            self._ends.wait(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
            failures += 1

    def _one_gateway(self) -> str:
        """Run one until it ends; why it did."""
        try:
            child: Child[ToGateway, FromGateway] = Child(
                self._module, "cpu", (json.dumps(self._settings),), name="the gateway to the cluster",
                environment=self._environment,
            )  # fmt: skip
        except (SoundmillError, OSError) as error:
            return str(error)
        with self._lock:
            self._child = child
        try:
            while not self._ends.is_set():
                message = child.receive(LOOK_AGAIN_S)
                if message is not None:
                    self._take(message)
            reason = "the daemon stops"
        except Gone:
            reason = ""
        with self._lock:
            self._child = None
            left, self._queues = self._queues, {}
        if reason:
            child.stop()
        else:
            reason = child.bury()[1]
            if HEAD_GONE in reason:
                reason = "the cluster's head has not answered for half a minute; is it running?"
        self._nodes = ()
        for heard in left.values():
            heard.put((0, Lost(reason=reason)))
        return reason

    def _take(self, message: FromGateway) -> None:
        match message:
            case Nodes(nodes=nodes):
                self._nodes = nodes
                self._trouble = None
            case HeadSilent(reason=reason):
                self._trouble = f"the cluster's head does not answer ({reason})" if reason else None
            case Heard(line=line, session=session, event=event):
                if (heard := self._queue(line, session)) is not None:
                    heard.put((len(event), unpack(event)))  # type: ignore[arg-type]
            case LineLost(line=line, session=session, reason=reason):
                if (heard := self._queue(line, session)) is not None:
                    self._forget(line, session)
                    heard.put((0, Lost(reason=reason)))

    def _queue(self, line: str, session: str) -> SimpleQueue[tuple[int, FarEvent | Lost]] | None:
        with self._lock:
            return self._queues.get((line, session))


class GatewayLine:
    """engine.Line over the link: one engine at a time, each with a session of its own. `place()` is the engine to ask
    for, on a node that is there; raises EngineNotStarted where there is none."""

    def __init__(self, name: str, link: Link, place: Callable[[str], OpenEngine]) -> None:
        self._name = name
        self._link = link
        self._place = place
        self._session = ""
        self._heard: SimpleQueue[tuple[int, FarEvent | Lost]] | None = None

    def open(self) -> None:
        self._session = secrets.token_hex(8)  # no other engine's, whenever its answers come
        self._heard = self._link.open(self._place(self._session))

    def send(self, command: FarCommand) -> None:
        self._link.say(self._name, self._session, command)

    def receive(self, timeout_s: float) -> FarEvent | Lost | None:
        if self._heard is None:
            return None
        try:
            size, event = self._heard.get(timeout=timeout_s) if timeout_s > 0 else self._heard.get_nowait()
        except Empty:
            return None
        if size:
            self._link.took(self._name, self._session, size)
        return event

    def close(self) -> None:
        if self._heard is not None:
            self._heard = None
            self._link.shut(self._name, self._session)
