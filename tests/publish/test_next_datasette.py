"""The site on the current alpha of Datasette 1.0, in a real browser: every page answers without an error on its
console, axe finds nothing grave, and what is asked for is left for the daemon.

The alpha is installed into a folder of its own, which its process alone is told of:
pip install --target .datasette-next 'datasette==1.0a41'
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from soundmill.catalog.asking import shortlists
from soundmill.commands.asking.link import link
from soundmill.home import Home as Folder
from soundmill.publish import site
from soundmill.publish.asking import keys
from soundmill.publish.compare import studies
from support.asking import asked
from support.missing import missing
from support.working_mill import errors_on

from .conftest import Home, fill, make_home
from .test_accessible import DATASETTES, NOT_FOUND, OURS, grave

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".datasette-next"
VARIABLE = "SOUNDMILL_NEXT_DATASETTE"  # another folder
# Pages that the alphas have besides.
NEWER = ["catalog/-/query?sql=select+audio+from+takes", "catalog/-/queries", "catalog/-/schema", "-/api", "-/jump"]
# Datasette's box for jumping to a page has a list called as the method of all elements that axe calls.
LETS_AXE_LOOK = "document.querySelectorAll('navigation-search').forEach((box) => { delete box.matches; })"
LISTENED_TO = 6  # takes of the listening test


def installed() -> Path:
    """The folder in which the alpha is."""
    folder = Path(os.environ.get(VARIABLE) or FOLDER)
    version = folder / "datasette" / "version.py"
    if not version.is_file():
        missing(f"no Datasette 1.0 in {folder}: pip install --target {folder} 'datasette==1.0a41'")
    assert '"1.0' in version.read_text(encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """A filled home with an inbox and a listening test, and the address of its site."""
    folder = installed()
    home = make_home(tmp_path_factory.mktemp("next"))
    fill(home)
    asked(home.catalog, shortlists.pick, "forest/clip-001", "best", "ann", None, keep_note=True)
    Folder(home.root).create()
    listened = range(1, LISTENED_TO + 1)
    studies.make(keys.folder_of(home.root), name="t", takes=[*listened], questions=8, by="owner", now=time.time())
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import datasette; assert datasette.__version__.startswith('1.0'), datasette.__version__\n"
        "from soundmill.publish.site import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    port = site.free_port("127.0.0.1")
    arguments = [str(home.database), str(home.outputs), "127.0.0.1", str(port), "20"]
    with (home.root / "site.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=log, stderr=log)
    started = site.Site(process=process, host="127.0.0.1", port=port)
    assert site.wait_until_up("127.0.0.1", port, 60.0), (home.root / "site.log").read_text(encoding="utf-8")
    yield home, started.url
    started.stop()
    home.catalog.close()


@pytest.fixture(scope="module")
def owner(browser: Browser, newer: tuple[Home, str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(link(Folder(newer[0].root)))
    yield page
    context.close()


@pytest.mark.parametrize("path", [*OURS.values(), *NOT_FOUND, *DATASETTES, *NEWER])
def test_every_page_answers_and_axe_finds_nothing_grave(owner: Page, newer: tuple[Home, str], path: str) -> None:
    errors = errors_on(owner)
    answer = owner.goto(newer[1] + path)
    assert answer is not None and answer.status < 500
    if path in OURS.values() or path in NEWER:
        assert answer.status == 200
    if not answer.headers["content-type"].startswith("text/html"):
        return
    owner.wait_for_load_state("load")
    assert answer.status != 200 or errors == []  # of another status the browser itself says so
    owner.evaluate(LETS_AXE_LOOK)
    assert grave(owner) == []


def test_whoever_has_the_link_of_a_listening_test_can_begin_it(browser: Browser, newer: tuple[Home, str]) -> None:
    (study,) = studies.all_of(keys.folder_of(newer[0].root))
    context = browser.new_context()
    page = context.new_page()
    errors = errors_on(page)
    page.goto(f"{newer[1]}-/soundmill/listen/{study.token}")
    page.fill("[name=name]", "Ann")
    page.click("text=Begin")
    page.wait_for_function("document.querySelector('[data-part=play]').getAttribute('aria-label') === 'Pause'")
    assert grave(page) == []
    context.close()
    assert errors == []


def test_the_owner_of_the_link_asks_and_the_daemon_finds_it(owner: Page, newer: tuple[Home, str]) -> None:
    left = newer[0].root / "inbox" / ".control"
    before = set(left.iterdir())
    owner.goto(newer[1] + "-/soundmill/review?batch=forest")
    owner.wait_for_selector(".sm-review:not(.sm-loading)")
    owner.wait_for_selector("[data-marks] button:not([disabled])")
    owner.keyboard.press("2")
    end = time.monotonic() + 30
    while not (added := [each for each in set(left.iterdir()) - before if each.suffix == ".json"]):
        assert time.monotonic() < end
        owner.wait_for_timeout(100)
    assert '"rate"' in added[0].read_text(encoding="utf-8")


def test_strangers_may_not_ask(browser: Browser, newer: tuple[Home, str]) -> None:
    context = browser.new_context()
    wish = {"wishes": [{"action": "rate", "target": "forest/clip-001", "stars": 1}]}
    headers = {"origin": newer[1].rstrip("/")}
    assert context.request.post(f"{newer[1]}-/soundmill/wishes", data=wish, headers=headers).status == 401
    context.close()
