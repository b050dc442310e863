"""The engine room, far away: the gateway, the one process of a daemon that imports Ray.

It joins the cluster, says which nodes there are, and passes on what the daemon's workers and their engines say to each
other. Ray ends a process whose cluster is lost; that is this one, and the daemon starts another.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, cast

from soundmill.engine.process.lifeline import begin, end
from soundmill.engine.process.wire import Stop, pack, unpack
from soundmill.engine.remote import cluster
from soundmill.engine.remote.actor import as_bytes
from soundmill.engine.remote.attendance import Attendance
from soundmill.engine.remote.messages import (
    Call,
    Demand,
    FromGateway,
    HeadSilent,
    Heard,
    LineLost,
    Nodes,
    OpenEngine,
    Reply,
    Say,
    Shut,
    ToGateway,
    Took,
)

OOM_SCORE = "200"
LOOK_EVERY_S = 1.0  # for nodes that have come, go or are gone
HEAD_PATIENCE_S = 8.0  # without an answer of the head, before it is told


class Gateway:
    def __init__(self, send: Callable[[FromGateway], None], joined: cluster.Joined) -> None:
        self._send = send
        self._cluster = joined
        self._lines: dict[str, tuple[str, Attendance, Any]] = {}  # by name: session, attendance, actor
        self._shown: tuple[object, ...] | None = None
        self._silent = ""

    async def serve(self, commands: asyncio.Queue[ToGateway | Stop]) -> None:
        look = asyncio.create_task(self._look())
        try:
            while True:
                command = await commands.get()
                if isinstance(command, Stop):
                    return
                self._obey(command)
        finally:
            look.cancel()
            for line in list(self._lines):
                self._drop(line)

    def _obey(self, command: ToGateway) -> None:
        match command:
            case OpenEngine():
                self._open(command)
            case Say(line=line, session=session, command=said):
                if attendance := self._of(line, session):
                    attendance.say(said)
            case Took(line=line, session=session, size_bytes=size):
                if attendance := self._of(line, session):
                    attendance.took(size)
            case Shut(line=line, session=session):
                if self._of(line, session):
                    self._drop(line)
            case Demand(engines=engines, gpu=gpu, cpus=cpus):
                self._cluster.demand(engines, gpu=gpu, cpus=cpus)

    def _of(self, line: str, session: str) -> Attendance | None:
        known = self._lines.get(line)
        return known[1] if known is not None and known[0] == session else None

    def _open(self, asked: OpenEngine) -> None:
        self._drop(asked.line)
        actor = self._cluster.start_engine(asked)

        async def ask(call: Call) -> Reply:
            try:
                return as_bytes(cast("Reply", await actor.call.remote(call)))
            except Exception as error:
                raise self._cluster.meaning(error) from error

        def heard(events: list[bytes]) -> None:
            for event in events:
                self._send(Heard(line=asked.line, session=asked.session, event=event))

        def lost(reason: str) -> None:
            self._drop(asked.line)
            self._send(LineLost(line=asked.line, session=asked.session, reason=reason))

        attendance = Attendance(asked.session, ask, heard=heard, lost=lost)
        self._lines[asked.line] = (asked.session, attendance, actor)
        attendance.start()

    def _drop(self, line: str) -> None:
        known = self._lines.pop(line, None)
        if known is not None:
            known[1].close()
            self._cluster.end_engine(known[2])

    async def _look(self) -> None:
        """One question at a time: the answer to one that hangs is still waited for, and no other asked."""
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.run_in_executor(None, self._cluster.nodes)
            while not (await asyncio.wait({asked}, timeout=HEAD_PATIENCE_S))[0]:
                self._head(f"nothing in {HEAD_PATIENCE_S:g} s")
            try:
                nodes = asked.result()
            except Exception as error:
                self._head(cluster.told(error))
            else:
                self._head("")
                if nodes != self._shown:
                    self._shown = nodes
                    self._send(Nodes(nodes=nodes))
            await asyncio.sleep(LOOK_EVERY_S)

    def _head(self, silent: str) -> None:
        if bool(silent) != bool(self._silent):
            self._silent = silent
            self._send(HeadSilent(reason=silent))


def _take_in(conn: Connection, put: Callable[[ToGateway | Stop], object]) -> None:
    with suppress(EOFError, OSError):
        while True:
            put(cast("ToGateway | Stop", unpack(conn.recv_bytes())))
    put(Stop())


def _give_out(conn: Connection, messages: SimpleQueue[FromGateway]) -> None:
    with suppress(OSError):
        while True:
            conn.send_bytes(pack(messages.get()))


async def _serve(conn: Connection, joined: cluster.Joined) -> None:
    loop = asyncio.get_running_loop()
    commands: asyncio.Queue[ToGateway | Stop] = asyncio.Queue()
    out: SimpleQueue[FromGateway] = SimpleQueue()
    put = lambda command: loop.call_soon_threadsafe(commands.put_nowait, command)  # noqa: E731
    threading.Thread(target=_take_in, args=(conn, put), name="commands", daemon=True).start()
    threading.Thread(target=_give_out, args=(conn, out), name="answers", daemon=True).start()
    await Gateway(out.put, joined).serve(commands)


def run(argv: list[str]) -> int:
    """The process's entry: a device's name that means nothing here, the settings as JSON, and the two pipes."""
    _device, settings, conn, lifeline = argv
    daemon = begin(conn, lifeline, OOM_SCORE)
    try:
        with cluster.joined(**json.loads(settings)) as joined:
            asyncio.run(_serve(daemon, joined))
    except Exception as error:
        print(cluster.told(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    end(run(sys.argv[1:]))
