"""Which takes an address of the review leads to, and that its pages are one line without a gap or a take twice."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from publish.conftest import Get, Home, close_site, open_site
from soundmill.publish.review import questions

PATH = "/-/soundmill/review.json"
FINAL = [n for n in range(1, 13) if n != 3]  # the third job of forest failed


def ask(get: Get, query: str = "", **values: Any) -> dict[str, Any]:
    answer = get(f"{PATH}?{query}{'&' if query and values else ''}{urlencode(values)}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def jobs(answer: dict[str, Any]) -> list[int]:
    return [int(take["job"].removeprefix("clip-")) for take in answer["takes"]]


def walked(get: Get, query: str, side: str, start: int | None = None) -> list[int]:
    """The numbers of a line's takes as pages of three give them, onwards or backwards from a take."""
    found: list[int] = []
    mark, more = start, True
    while more:
        answer = ask(get, query, limit=3, **({side: mark} if mark is not None else {}))
        page = [take["output_id"] for take in answer["takes"]]
        found = page + found if side == "before" else found + page
        more = answer["more"]
        mark = page[0 if side == "before" else -1] if page else None
        assert page or not more
    return found


@pytest.mark.parametrize(
    "query",
    [
        "batch=forest", "batch=forest&order=best", "batch=forest&order=worst", "batch=forest&order=new", "search=brass",
        "", "order=best", "sql-query-name=best_takes&batch=sweep", "batch=forest&label=scene%3Dforest",
    ],
)  # fmt: skip
def test_pages_in_both_directions_are_the_whole_line(get: Get, query: str) -> None:
    whole = [take["output_id"] for take in ask(get, query)["takes"]]
    assert len(whole) == len(set(whole)) > 3
    assert walked(get, query, "after") == whole
    for place, number in enumerate(whole):
        assert walked(get, query, "after", number) == whole[place + 1 :]
        assert walked(get, query, "before", number) == whole[:place]
        here = ask(get, query, at=number, count=1)
        assert [take["output_id"] for take in here["takes"]] == whole[place:]
        assert (here["place"], here["total"]) == (place, len(whole))


def test_a_batch_stands_as_in_its_file_with_one_take_a_job(get: Get) -> None:
    answer = ask(get, "batch=forest")
    assert jobs(answer) == FINAL and not answer["more"]
    assert all(take["is_final"] for take in answer["takes"])


def test_orders_by_score(get: Get) -> None:
    scores = [take["score"] for take in ask(get, "batch=forest&order=best")["takes"]]
    assert scores == sorted(scores, reverse=True)
    assert [take["score"] for take in ask(get, "batch=forest&order=worst")["takes"]] == sorted(scores)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("batch=forest&verdict=failed", [6, 9]),
        ("batch=forest&verdict=wrong", FINAL),
        ("batch=forest&label=scene%3Dcave", [7]),
        ("batch=forest&label=owner%3DAnn+%26+Bo&verdict=failed", [6, 9]),
        ("batch=forest&label=scene", FINAL),
        ("batch=forest&q=owl", [8]),
        ("batch=forest&unrated=1", [n for n in FINAL if n != 1]),
        ("batch=forest&filed=quarantined", []),
        ("batch=nowhere", []),
        ("search=choir+bats", [7]),
        ("search=%22", []),
        ("list=picks", []),
        ("files=forest/clip-012.wav&files=nowhere.wav&files=forest/clip-001.wav", [12, 1]),
        ("files=forest/quarantine/clip-004.take1.wav", [4]),
        ("sql-query-name=takes_by_label&name=scene&value=cave", [7]),
        ("sql=select+audio+from+takes+where+job+%3D+:job+and+batch+%3D+'forest'&job=clip-002", [2]),
        ("sql=select+job_id+from+job_list+where+batch+%3D+'forest'+order+by+position+desc+limit+2", [12, 11]),
    ],
)
def test_what_an_address_asks_for(get: Get, query: str, found: list[int]) -> None:
    answer = ask(get, query, count=1)
    assert jobs(answer) == found
    assert answer["total"] == len(found)


@pytest.mark.parametrize("order", ["position; drop table x", "given", ""])
def test_an_order_that_is_none_of_this_line_is_its_first(get: Get, order: str) -> None:
    assert jobs(ask(get, "batch=forest", order=order)) == FINAL


