"""The site under the daemon's eye: it comes back when it ended, and when it hangs."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def watching(root: Path, web: WebConfig, times: float) -> Iterator[tuple[WatchedSite, Troubles]]:
    """With a clock of so many times the speed: at ten, half a minute of silence is three seconds."""
    home = Home(root)
    home.outputs.mkdir()
    Catalog.open(home.catalog, clock=time.time).close()
    events.clear()
    begun = time.monotonic()

    def clock() -> float:
        return begun + times * (time.monotonic() - begun)

    troubles = Troubles(Board(), clock=clock, steady=clock)
    made = WatchedSite(home, web, Board().event, troubles.outlive, clock, asked_every_s=2 / times)
    try:
        yield made, troubles
    finally:
        made.stop()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedSite]:
    with watching(tmp_path, WebConfig(port=0), 10) as (made, _):
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


def signalled_and_back(watched: WatchedSite, number: signal.Signals) -> None:
    """Signal the site once it is up, and wait for another to be."""
    assert watched._site is not None and site.wait_until_up("127.0.0.1", watched._site.port, 30.0)
    process = watched._site.process.pid
    os.kill(process, number)
    end = time.monotonic() + 60
    while watched._site is None or watched._site.process.pid == process:
        assert time.monotonic() < end, events
        watched.check()
        time.sleep(0.05)
    assert site.wait_until_up("127.0.0.1", watched._site.port, 30.0)


def test_a_site_that_was_killed_comes_back(watched: WatchedSite) -> None:
    signalled_and_back(watched, signal.SIGKILL)
    assert events == [("site restarted", "the site ended with exit status -9")]


def test_a_site_that_hangs_is_replaced(watched: WatchedSite) -> None:
    signalled_and_back(watched, signal.SIGSTOP)
    assert events == [("site restarted", "the site did not answer for 30 s")]


def test_a_site_that_cannot_be_asked_is_left_alone_and_asked_again_later(tmp_path: Path) -> None:
    """Without a descriptor left it is the daemon that is in trouble; it says so."""
    with watching(tmp_path, WebConfig(port=0), 100) as (watched, troubles):
        assert watched._site is not None and site.wait_until_up("127.0.0.1", watched._site.port, 30.0)
        process = watched._site.process
        with limited(resource.RLIMIT_NOFILE, 4):
            end = time.monotonic() + 1.5  # 150 s of the site's
            while time.monotonic() < end:
                watched.check()
                time.sleep(0.02)
            troubles.post()
        assert watched._site.process is process and process.poll() is None
        assert [kind for kind, _ in events] == ["trouble"] and "watch over the site: " in events[0][1]
        assert "too many files are open: raise the limit" in events[0][1]
        end = time.monotonic() + 20
        while ("trouble over", "watch over the site: works again") not in events:
            assert time.monotonic() < end, events
            troubles.post()
            time.sleep(0.02)
        assert watched._site.process is process


def test_a_site_that_the_system_cannot_start_now_is_started_later(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with watching(tmp_path, WebConfig(port=port), 100) as (watched, _):
            end = time.monotonic() + 1.0  # three more attempts
            while time.monotonic() < end:
                watched.check()
                time.sleep(0.02)
            assert watched.url is None and [kind for kind, _ in events] == ["site unavailable"]
            other.close()
            while watched.url is None:
                assert time.monotonic() < end + 20
                watched.check()
                time.sleep(0.02)


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
