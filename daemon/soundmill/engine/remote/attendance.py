"""The engine room, far away: the gateway's half of one engine's line. Ray calls the node; numbers keep the order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from soundmill.engine.remote.messages import Call, Reply
from soundmill.engine.remote.numbered import Incoming, Outgoing

WAIT_S = 2.0  # how long a node may keep a call for want of news; each reply is a sign of life
PATIENCE_S = 8.0  # without any, before an engine counts as lost
START_PATIENCE_S = 90.0  # for an actor to be placed and its process to start, on a busy machine
AGAIN_S = 0.3  # before a call that failed for what may pass is made again
ROOM_BYTES = 32 * 2**20  # events that may be on their way to the daemon's worker, an engine

Ask = Callable[[Call], Awaitable[Reply]]


class Passing(Exception):
    """A call failed in a way that may not mean anything: it can have been made all the same."""


class Ended(Exception):
    """The engine's actor is gone, for the reason given."""


class Attendance:
    """`ask` makes a call (raises Passing, Ended); `heard(events)` takes what comes of it, in order; `lost(reason)` is
    called at the end, once, unless it was closed."""

    def __init__(
        self,
        session: str,
        ask: Ask,
        *,
        heard: Callable[[list[bytes]], None],
        lost: Callable[[str], None],
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._ask = ask
        self._heard = heard
        self._lost = lost
        self._patience_s = patience_s
        self._clock = clock
        self._commands = Outgoing()
        self._events = Incoming()
        self._on_the_way = 0  # bytes that the daemon's worker has not taken yet
        self._said = asyncio.Event()
        self._answered_at: float | None = None
        self._began_at = clock()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        for part in (self._listen(), self._speak(), self._watch()):
            task = asyncio.create_task(part)
            self._tasks.add(task)

    def say(self, command: bytes) -> None:
        self._commands.add(command)
        self._said.set()

    def took(self, size_bytes: int) -> None:
        self._on_the_way -= size_bytes

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def _listen(self) -> None:
        """One call after another that waits at the node for news."""
        while True:
            await self._once(WAIT_S)

    async def _speak(self) -> None:
        """A call of its own at once for what is to be said; the one that waits carries it, too, if that fails."""
        while True:
            await self._said.wait()
            self._said.clear()
            await self._once(0.0)
            if self._commands:
                self._said.set()

    async def _once(self, wait_s: float) -> None:
        room = ROOM_BYTES - self._on_the_way if wait_s else 0
        call = Call(
            session=self._session, heard=self._events.heard, commands=self._commands.after(0), room_bytes=room,
            wait_s=wait_s,
        )  # fmt: skip
        began = self._clock()
        try:
            reply = await asyncio.wait_for(self._ask(call), START_PATIENCE_S)
        except (Passing, TimeoutError):
            await asyncio.sleep(AGAIN_S)
            return
        except Ended as error:
            self._end(str(error))
            await asyncio.sleep(START_PATIENCE_S)
            return
        self._answered_at = self._clock()
        self._commands.forget(reply.heard)
        new = self._events.take(reply.events)
        if new:
            self._on_the_way += sum(map(len, new))
            self._heard(new)
        elif wait_s and room <= 0:
            await asyncio.sleep(max(0.0, WAIT_S / 4 - (self._clock() - began)))  # until the worker has taken some

    async def _watch(self) -> None:
        looked_at = self._clock()
        while True:
            await asyncio.sleep(min(0.5, self._patience_s / 4))
            now = self._clock()
            if now - looked_at > self._patience_s / 2 and self._answered_at is not None:
                self._answered_at = now  # this process itself stood still, and replies may be waiting for it
            looked_at = now
            if self._answered_at is None:
                if now - self._began_at > START_PATIENCE_S:
                    self._end(f"no engine has started there in {START_PATIENCE_S:g} s")
            elif now - self._answered_at > self._patience_s:
                self._end(f"nothing was heard of it for {self._patience_s:g} s")

    def _end(self, reason: str) -> None:
        if self._tasks:
            self.close()
            self._lost(reason)
