"""Engines on other machines, behind a network that loses, delays, repeats and reorders what goes over it.

The daemon's side (RayEngine), the numbering and the node's side (Serving) are the product's own; in place of Ray and
its gateway there is a way that one seed rules. A machine that is given up goes on for a while, and its answers come.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from simulate.engine import SimulatedEngine
from simulate.world import World
from soundmill.engine.process.wire import pack, unpack
from soundmill.engine.remote.contents import Store
from soundmill.engine.remote.engine import RayEngine
from soundmill.engine.remote.messages import Call, FarCommand, FarEvent, Lost, Reply
from soundmill.engine.remote.numbered import Incoming, Outgoing
from soundmill.engine.remote.serving import Serving
from soundmill.errors import EngineNotStarted

# Shares of calls, on their way there or back; of a cut, after which a machine is given up, of rounds.
TROUBLES = {"lost": 0.1, "delayed": 0.15, "repeated": 0.1, "cut": 0.004}
PATIENCE_S = 8.0
MOST_GIVEN_UP = 3
MOST_ON_THE_WAY = 6
LOADING_S, LOADING_ROUNDS = 0.25, 200  # of the world's time, for which a worker waits for a model

Message = TypeVar("Message")


class FarLine:
    """engine.Line to simulated engines that `hire()` makes, one a session."""

    def __init__(
        self, world: World, hire: Callable[[], SimulatedEngine], rng: random.Random, rates: Mapping[str, float]
    ) -> None:
        self._world = world
        self._hire = hire
        self._rng = rng
        self._rates = rates
        self._sessions = 0
        self._serving: Serving | None = None
        self._given_up: list[tuple[str, Serving]] = []
        self._there: list[tuple[str, Call]] = []  # calls on their way, by the session that they are for
        self._back: list[Reply] = []
        self._cut_since: float | None = None
        self._waited_s = 0.0

    def open(self) -> None:
        if self._rng.random() < self._rates["cut"]:
            raise EngineNotStarted("far: no way there")
        self._sessions += 1
        self._session = f"{id(self)}-{self._sessions}"
        engine = self._hire()
        self._serving = Serving(
            self._session,
            engine,
            Store(Path("/nowhere")),
            alive=lambda: engine.has_model,
            clock=self._world.steady,
        )
        self._commands, self._events = Outgoing(), Incoming()
        self._heard: list[bytes] = []
        self._cut_since = None

    def send(self, command: FarCommand) -> None:
        self._commands.add(pack(command))

    def clock(self) -> float:
        """The engine's: waiting takes no time of the world's, in which others would have had their turns."""
        return self._world.steady() + self._waited_s

    def receive(self, timeout_s: float) -> FarEvent | Lost | None:
        for _ in range(LOADING_ROUNDS if timeout_s > 1.0 else 1):
            if not self._heard:
                self._go_on()
            if self._heard:
                return unpack(self._heard.pop(0))  # type: ignore[return-value]
            if self._cut_since is not None and self._world.steady() - self._cut_since > PATIENCE_S:
                return Lost(reason=f"nothing was heard of it for {PATIENCE_S:g} s")
            if timeout_s > 1.0:
                self._world.pass_time(LOADING_S)
        self._waited_s += timeout_s
        return None

    def _go_on(self) -> None:
        """A call is made, some arrive, machines work, some replies come back."""
        if self._cut_since is None and self._rng.random() < self._rates["cut"]:
            self._struck("cut")
            self._cut_since = self._world.steady()
        call = Call(
            session=self._session, heard=self._events.heard, commands=self._commands.after(0), room_bytes=1 << 20,
            wait_s=0.0,
        )  # fmt: skip
        self._there.append((self._session, call))
        for session, asked in self._arrived(self._there):
            serving = self._machine(session)
            if serving is not None:
                self._back.append(serving.call(asked))
        for _, given_up in self._given_up:
            given_up.work(0.0)
        assert self._serving is not None
        self._serving.work(0.0)
        for reply in self._arrived(self._back):
            if reply.session == self._session and self._cut_since is None:
                self._commands.forget(reply.heard)
                self._heard += self._events.take(reply.events)

    def _machine(self, session: str) -> Serving | None:
        if session == self._session:
            return self._serving if self._cut_since is None else None
        return dict(self._given_up).get(session)

    def _arrived(self, way: list[Message]) -> list[Message]:
        """What comes out of a way now, in any order."""
        out: list[Message] = []
        stays: list[Message] = []
        self._rng.shuffle(way)
        for message in way:
            number = self._rng.random() - self._rates["lost"]
            if number < 0:
                self._struck("lost")
                continue
            if number < self._rates["delayed"]:
                self._struck("delayed")
                stays.append(message)
                continue
            out.append(message)
            if self._rng.random() < self._rates["repeated"]:
                self._struck("repeated")
                stays.append(message)
        way[:] = stays[:MOST_ON_THE_WAY]
        return out

    def close(self) -> None:
        if self._serving is not None:
            self._given_up = [*self._given_up, (self._session, self._serving)][-MOST_GIVEN_UP:]
            self._serving = None

    def _struck(self, kind: str) -> None:
        self._world.struck[f"network: {kind}"] += 1


def far_engine(
    world: World, hire: Callable[[], SimulatedEngine], rng: random.Random, rates: Mapping[str, float]
) -> RayEngine:
    line = FarLine(world, hire, rng, rates)
    return RayEngine("far", line, load_deadline_s=60.0, clock=line.clock, rest=lambda _: None)
