"""A home that the real daemon works on with a light engine, its site, and browsers of its owner."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from service.conftest import drop
from service.test_crash import DAEMON, environment, rows, wait_until
from soundmill import home as homes
from soundmill.commands.asking.link import link
from soundmill.publish import site


@dataclass
class WorkingMill:
    """The home and the address of its site. Its daemon can be ended and started again."""

    home: homes.Home
    url: str
    patience_s: float
    daemon: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, str(DAEMON), str(self.home.root)]
        self.daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        assert self.daemon.stdout and self.daemon.stdout.readline() == "ready\n"

    def stop(self) -> None:
        assert self.daemon and self.daemon.stdout
        self.daemon.kill()
        self.daemon.wait()
        self.daemon.stdout.close()

    def found(self, sql: str) -> list[tuple[object, ...]]:
        return rows(self.home, sql)

    def becomes(self, sql: str, expected: list[tuple[object, ...]]) -> None:
        wait_until(lambda: self.found(sql) == expected, self.patience_s)


@contextmanager
def working_mill(root: Path, takes: int, *, made_s: float, site_s: float, patience_s: float) -> Iterator[WorkingMill]:
    """One that has made so many takes of a file themes.csv, within `made_s`, with its site, up within `site_s`."""
    mill = WorkingMill(homes.Home(root / "home"), "", patience_s)
    mill.home.create()
    drop(mill.home, "themes.csv", takes)
    mill.start()
    wait_until(lambda: mill.found("SELECT count(*) FROM outputs") == [(takes,)], made_s)
    with (mill.home.root / "site.log").open("wb") as log:
        started = site.start(mill.home.catalog, mill.home.outputs, "127.0.0.1", 0, log=log)
    assert site.wait_until_up("127.0.0.1", started.port, site_s)
    mill.url = started.url
    yield mill
    started.stop()
    mill.stop()


@contextmanager
def browser_of_owner(browser: Browser, mill: WorkingMill, *, timeout_s: float) -> Iterator[BrowserContext]:
    """One in which the local link was opened."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * timeout_s)
    page = context.new_page()
    page.goto(link(mill.home))
    page.close()
    yield context
    context.close()


def errors_on(page: Page) -> list[str]:
    """What errs on its console from now on."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
