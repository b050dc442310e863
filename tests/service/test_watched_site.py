"""The site under the daemon's eye: it comes back when it ended, and when it hangs."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.config import WebConfig
from soundmill.home import Home
from soundmill.publish import site
from soundmill.service.survive import Troubles
from soundmill.service.watched_site import WatchedSite

events: list[tuple[str, str]] = []


class Board:
    """Where troubles are put."""

    def event(self, kind: str, message: str) -> None:
        events.append((kind, message))

    def set_setting(self, key: str, value: str) -> None: ...


class Clock:
    """Goes as the real one does, from where a test has put it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@dataclass
class Watching:
    site: WatchedSite
    troubles: Troubles
    clock: Clock

    def up(self) -> subprocess.Popen[bytes]:
        """The process of the site, which answers."""
        assert self.site._site is not None and site.wait_until_up("127.0.0.1", self.site._site.port, 60.0)
        return self.site._site.process

    def until(self, true: Callable[[], bool]) -> None:
        """Check on the site while its time runs a hundred times as fast."""
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end, events
            self.site.check()
            self.troubles.post()
            time.sleep(0.02)
            self.clock.ahead_s += 2.0


@contextmanager
def watching(root: Path, web: WebConfig) -> Iterator[Watching]:
    home = Home(root)
    home.outputs.mkdir()
    Catalog.open(home.catalog, clock=time.time).close()
    events.clear()
    clock = Clock()
    troubles = Troubles(Board(), clock=clock, steady=clock)
    made = WatchedSite(home, web, Board().event, troubles.outlive, clock, asked_every_s=0.02)
    try:
        yield Watching(made, troubles, clock)
    finally:
        made.stop()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watching]:
    with watching(tmp_path, WebConfig(port=0)) as made:
        yield made


@contextmanager
def limited(kind: int, most: int) -> Iterator[None]:
    """This process may have no more."""
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def signalled_and_back(watched: Watching, number: signal.Signals) -> None:
    """Signal the site once it is up, and wait for another to be."""
    process = watched.up()
    process.send_signal(number)
    watched.until(lambda: watched.site._site is not None and watched.site._site.process is not process)
    watched.up()


def test_a_site_that_was_killed_comes_back(watched: Watching) -> None:
    signalled_and_back(watched, signal.SIGKILL)
    assert events == [("site restarted", "the site ended with exit status -9")]


def test_a_site_that_hangs_is_replaced(watched: Watching) -> None:
    signalled_and_back(watched, signal.SIGSTOP)
    assert events == [("site restarted", "the site did not answer for 30 s")]


def test_a_site_that_cannot_be_asked_is_left_alone_and_asked_again_later(watched: Watching) -> None:
    """Without a descriptor left it is the daemon that is in trouble; it says so."""
    process = watched.up()
    begun = watched.clock.ahead_s
    with limited(resource.RLIMIT_NOFILE, 4):
        watched.until(lambda: watched.clock.ahead_s > begun + 150)
    ((kind, message),) = events
    assert kind == "trouble" and message.startswith("watch over the site: ")
    assert "too many files are open: raise the limit" in message
    watched.until(lambda: ("trouble over", "watch over the site: works again") in events)
    assert watched.site._site is not None and watched.site._site.process is process


def test_a_site_that_the_system_cannot_start_now_is_started_later(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with watching(tmp_path, WebConfig(port=other.getsockname()[1])) as watched:
            watched.until(lambda: watched.clock.ahead_s > 100)  # three more attempts
            assert watched.site.url is None and [kind for kind, _ in events] == ["site unavailable"]
            other.close()
            watched.until(lambda: watched.site.url is not None)


def test_a_watch_that_the_system_cannot_start_now_is_started_later(tmp_path: Path) -> None:
    refused = [True]

    def outlive(part: str, step: Callable[[], object]) -> bool:
        if refused[0]:
            return troubles.outlive(part, no_thread)
        return troubles.outlive(part, step)

    def no_thread() -> None:
        raise RuntimeError("can't start new thread")

    troubles = Troubles(Board(), clock=time.time, steady=time.monotonic)
    home = Home(tmp_path)
    home.outputs.mkdir()
    Catalog.open(home.catalog, clock=time.time).close()
    watched = WatchedSite(home, WebConfig(port=0), Board().event, outlive, time.monotonic)
    try:
        watched.check()
        assert watched._pulse is None and troubles.lasting("watch over the site", -1.0)
        refused[0] = False
        watched.check()
        assert watched._pulse is not None and watched._pulse.alive
    finally:
        watched.stop()