@pytest.mark.parametrize("mark", ["after", "before", "at"])
@pytest.mark.parametrize("value", ["", "x", "-1", "999999", "1" * 30, "１"])
def test_a_place_that_is_not_known_begins_at_the_start(get: Get, mark: str, value: str) -> None:
    assert jobs(ask(get, "batch=forest", **{mark: value})) == FINAL


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sql-query-name=nothing", "no query named nothing"),
        ("sql=delete+from+jobs", "SELECT"),
        ("sql=select+1+as+one", "output_id, audio and job_id"),
        ("sql=select+output_id+from+nowhere", "nowhere"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(get: Get, query: str, said: str) -> None:
    data, page = get(f"{PATH}?{query}"), get(f"/-/soundmill/review?{query}")
    assert data.status_code == page.status_code == 400
    assert said in data.json()["error"] and said in page.text.replace("&#39;", "'")


def test_a_take_tells_what_the_page_shows(get: Get) -> None:
    (take,) = ask(get, "files=forest/clip-006.wav")["takes"]
    assert take["problems"] == ["clipping is 40%, more than 30% allowed"]
    assert take["defects"] == [{"name": "clipping", "start_s": 0.2, "end_s": 0.4, "detail": "in the clip"}]
    assert take["labels"]["owner"] == "Ann & Bo" and take["condition"] == {} and take["picks"] == []
    (rated,) = ask(get, "files=forest/clip-001.wav")["takes"]
    assert rated["stars"] == 4 and rated["mine"] == {}  # nobody is known here


def test_who_is_known_sees_their_own_marks_and_the_rest_of_the_line(home: Home) -> None:
    home.catalog.rate("sweep/clip-001", 2, None, "bo")
    datasette = open_site([home.database])
    source = datasette.databases["catalog"]

    async def said(who: str) -> tuple[dict[str, Any], list[str]]:
        (take,) = await questions.details(source, await questions.of_files(source, ["sweep/clip-001.wav"]), who)
        line = questions.Line(batch="sweep", unrated=True, order="file", who=who)
        return take["mine"], [each["job"] for each in (await questions.page(source, line, limit=1)).takes]

    assert asyncio.run(said("bo")) == ({"stars": 2, "rejected": 0, "note": None}, ["clip-002"])
    assert asyncio.run(said("ann")) == ({}, ["clip-001"])
    assert asyncio.run(said("")) == ({}, ["clip-002"])
    close_site(datasette)


def test_peaks_are_served_for_ever_and_takes_from_before_have_none(get: Get) -> None:
    drawn, before = ask(get, "files=forest/clip-001.wav&files=forest/clip-010.wav")["takes"]
    answer = get(f"/-/soundmill/peaks/{drawn['output_id']}")
    assert drawn["drawn"] and answer.content[0] == 1 and "immutable" in answer.headers["cache-control"]
    assert not before["drawn"]
    for number in (before["output_id"], 10**17):
        assert get(f"/-/soundmill/peaks/{number}").status_code == 404


def test_the_page_holds_what_was_asked_and_no_markup_of_a_prompt(get: Get) -> None:
    page = get("/-/soundmill/review?batch=forest&verdict=failed&label=scene%3D%3Cb%3E").text
    assert "<b>" not in page and "scene=&lt;b&gt;" in page
    assert '"source": [["batch", "forest"]]' in page
    hostile = get("/-/soundmill/review?search=%3C/script%3E%3Cscript%3Ealert(1)").text
    assert "<script>alert" not in hostile
    assert len(page) < 30_000


def test_a_page_of_data_is_small(get: Get) -> None:
    assert len(json.dumps(ask(get, "batch=forest")["takes"])) < 11 * 1500


def test_below_a_path_everything_is_found_there(home: Home) -> None:
    datasette = open_site([home.database], settings={"base_url": "/mill/"})
    for path in ("review?batch=forest", "take/forest/clip-006.wav"):
        page = asyncio.run(datasette.client.get(f"/-/soundmill/{path}")).text
        assert '"audio": "/mill/-/soundmill/audio/"' in page and "/mill/-/soundmill/static/player.js?" in page
        assert not re.findall(r"""(?:href|src)="/(?!mill/)|"/-/soundmill""", page)
    close_site(datasette)


def test_what_a_page_needs_before_its_audio_is_small(get: Get) -> None:
    page = get("/-/soundmill/review?batch=forest").text
    fetched = set(re.findall(r'(?:href|src)="([^"]+\.(?:js|css)\?[^"]*)"', page))
    assert any("review.js" in path for path in fetched) and any("app.css" in path for path in fetched)
    parts = [len(get(path.replace("&amp;", "&")).content) for path in fetched]
    assert len(page) + sum(parts) + len(get(f"{PATH}?batch=forest&limit=1").content) * 100 < 300_000


def test_a_page_gets_ready_the_modules_it_imports_and_no_others(get: Get) -> None:
    def ready(path: str) -> set[str]:
        return set(re.findall(r'rel="modulepreload" href="[^"]*/(\w+)\.js\?', get(path).text))

    assert ready("/-/soundmill/take/forest/clip-004.wav") == {"take", "keys", "listening", "drawing", "peaks", "player"}
    assert ready("/-/soundmill/batches") == {"batches", "desk", "mill"}
    assert "scroll" not in ready("/-/soundmill/review?batch=forest")
