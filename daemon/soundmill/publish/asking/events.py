"""Server-sent events (HTML Living Standard, section 9.2): pages hear of what is new within a second.

One task looks for all pages, and only while there are any. A page that does not read what it is sent is let go; it
comes back by itself, and hears what it has missed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from soundmill.publish.asking import leaving
from soundmill.publish.asking.news import Feed, Lookout, encoded
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.serving import ENDLESS
from soundmill.publish.stream import Receive, Send, send_text

PART = "events"
LOOK_S = 0.25
HEARTBEAT_S = 5.0
MOST_PAGES = 256
MOST_UNREAD = 500  # events that wait for one page
SEND_S = 20.0  # for a page to take one of them
RETRY_MS = 2000


class Listener:
    """One page: events wait for it in a queue until it has taken them, or too many do."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_UNREAD)
        self.closed = False

    def put(self, event: bytes) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        self.closed = True
        with suppress(asyncio.QueueFull):  # then it is awake already
            self._queue.put_nowait(None)

    async def next(self) -> bytes | None:
        """The next event; None when it is over."""
        return None if self.closed else await self._queue.get()


class Hub:
    """All pages that listen to one catalogue. Belongs to one event loop."""

    def __init__(self, catalog: Path, daemon_runs: Callable[[], bool | None], *, look_s: float = LOOK_S) -> None:
        self._lookout = Lookout(catalog)
        self._daemon_runs = daemon_runs
        self._look_s = look_s
        self._feed = Feed()
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.loop = asyncio.get_running_loop()

    async def join(self, after: int | None) -> Listener | None:
        """A listener from now on, or from after the event of that number; None when there are too many."""
        if len(self._listeners) >= MOST_PAGES:
            return None
        listener = Listener()
        async with self._starting:
            idle = self._task is None or self._task.done()
            if idle:  # what happened meanwhile is for those who come back, and from now on nothing is missed
                for piece in await asyncio.to_thread(self._lookout.look):
                    self._feed.add(piece)
            for event in self._feed.since(after):
                listener.put(event)
            self._listeners.add(listener)
            if idle:
                self._task = asyncio.create_task(self._watch())
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    async def _watch(self) -> None:
        beat_at = -HEARTBEAT_S
        running: bool | None = None
        while self._listeners:
            now = time.monotonic()
            found, runs = await asyncio.to_thread(self._see)
            for piece in found:
                self._tell(self._feed.add(piece))
            if now - beat_at >= HEARTBEAT_S or runs != running:
                beat_at, running = now, runs
                self._tell(encoded("heartbeat", {"at": time.time(), "daemon": runs}))
            await asyncio.sleep(self._look_s)

    def _see(self) -> tuple[list[Any], bool | None]:
        return self._lookout.look(), self._daemon_runs()

    def _tell(self, event: bytes) -> None:
        for listener in list(self._listeners):
            listener.put(event)


async def events_route(datasette: Any, request: Any, send: Send, receive: Receive) -> None:
    catalog = await visible_catalog(datasette, request)
    if request.method != "GET":
        await send_text(send, request.method, 405, "405: only GET", {"allow": "GET"})
        return
    hub = _hub(datasette, catalog)
    listener = await hub.join(_number(request.args.get("after") or request.headers.get("last-event-id")))
    if listener is None:
        await send_text(send, request.method, 503, "503: too many pages listen", {"retry-after": "30"})
        return
    request.scope.setdefault("state", {})[ENDLESS] = listener.close
    gone = asyncio.create_task(_until_gone(receive, listener))
    try:
        await _start(send)
        while (event := await listener.next()) is not None:
            message = {"type": "http.response.body", "body": event, "more_body": True}
            await asyncio.wait_for(send(message), SEND_S)
        await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        pass
    finally:
        hub.leave(listener)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone


async def _start(send: Send) -> None:
    headers = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",  # nginx would gather them
    }
    encoded_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": encoded_headers})
    await send({"type": "http.response.body", "body": f"retry: {RETRY_MS}\n\n".encode(), "more_body": True})


async def _until_gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.close()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def _hub(datasette: Any, catalog: str) -> Hub:
    served = served_by(datasette)
    hub: Hub | None = served.parts.get(PART)
    if hub is None or hub.loop is not asyncio.get_running_loop():
        home = served.home
        runs = (lambda: None) if home is None else _seldom(lambda: leaving.is_running(home))
        hub = served.parts[PART] = Hub(Path(datasette.databases[catalog].path), runs)
    return hub


def _seldom(ask: Callable[[], bool], every_s: float = 2.0) -> Callable[[], bool | None]:
    """The last answer, asked for again once it is too old: asking takes the daemon's lock for a moment."""
    asked_at, said = -every_s, False

    def answer() -> bool | None:
        nonlocal asked_at, said
        if time.monotonic() - asked_at >= every_s:
            asked_at, said = time.monotonic(), ask()
        return said

    return answer
