"""The site over batches whose names are in other scripts: every link leads somewhere, and every player can seek."""

from __future__ import annotations

import asyncio
import html
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Get, close_site, job, make_home, open_site

BATCHES = ("音乐", "été-à-rügen", "🎻", "مقطوعة", "धीमी")
JOBS = ("0001-湖邊的豎琴", "песня-50%-ночи", "0003-🎻🥁", "MX_Market_Calm")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Get, Path]]:
    """GET a page of a home with a take for each of JOBS in each of BATCHES, each with a report; its outputs folder."""
    made = make_home(tmp_path_factory.mktemp("names"))
    for batch in BATCHES:
        made.ingest(batch, [job(n, f"prompt {n}", name=name) for n, name in enumerate(JOBS, 1)])
        for attempt in made.claim(len(JOBS)):
            made.finish(attempt, score=80.0)
        (made.outputs / batch / "report.html").write_text(f"<title>{batch}</title>", encoding="utf-8")
    datasette = open_site([made.database])

    def call(path: str, method: str = "GET", **headers: str) -> Any:
        return asyncio.run(datasette.client.request(method, path, headers=headers))

    yield call, made.outputs
    close_site(datasette)
    made.catalog.close()


@pytest.mark.parametrize("batch", BATCHES)
def test_every_link_of_a_batchs_pages_leads_somewhere(site: tuple[Get, Path], batch: str) -> None:
    get, _ = site
    quoted = urllib.parse.quote(batch, safe="")
    own = f"/-/soundmill/batch/{quoted}"
    seen = set[str]()
    for page in ("/", "/-/soundmill", own, "/catalog/takes", "/catalog/batch_progress"):
        answer = get(page)
        assert answer.status_code == 200 and batch in answer.text
        seen |= {html.unescape(link) for link in re.findall(r'(?:href|src)="(/[^"]*)"', answer.text)}
    links = {link for link in seen if quoted in link}
    assert all(link.isascii() for link in links)
    assert own in links and f"/-/soundmill/report/{quoted}/report.html" in links
    audio = {f"/-/soundmill/audio/{quoted}/{urllib.parse.quote(name, safe='')}.wav" for name in JOBS}
    assert audio <= links
    for link in links:
        assert get(link).status_code == 200, link


@pytest.mark.parametrize("batch", BATCHES)
def test_a_player_can_seek_in_every_take(site: tuple[Get, Path], batch: str) -> None:
    get, outputs = site
    for name in JOBS:
        whole = (outputs / batch / f"{name}.wav").read_bytes()
        answer = get("/-/soundmill/audio/" + urllib.parse.quote(f"{batch}/{name}.wav"), range="bytes=100-199")
        assert (answer.status_code, answer.content) == (206, whole[100:200])
        assert answer.headers["content-range"] == f"bytes 100-199/{len(whole)}"


def test_the_reports_title_is_in_its_own_script(site: tuple[Get, Path]) -> None:
    get, _ = site
    assert "<title>音乐</title>" in get(f"/-/soundmill/report/{urllib.parse.quote('音乐')}/report.html").text


def test_an_address_typed_on_a_mac_means_the_same_batch(site: tuple[Get, Path]) -> None:
    get, _ = site
    typed = urllib.parse.quote(unicodedata.normalize("NFD", "été-à-rügen"))
    assert "été-à-rügen" in get(f"/-/soundmill/batch/{typed}").text


def test_tables_are_filtered_by_such_a_name_and_exported_with_it(site: tuple[Get, Path]) -> None:
    get, _ = site
    query = urllib.parse.urlencode({"batch": "音乐", "_shape": "objects"})
    assert [row["job"] for row in get(f"/catalog/takes.json?{query}").json()["rows"]] == list(reversed(JOBS))
    exported = get("/catalog/takes.csv?" + urllib.parse.urlencode({"batch": "音乐"})).text
    assert "音乐/0001-湖邊的豎琴.wav" in exported and "été" not in exported
