"""What axe finds on every page, ours and Datasette's, light and dark: nothing serious, nothing critical."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, Page

from soundmill.publish import site
from soundmill.publish.plugin import ROUTES
from support.accessible import grave

from .conftest import Home, close_site, open_site

OURS = {
    "/$": "",
    "/-/soundmill/?$": "-/soundmill",
    "/-/soundmill/review$": "-/soundmill/review?batch=forest",
    "/-/soundmill/take/": "-/soundmill/take/forest/clip-006.wav",
    "/-/soundmill/batch/": "-/soundmill/batch/forest",
    "/-/soundmill/batches$": "-/soundmill/batches",
    "/-/soundmill/files$": "-/soundmill/files",
    "/-/soundmill/compose$": "-/soundmill/compose?around=forest/clip-001.wav",
    "/-/soundmill/picks$": "-/soundmill/picks",
    "/-/soundmill/picks/": "-/soundmill/picks/best",
    "/-/soundmill/compare$": "-/soundmill/compare?batch=sweep&row=1",
    "/-/soundmill/studies$": "-/soundmill/studies",
    "/-/soundmill/grid/": "-/soundmill/grid/sweep",
}
# Data and files; what a listening test shows is looked at in compare/test_compare.py.
NO_PAGES = (
    "board", "audio", "report", "healthz", "daemon", "metrics", "static", "me", "enter", "wishes", "check", "submit",
    "arrivals", "events", "peaks", "outlines", "listen", "deliveries", "review.json",
)  # fmt: skip
NOT_FOUND = ["-/soundmill/batch/none", "-/soundmill/picks/none", "-/soundmill/grid/none", "-/soundmill/take/none.wav"]
MORE = ["-/soundmill/review?batch=forest&verdict=failed"]
DATASETTES = [
    "catalog", "catalog/takes?_size=10", "catalog/takes?_facet=model&_search=river", "catalog/job_list?_size=10",
    "catalog/batch_progress", "catalog/event_log", "catalog/jobs/1", "catalog/batches/1", "catalog/best_takes",
    "catalog/takes_by_label?name=scene", "catalog?sql=select+*+from+takes+limit+5", "catalog?sql=select+nonsense",
    "catalog?sql=drop+table+jobs", "catalog/none", "none", "-/versions", "-/plugins", "-/settings", "-/metadata",
    "-/databases", "-/actor", "-/permissions", "-/allow-debug", "-/messages", "-/logout", "-/login", "-/auth-token",
    "-/none",
]  # fmt: skip


@pytest.fixture(scope="module")
def owner(browser: Browser, mill: tuple[Home, str]) -> Iterator[Page]:
    home, url = mill
    (home.root / "inbox").mkdir(exist_ok=True)
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


@pytest.mark.parametrize("path", [*OURS.values(), *MORE, *NOT_FOUND, *DATASETTES])
def test_axe_finds_nothing_grave(owner: Page, mill: tuple[Home, str], path: str) -> None:
    owner.goto(mill[1] + path)
    owner.wait_for_load_state("load")
    owner.wait_for_function("!document.querySelector('.sm-loading')")
    assert grave(owner) == []


def test_every_page_of_ours_is_among_them() -> None:
    routes = [pattern for pattern, _ in ROUTES]
    rest = [route for route in routes if not any(route.startswith(known) for known in OURS)]
    assert [r for r in rest if not r.removeprefix("/-/soundmill/").replace("\\", "").startswith(NO_PAGES)] == []


@pytest.fixture(scope="module")
def root(browser: Browser, home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    """A page of root, who may debug permissions, on a site with another database: the front page is Datasette's."""
    other = tmp_path_factory.mktemp("other") / "plain.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
        db.execute("INSERT INTO things (name) VALUES ('one'), ('two')")
    db.close()
    datasette = open_site([home.database, other])
    port = site.free_port("127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(datasette.app(), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert site.wait_until_up("127.0.0.1", port, 30.0)
    url = f"http://127.0.0.1:{port}/"
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(60_000)
    cookie = {"name": "ds_actor", "value": datasette.sign({"a": {"id": "root"}}, "actor"), "url": url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    yield context.new_page(), url
    context.close()
    server.should_exit = True
    thread.join()
    close_site(datasette)


@pytest.mark.parametrize(
    "path", ["", "-/permissions", "-/actor", "-/logout", "catalog", "catalog/takes", "-/soundmill"]
)
def test_nor_on_a_site_with_another_database_and_as_root(root: tuple[Page, str], path: str) -> None:
    page, url = root
    answer = page.goto(url + path)
    assert answer is not None and answer.status == 200
    page.wait_for_load_state("load")
    assert grave(page) == []
