"""The gateway's half of one line, with calls that are lost, late, or the last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from soundmill.engine.remote.attendance import Attendance, Ended, Passing
from soundmill.engine.remote.messages import Call, Reply
from soundmill.engine.remote.numbered import Incoming, Outgoing


class Node:
    """`script(call)` may raise, or wait, before a call is answered."""

    def __init__(self) -> None:
        self.heard = Incoming()
        self.events = Outgoing()
        self.told: list[bytes] = []
        self.calls = 0
        self.troubles: list[Exception] = []
        self.silent = False

    async def ask(self, call: Call) -> Reply:
        self.calls += 1
        if self.troubles:
            raise self.troubles.pop(0)
        while self.silent:
            await asyncio.sleep(0.01)
        self.told += self.heard.take(call.commands)
        self.events.forget(call.heard)
        until = time.monotonic() + call.wait_s
        while not self.events.after(call.heard) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        return Reply(
            session=call.session, heard=self.heard.heard, events=self.events.after(call.heard, call.room_bytes)
        )


class Line:
    def __init__(self, node: Node, patience_s: float = 5.0) -> None:
        self.heard: list[bytes] = []
        self.lost: list[str] = []
        self.attendance = Attendance(
            "s", node.ask, heard=self.heard.extend, lost=self.lost.append, patience_s=patience_s
        )
        self.attendance.start()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10.0):
            while not true():
                await asyncio.sleep(0.01)
        self.attendance.close()


def test_what_is_said_arrives_at_once_and_events_come_as_they_are() -> None:
    async def go() -> None:
        node = Node()
        line = Line(node)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        for word in (b"one", b"two"):
            line.attendance.say(word)
        node.events.add(b"event")
        await line.until(lambda: node.told == [b"one", b"two"] and line.heard == [b"event"])
        assert time.monotonic() - began < 1.5  # sooner than the call that waits
        assert node.calls < 10

    asyncio.run(go())


def test_calls_that_failed_for_what_passes_are_made_again_and_nothing_comes_twice() -> None:
    async def go() -> None:
        node = Node()
        node.troubles = [Passing("no way there"), Passing("no way back")]
        line = Line(node)
        line.attendance.say(b"one")
        node.events.add(b"event")
        await line.until(lambda: node.told == [b"one"] and line.heard == [b"event"])
        assert line.lost == []

    asyncio.run(go())


def test_an_engine_whose_actor_is_gone_is_lost_once() -> None:
    async def go() -> None:
        node = Node()
        node.troubles = [Ended("its machine has left the cluster")] * 3
        line = Line(node)
        line.attendance.say(b"one")
        await line.until(lambda: bool(line.lost))
        await asyncio.sleep(0.1)
        assert line.lost == ["its machine has left the cluster"]

    asyncio.run(go())


def test_an_engine_that_is_silent_is_given_up() -> None:
    async def go() -> None:
        node = Node()
        line = Line(node, patience_s=0.4)
        node.events.add(b"event")
        async with asyncio.timeout(5.0):
            while not line.heard:
                await asyncio.sleep(0.01)
        node.silent = True
        await line.until(lambda: bool(line.lost))
        assert line.lost == ["nothing was heard of it for 0.4 s"]

    asyncio.run(go())


def test_no_more_comes_than_the_worker_takes() -> None:
    async def go() -> None:
        node = Node()
        line = Line(node)
        clip = b"x" * 20_000_000
        for _ in range(4):
            node.events.add(clip)
        await asyncio.sleep(0.5)
        assert len(line.heard) <= 2
        calls = node.calls
        await asyncio.sleep(0.5)
        assert node.calls - calls <= 3  # and nobody asks on and on
        while len(line.heard) < 4:
            line.attendance.took(len(clip))
            await asyncio.sleep(0.2)
        line.attendance.close()

    asyncio.run(go())
