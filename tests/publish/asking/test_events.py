"""Server-sent events: what is told, to whom, and what many or slow pages cost."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from publish.conftest import Home, job, make_home
from soundmill.catalog import wishes
from soundmill.publish.asking import events
from soundmill.publish.asking.events import Hub, Listener
from soundmill.publish.asking.news import Feed, Lookout
from support.asking import asked

from .conftest import ANN, Room, made

EVENTS = "/-/soundmill/events"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = make_home(tmp_path / "home")
    made.ingest("forest", [job(n, f"a forest {n}") for n in range(1, 4)])
    yield made
    made.catalog.close()


class Page:
    """One that listens, as a browser does."""

    def __init__(self, port: int, query: str = "", **headers: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(f"GET {EVENTS}{query} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        self._text = b""

    def read_until(self, true: Callable[[list[tuple[str, Any, str]]], bool]) -> list[tuple[str, Any, str]]:
        """The events so far: name, data, id; once `true` of them."""
        while not true(self.events()):
            piece = self._socket.recv(65536)
            assert piece, self._text
            self._text += piece
        return self.events()

    @property
    def head(self) -> bytes:
        return self._text.partition(b"\r\n\r\n")[0]

    def events(self) -> list[tuple[str, Any, str]]:
        chunks = self._text.partition(b"\r\n\r\n")[2].split(b"\r\n")
        text = b"".join(chunks[1::2]).decode()
        found = []
        for block in text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"]), fields.get("id", "")))
        return found

    def close(self) -> None:
        self._socket.close()


def named(*names: str) -> Callable[[list[tuple[str, Any, str]]], bool]:
    return lambda found: set(names) <= {name for name, _, _ in found}


def test_a_page_hears_of_answers_takes_and_batches_within_a_second(room: Room) -> None:
    page = Page(room.started.port)
    page.read_until(named("heartbeat"))
    assert b"200 OK" in page.head and b"text/event-stream" in page.head
    wish = {"wishes": [{"action": "reject", "target": "forest/clip-001.wav"}]}
    asked = room.ask("/-/soundmill/wishes", wish, **room.as_(ANN))[1]["asked"]
    begun = time.monotonic()
    room.work_off()
    found = page.read_until(named("answer"))
    assert time.monotonic() - begun < 5.0  # a quarter of a second on an idle machine
    (answer,) = [data for name, data, _ in found if name == "answer"]
    assert [answer["ulid"]] == asked and answer["state"] == "done" and answer["who"] == "ann"
    room.home.finish(room.home.claim()[0], score=50.0)
    found = page.read_until(lambda so_far: named("take", "batch")(so_far) and so_far[-1][1].get("outputs") == 3)
    (take,) = [data for name, data, _ in found if name == "take"]
    assert take["audio"] == "forest/clip-003.wav" and take["is_final"] == 1
    assert [data["status"] for name, data, _ in found if name == "batch"][-1] == "finished"
    last = next(number for _, _, number in reversed(found) if number)
    page.close()
    # It comes back, and hears what it has missed; or that it was away for too long.
    room.home.ingest("later", [job(1, "later")])
    for query, header in ((f"?after={last}", {}), ("", {"Last_Event_ID": last})):
        again = Page(room.started.port, query, **header)
        found = again.read_until(named("batch"))
        assert {data["batch"] for name, data, _ in found if name == "batch"} == {"later"}
        again.close()
    for query in ("?after=1", "?after=999999999999999999"):
        old = Page(room.started.port, query)
        assert old.read_until(named("reset"))
        old.close()
    odd = Page(room.started.port, "?after=x'%20or%201")
    odd.read_until(named("heartbeat"))
    odd.close()


def test_a_site_with_pages_that_listen_stops_at_once(tmp_path: Path) -> None:
    room = made(tmp_path)
    pages = [Page(room.started.port) for _ in range(20)]
    for page in pages:
        page.read_until(named("heartbeat"))
    begun = time.monotonic()
    room.started.stop(30.0)
    assert time.monotonic() - begun < 10.0  # half a second on an idle machine
    for page in pages:
        page.close()
    room.home.catalog.close()


def test_fifty_pages_are_one_look_at_the_catalogue(room: Room) -> None:
    pages = [Page(room.started.port) for _ in range(50)]
    for page in pages:
        page.read_until(named("heartbeat"))
    process = psutil.Process(room.started.process.pid)
    open_files = [file for file in process.open_files() if file.path.endswith("catalog.db")]
    assert len(open_files) <= 6  # Datasette's four threads, and ours
    room.home.ingest("more", [job(1, "more")])
    for page in pages:
        page.read_until(named("batch"))
        page.close()


# -- the hub ---------------------------------------------------------------------------------


def test_a_page_that_does_not_read_is_let_go_and_no_other(home: Home) -> None:
    async def play() -> None:
        hub = Hub(home.database, lambda: True, look_s=0.01)
        slow, quick = await hub.join(None), await hub.join(None)
        assert slow is not None and quick is not None
        heard = 0
        for number in range(2 * events.MOST_UNREAD):
            hub._tell(f"event {number}".encode())
            heard += await quick.next() is not None
        assert heard == 2 * events.MOST_UNREAD and slow.closed and not quick.closed
        hub.leave(slow)
        hub.leave(quick)

    asyncio.run(play())


def test_more_pages_than_can_be_served_are_told_so(home: Home) -> None:
    async def play() -> None:
        hub = Hub(home.database, lambda: None, look_s=0.01)
        joined = [await hub.join(None) for _ in range(events.MOST_PAGES + 1)]
        assert joined[-1] is None and all(joined[:-1])
        hub.leave(joined[0])  # type: ignore[arg-type]
        assert await hub.join(None) is not None

    asyncio.run(play())


def test_nobody_listening_costs_no_look_and_nothing_is_lost_to_who_comes_back(home: Home) -> None:
    async def play() -> None:
        hub = Hub(home.database, lambda: True, look_s=0.01)
        listener = await hub.join(None)
        assert listener is not None and (await listener.next() or b"").startswith(b"event: heartbeat")
        last = hub._feed._next - 1
        hub.leave(listener)
        while not (hub._task and hub._task.done()):
            await asyncio.sleep(0.01)
        home.ingest("later", [job(1, "later")])
        again = await hub.join(last)
        assert again is not None and b'"batch": "later"' in (await again.next() or b"")
        hub.leave(again)

    asyncio.run(play())


def test_a_daemon_that_ends_is_told_at_once(home: Home) -> None:
    running = [True]

    async def play() -> None:
        hub = Hub(home.database, lambda: running[0], look_s=0.01)
        listener = await hub.join(None)
        assert listener is not None and b'"daemon": true' in (await listener.next() or b"")
        running[0] = False
        assert b'"daemon": false' in (await asyncio.wait_for(listener.next(), 4.0) or b"")
        hub.leave(listener)

    asyncio.run(play())


def test_a_listener_that_is_full_ends() -> None:
    async def play() -> None:
        listener = Listener()
        for _ in range(events.MOST_UNREAD + 1):
            listener.put(b"x")
        assert listener.closed and await listener.next() is None

    asyncio.run(play())


def test_a_look_at_a_catalogue_that_is_gone_is_no_end(home: Home, tmp_path: Path) -> None:
    lookout = Lookout(tmp_path / "none.db")
    assert [name for name, _ in lookout.look()] == ["reset"]
    lookout = Lookout(home.database)
    assert lookout.look() == [] and lookout.look() == []
    asked(home.catalog, wishes.cancel, "forest")
    assert [(name, data["status"]) for name, data in lookout.look()] == [("batch", "finished")]
    assert lookout.look() == []
    lookout.close()


def test_what_is_too_long_ago_is_not_told_in_part() -> None:
    feed = Feed(clock=lambda: 1.0, most=3)
    for number in range(5):
        feed.add(("x", {"n": number}))
    assert [b'"n": 3' in event or b'"n": 4' in event for event in feed.since(1002)] == [True, True]
    assert len(feed.since(1001)) == 3 and feed.since(1004) == [] and feed.since(None) == []
    assert feed.since(1000)[0].endswith(b"event: reset\ndata: {}\n\n")
    assert feed.since(1005)[0].endswith(b"event: reset\ndata: {}\n\n")
