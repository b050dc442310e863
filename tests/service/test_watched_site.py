"""The site under the daemon's eye: it comes back when it ended, and when it hangs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.config import WebConfig
from soundmill.home import Home
from soundmill.publish import site
from soundmill.service.watched_site import WatchedSite

events: list[tuple[str, str]] = []


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedSite]:
    home = Home(tmp_path)
    home.outputs.mkdir()
    Catalog.open(home.catalog, clock=time.time).close()
    events.clear()
    # A clock of ten times the speed, so that half a minute of silence is three seconds.
    begun = time.monotonic()
    made = WatchedSite(
        home, WebConfig(port=0), lambda kind, message: events.append((kind, message)),
        lambda: begun + 10 * (time.monotonic() - begun), asked_every_s=0.2,
    )  # fmt: skip
    yield made
    made.stop()


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
