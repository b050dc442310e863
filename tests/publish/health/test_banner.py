"""Pages that are open say by themselves that the daemon is gone, and that it is back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from publish.conftest import Home, fill, make_home
from soundmill.publish import site
from soundmill.publish.health.pulse import SILENT_S

PAGES = ("", "-/soundmill", "-/soundmill/batch/forest", "catalog/takes")


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[tuple[Home, str]]:
    made = make_home(tmp_path)
    fill(made)
    beat(made)
    with (tmp_path / "site.log").open("wb") as log:
        started = site.start(made.database, made.outputs, "127.0.0.1", 0, log=log)
    assert site.wait_until_up("127.0.0.1", started.port, 60.0)
    yield made, started.url
    started.stop()
    made.catalog.close()


def beat(home: Home, ago_s: float = 0.0, doing: str = "running") -> None:
    """As the daemon does, so long ago; by ourselves, for whom the process is there."""
    home.catalog.beat(pid=os.getpid(), at=time.time() - ago_s, steady_s=time.monotonic() - ago_s, doing=doing)


def test_every_open_page_says_that_the_daemon_is_gone_and_that_it_is_back(
    mill: tuple[Home, str], browser: Browser
) -> None:
    home, address = mill
    context = browser.new_context()
    errors: list[str] = []
    open_pages = []
    for path in PAGES:
        beat(home)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address + path)
        expect(page.locator("#sm-daemon:visible")).to_have_count(0)
        open_pages.append(page)
    beat(home, ago_s=SILENT_S + 1.0)
    for page in open_pages:
        page.bring_to_front()
        expect(page.locator("#sm-daemon")).to_contain_text(
            f"(pid {os.getpid()}), though its process is there", timeout=6000
        )
        assert page.locator("#sm-daemon").get_attribute("class") == "message-warning"
    beat(home)
    page.bring_to_front()
    expect(page.locator("#sm-daemon:visible")).to_have_count(0, timeout=6000)
    assert errors == []
    context.close()


def test_a_site_that_is_read_without_a_daemon_says_so_where_one_looks_for_it(
    mill: tuple[Home, str], browser: Browser
) -> None:
    home, address = mill
    beat(home, doing="stopped")
    page = browser.new_page()
    for path in PAGES:
        page.goto(address + path)
        page.wait_for_timeout(300)
        # What was asked a moment before may be shown first.
        expect(page.locator("#sm-daemon:visible")).to_have_count(int(path in ("", "-/soundmill")), timeout=6000)
    page.goto(f"{address}-/soundmill")
    assert page.locator("#sm-daemon").get_attribute("class") == "message-info"
    page.close()
