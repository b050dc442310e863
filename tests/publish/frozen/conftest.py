"""A home with takes, published both ways: the served copy's site runs from the copy's own code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page

from publish.conftest import fill, make_home
from soundmill.catalog.asking import ratings
from soundmill.cli import main
from soundmill.publish import site
from support.asking import asked
from support.working_mill import errors_on


@pytest.fixture(scope="package")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `site` and `static`; the home they were made of is gone."""
    root = tmp_path_factory.mktemp("frozen")
    made = make_home(root / "home")
    (made.root / "inbox").mkdir()
    fill(made)
    asked(made.catalog, ratings.rate, "forest/clip-001", 5, None, "ann")
    made.catalog.close()
    for name, more in (("site", ()), ("static", ("--static", "--title", "For <you> & yours"))):
        done = CliRunner().invoke(main, ["--home", str(made.root), "publish", str(root / name), *more])
        assert done.exit_code == 0, done.output
    (root / "home").rename(root / "gone")
    return root


@pytest.fixture(scope="package")
def served(copies: Path) -> Iterator[str]:
    """The address of the copy's site, as serve.sh starts it."""
    port = site.free_port("127.0.0.1")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHON"] = sys.executable
    with (copies / "site.log").open("wb") as log:
        process = subprocess.Popen([copies / "site" / "serve.sh", str(port)], env=environment, stdout=log, stderr=log)
    assert site.wait_until_up("127.0.0.1", port, 30.0), (copies / "site.log").read_text()
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Nothing may err on its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    errors = errors_on(opened)
    yield opened
    assert errors == []
    context.close()
