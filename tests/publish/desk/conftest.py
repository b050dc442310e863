"""A home that is worked on by the real daemon with a light engine, its site, and a browser of the owner."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from service.conftest import drop
from service.test_crash import DAEMON, environment, rows, wait_until
from soundmill import home as homes
from soundmill.commands.asking.link import link
from soundmill.publish import site

TAKES = 60


@dataclass
class Mill:
    home: homes.Home
    url: str

    def found(self, sql: str) -> list[tuple[object, ...]]:
        return rows(self.home, sql)

    def becomes(self, sql: str, expected: list[tuple[object, ...]]) -> None:
        wait_until(lambda: self.found(sql) == expected, 20.0)


@pytest.fixture(scope="package")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    home = homes.Home(tmp_path_factory.mktemp("desk") / "home")
    home.create()
    drop(home, "themes.csv", TAKES)
    command = [sys.executable, str(DAEMON), str(home.root)]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert daemon.stdout and daemon.stdout.readline() == "ready\n"
    with Path(home.root / "site.log").open("wb") as log:
        started = site.start(home.catalog, home.outputs, "127.0.0.1", 0, log=log)
    assert site.wait_until_up("127.0.0.1", started.port, 30.0)
    mill = Mill(home, started.url)
    mill.becomes("SELECT count(*) FROM outputs", [(TAKES,)])
    yield mill
    started.stop()
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()


@pytest.fixture
def owner(browser: Browser, working: Mill) -> Iterator[BrowserContext]:
    """A browser in which the local link was opened."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    entering = context.new_page()
    entering.goto(link(working.home))
    entering.close()
    yield context
    context.close()


@pytest.fixture
def page(owner: BrowserContext) -> Iterator[Page]:
    """The owner's page; nothing may err on its console."""
    opened = owner.new_page()
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    assert errors == []
