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
from support.catalogues import put_empty

PATIENCE_S = 120.0  # on a machine that has other things to do


@dataclass
class WorkingMill:
    """The home and the address of its site. Its daemon can be ended and started again."""

    home: homes.Home
    url: str
    site_pid: int = 0
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
        wait_until(lambda: self.found(sql) == expected, PATIENCE_S)


@contextmanager
def working_mill(root: Path, takes: int) -> Iterator[WorkingMill]:
    """One that has made so many takes of a file themes.csv, with its site."""
    mill = WorkingMill(homes.Home(root / "home"), "")
    mill.home.create()
    put_empty(mill.home.catalog)
    drop(mill.home, "themes.csv", takes)
    mill.start()
    try:
        mill.becomes("SELECT count(*) FROM outputs", [(takes,)])
        with (mill.home.root / "site.log").open("wb") as log:
            started = site.start(mill.home.catalog, mill.home.outputs, "127.0.0.1", 0, log=log)
        try:
            assert site.wait_until_up("127.0.0.1", started.port, PATIENCE_S)
            mill.url, mill.site_pid = started.url, started.process.pid
            yield mill
        finally:
            started.stop()
    finally:
        mill.stop()


@contextmanager
def browser_of_owner(browser: Browser, mill: WorkingMill) -> Iterator[BrowserContext]:
    """One in which the local link was opened."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * PATIENCE_S / 2)
    context.request.get(link(mill.home), max_redirects=0)  # a page would cost as much as what most tests do
    yield context
    context.close()


def errors_on(page: Page) -> list[str]:
    """What errs on its console from now on."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
