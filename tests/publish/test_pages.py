"""The site's pages over a home in mid-work, and what the plugin leaves alone."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from datasette.plugins import pm
from jinja2 import Template
from markupsafe import escape

from soundmill.jobs import CANNOT_TELL
from soundmill.publish import datasettes, pages, plugin, reads
from soundmill.publish.assets import load_assets
from soundmill.publish.health import pulse
from soundmill.service import best_of_n as choosing

from .conftest import HOSTILE, Get, Home, close_site, job, make_home, open_site

VIEWS = [
    "overview", "batch_progress", "takes", "job_list", "running_jobs", "failures", "failed_checks", "queue",
    "worker_board", "event_log", "inbox_notices", "troubles", "label_values", "retries", "rejected_files",
    "model_speed", "attempt_list",
    "model_speed", "heartbeat", "storage", "upkeep", "alert_posts", "queue_totals",
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_a_page_and_is_data(get: Get, view: str) -> None:
    page = get(f"/catalog/{view}")
    assert page.status_code == 200
    assert "soundmill.css?" in page.text
    data = get(f"/catalog/{view}.json?_shape=objects").json()
    assert data["rows"]


def test_a_database_is_a_catalogue_when_it_has_every_view_the_pages_read() -> None:
    files = [Path(reads.__file__), *Path(pulse.__file__).parent.glob("*.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    assert set(re.findall(r"FROM (\w+)", source)) - {"sqlite_master", "jobs_fts"} == set(reads.VIEWS)


@pytest.mark.parametrize("path", ["/", "/catalog", "/-/soundmill", "/-/soundmill/", "/-/soundmill/batch/forest"])
def test_pages_carry_our_style_script_menu_and_the_licence(get: Get, path: str) -> None:
    page = get(path)
    assert page.status_code == 200
    for expected in ("soundmill.css?", "soundmill.js?", '<a href="/-/soundmill">Board</a>', "CC-BY-NC 4.0"):
        assert expected in page.text


def test_takes_are_newest_first_with_players_facets_and_search(get: Get) -> None:
    page = get("/catalog/takes").text
    assert page.index("/-/soundmill/audio/evening/clip-002.wav") < page.index("/-/soundmill/audio/forest/clip-001.wav")
    assert 'name="_search"' in page
    assert 'data-column-description="soundness, from 0 to 100, or how far from failing' in page
    for facet in ("batch", "model", "verdict", "kept"):
        assert f'data-column="{facet}"' in page
    data = get("/catalog/takes.json?_search=choir&_shape=objects").json()
    assert [row["job"] for row in data["rows"]] == ["clip-007"]
    assert {facet["name"] for facet in data["facet_results"].values()} == {"batch", "model", "verdict", "kept"}


def test_a_hostile_prompt_is_text_on_every_page_that_shows_it(get: Get) -> None:
    for path in (
        "/catalog/takes", "/catalog/job_list", "/catalog/search_prompts?q=drums", "/-/soundmill/batch/forest",
        f"/-/soundmill/batch/forest?q={HOSTILE.replace('&', '%26')}", "/catalog/failures", "/catalog/event_log",
    ):  # fmt: skip
        page = get(path).text
        assert "<script>alert" not in page, path
        assert "<b>bold" not in page, path
    assert "&lt;script&gt;alert" in get("/-/soundmill/batch/forest").text


def test_data_is_not_rounded_or_dressed_up(get: Get) -> None:
    (row,) = get("/catalog/takes.json?batch=forest&job=clip-001&_shape=objects").json()["rows"]
    assert row["spectral_range_db"] == 51.987654321
    assert row["audio"] == "forest/clip-001.wav"
    page = get("/catalog/takes?batch=forest&job=clip-001").text
    assert '<span title="51.987654321">51.99</span>' in page
    assert "forest/clip-001.wav" in get("/catalog/takes.csv?batch=forest").text


def test_the_front_page_of_a_catalogue_tells_what_it_holds_and_leads_on(get: Get) -> None:
    page = get("/").text
    for expected in (
        "<title>Soundmill</title>", "<strong>27</strong> queued", "12 of 12", 'href="/-/soundmill/batch/forest"',
        'href="/catalog/takes"', 'href="/catalog#queries"', 'src="/-/soundmill/audio/evening/clip-002.wav"',
        'href="/.json"', '<a href="/">Home</a>',
    ):  # fmt: skip
        assert expected in page
    assert "hidden table" not in page
    assert page.count("<audio") == 6 and "<script>alert" not in page
    assert '<a href="/">Home</a>' in get("/catalog/takes").text and '<a href="/">home</a>' in get("/-/soundmill").text
    assert get("/.json").json()["catalog"]["hidden_tables_count"] > 10
    assert get("/", "HEAD").status_code == 200


def test_the_front_page_is_datasettes_own_where_the_catalogue_is_not_alone(home: Home, tmp_path: Path) -> None:
    for datasette in (open_site([home.database, foreign(tmp_path)]), open_site([home.database], memory=True)):
        page = asyncio.run(datasette.client.get("/")).text
        assert "hidden table" in page and "<title>Soundmill: " in page and ">Home</a>" not in page
        close_site(datasette)


def test_an_index_page_that_somebody_brought_is_shown(home: Home, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('{% extends "default:index.html" %}{% block title %}My own{% endblock %}')
    datasette = open_site([home.database], template_dir=str(tmp_path))
    assert "<title>My own</title>" in asyncio.run(datasette.client.get("/")).text
    close_site(datasette)


def test_the_board_says_what_happens_now(get: Get) -> None:
    page = get("/-/soundmill").text
    for expected in (
        "<strong>27</strong> queued", "<strong>4</strong> running", "<strong>1</strong> failed", "2 of 30", "12 of 12",
        "evening theme 3 for strings", "gpu-1", "evening theme 7 for strings", 'value="20.0"',
        "What holds it up", "cannot be read",
    ):  # fmt: skip
        assert expected in page


def test_the_board_as_data_has_its_sections_as_html(get: Get) -> None:
    board = get("/-/soundmill/board.json").json()
    assert board["overview"]["queued"] == 27
    assert [row["batch"] for row in board["batches"]] == ["later", "evening", "sweep", "forest"]
    assert set(board["html"]) == set(pages.SECTIONS)
    page = get("/-/soundmill").text
    assert all(f'data-section="{name}"' in page for name in board["html"])
    assert "".join(board["html"]["batches"].split()) in "".join(page.split())


def test_an_empty_catalogue_has_a_board_that_says_what_to_do(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home")
    datasette = open_site([made.database])
    page = asyncio.run(datasette.client.get("/-/soundmill"))
    assert page.status_code == 200
    assert "Drop a CSV or YAML file" in page.text and "soundmill run" in page.text
    front = asyncio.run(datasette.client.get("/")).text
    assert "Drop a CSV or YAML file" in front and "Newest takes" not in front
    assert asyncio.run(datasette.client.get("/catalog/takes")).status_code == 200
    assert asyncio.run(datasette.client.get("/-/soundmill/healthz")).json()["jobs"] == 0
    close_site(datasette)
    made.catalog.close()


class Titles(HTMLParser):
    """The ids of the jobs a batch page shows, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.jobs: list[int] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id") or ""
        if tag == "article":
            self.jobs.append(int(name.removeprefix("job-")))


@pytest.mark.parametrize(
    ("query", "jobs"),
    [
        ("", list(range(1, 13))),
        ("?order=end", list(range(12, 0, -1))),
        ("?status=failed", [3]),
        ("?verdict=failed", [6, 9]),
        ("?verdict=passed&order=best", [4, 5, 12, 11, 10, 8, 7, 2, 1]),
        ("?order=worst&verdict=failed", [6, 9]),
        ("?status=running", []),
        ("?q=cave", [7]),
        ("?q=choir+bats", [7]),
        ('?q="', []),
        ("?model=other", []),
        ("?page=2", []),
        ("?page=99999999999&status=nonsense&order=nonsense&verdict=nonsense", list(range(1, 13))),
        ("?page=-1", list(range(1, 13))),
    ],
)
def test_a_batch_page_shows_what_is_asked_for(get: Get, query: str, jobs: list[int]) -> None:
    page = get(f"/-/soundmill/batch/forest{query}")
    assert page.status_code == 200
    assert Titles(page.text).jobs == jobs


def test_a_batch_page_tells_verdicts_reasons_ratings_and_attempts(get: Get) -> None:
    page = get("/-/soundmill/batch/forest").text
    for expected in (
        "clipping is 40%, more than 30% allowed", "duration 300 s is more than tiny can do", "★★★★☆", "attempt 2",
        "scene cave", "flagged 2", "12 of 12 done", "seed 1001",
    ):  # fmt: skip
        assert expected in page
    assert "silence is 40%" not in page  # of a take that was replaced


def test_a_batch_page_names_every_column_that_became_a_label_and_what_a_rest_is_of(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home")
    first = made.ingest("list", [job(1, "rain")], labels=("scene", HOSTILE))
    made.ingest("list-rest", [job(1, "wind")], rest_of=first)
    datasette = open_site([made.database])
    page, rest = (
        asyncio.run(datasette.client.get(f"/-/soundmill/batch/{name}")).text for name in ("list", "list-rest")
    )
    close_site(datasette)
    made.catalog.close()
    assert f"Kept as labels, setting nothing: scene, {escape(HOSTILE)}." in page and HOSTILE not in page
    assert 'The rows that <a href="/-/soundmill/batch/list">list</a> lacks' in rest
    assert "Kept as labels" not in rest and "The rows that" not in page


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ((99.93, 100.0, 99.97), CANNOT_TELL),
        ((97.0, 100.0, 99.97), "The checks cannot tell 2 of these 3 takes apart: listen."),
        ((97.0, 100.0, 98.5), None),
    ],
)
def test_best_first_says_where_the_checks_cannot_tell(
    tmp_path: Path, scores: tuple[float, ...], says: str | None
) -> None:
    made = make_home(tmp_path / "home")
    made.ingest("alike", [job(n, "rain", name=f"rain-{n}", seed=n) for n in range(1, 4)])
    for attempt, score in zip(made.claim(3), scores, strict=True):
        made.finish(attempt, score=score)
    datasette = open_site([made.database])

    def page(query: str) -> str:
        return str(asyncio.run(datasette.client.get(f"/-/soundmill/batch/alike{query}")).text)

    best, plain = page("?order=best"), page("")
    assert (says is None and "The checks cannot tell" not in best) or (says is not None and says in best)
    assert "The checks cannot tell" not in plain  # the file's order ranks nothing
    assert ">100 <meter" in plain and "99.9" not in re.sub(r'value="[^"]*"', "", plain)
    close_site(datasette)
    made.catalog.close()


@pytest.fixture
def chosen(tmp_path: Path) -> Iterator[Get]:
    """GET a page of a site with one batch: two of four takes of row 1 are kept, the take of row 3 is quarantined."""
    made = make_home(tmp_path / "home")
    jobs = [job(1, "rain", name=f"rain-{n}", seed=n, keep_best=2) for n in range(1, 5)]
    made.ingest("best", [*jobs, job(2, "wind"), job(3, "hail")])
    for attempt, score in zip(made.claim(6), (60.0, 90.0, 50.0, 80.0, 70.0, 10.0), strict=True):
        made.finish(attempt, score=score, failing="silence" if score == 10 else None, quarantined=score == 10)
    choosing.step(made.catalog, made.outputs)
    datasette = open_site([made.database])
    yield lambda path: asyncio.run(datasette.client.get(path))
    close_site(datasette)
    made.catalog.close()


@pytest.mark.parametrize(
    ("query", "jobs"),
    [
        ("", [2, 4, 1, 3, 5, 6]),  # of a row, first what was kept of it
        ("?order=end", [6, 5, 2, 4, 1, 3]),
        ("?order=best", [2, 4, 5, 1, 3, 6]),
        ("?filed=kept", [2, 4]),
        ("?filed=set_aside", [1, 3]),
        ("?filed=quarantined", [6]),
        ("?filed=kept&q=wind", []),
    ],
)
def test_a_batch_page_shows_the_takes_that_were_kept_set_aside_or_quarantined(
    chosen: Get, query: str, jobs: list[int]
) -> None:
    assert Titles(chosen(f"/-/soundmill/batch/best{query}").text).jobs == jobs


def test_a_batch_page_says_how_each_take_is_filed(chosen: Get, get: Get) -> None:
    page = chosen("/-/soundmill/batch/best?filed=set_aside").text
    for how, count in (("kept", 2), ("set_aside", 2), ("quarantined", 1)):
        assert re.search(rf'href="\?filed={how}"[^>]*>{how.replace("_", " ")} {count}</a>', page)
    assert re.findall(r'href="([^"]*)" aria-current="page"', page) == ["?filed=set_aside"]
    assert '<input type="hidden" name="filed" value="set_aside">' in page
    for query, badges in (("kept", ["kept"] * 2), ("set_aside", ["set aside"] * 2), ("quarantined", ["quarantined"])):
        shown = chosen(f"/-/soundmill/batch/best?filed={query}").text
        assert re.findall(r'class="sm-badge [^"]*">(kept|set aside|quarantined)</span>', shown) == badges
    other = get("/-/soundmill/batch/forest").text
    assert "filed=" not in other and not re.search(">(kept|set aside|quarantined)<", other)


def test_a_long_batch_has_pages(get: Get) -> None:
    first, second = get("/-/soundmill/batch/evening").text, get("/-/soundmill/batch/evening?page=2").text
    assert len(Titles(first).jobs) == reads.PAGE_SIZE and 'rel="next" href="?page=2"' in first
    assert len(Titles(second).jobs) == 6 and 'rel="next"' not in second and 'rel="prev" href="?"' in second


def test_an_unknown_batch_is_404_and_an_odd_name_works(get: Get, tmp_path: Path) -> None:
    answer = get("/-/soundmill/batch/<b>nothing")
    assert answer.status_code == 404
    assert "<b>nothing" not in answer.text
    made = make_home(tmp_path / "home")
    made.ingest("Ünï 100% & more?#", [job(1, "a bell")])
    datasette = open_site([made.database])
    board = asyncio.run(datasette.client.get("/-/soundmill")).text
    link = "/-/soundmill/batch/%C3%9Cn%C3%AF%20100%25%20%26%20more%3F%23"
    assert link in board
    assert "a bell" in asyncio.run(datasette.client.get(link)).text
    close_site(datasette)
    made.catalog.close()


def test_health_is_503_when_the_catalogue_cannot_be_read(get: Get, tmp_path: Path) -> None:
    assert get("/-/soundmill/healthz").json()["ok"] is True
    made = make_home(tmp_path / "home")
    datasette = open_site([made.database])
    asyncio.run(datasette.invoke_startup())
    made.catalog.close()
    db = sqlite3.connect(made.database)
    db.execute("DROP VIEW overview")
    db.close()
    answer = asyncio.run(datasette.client.get("/-/soundmill/healthz"))
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    assert "overview" in answer.json()["reason"]
    close_site(datasette)


def test_our_files_are_served_and_cached_by_their_content(get: Get) -> None:
    for name, asset in load_assets().items():
        answer = get(f"/-/soundmill/static/{name}?{asset.digest}")
        assert answer.content == asset.body
        assert "immutable" in answer.headers["cache-control"]
        assert get(f"/-/soundmill/static/{name}").headers["cache-control"] == "no-cache"
    assert get("/-/soundmill/static/..%2Fplugin.py").status_code in (302, 404)
    assert get("/-/soundmill/static/plugin.py").status_code == 404


def test_the_style_sheet_has_every_colour_it_asks_for() -> None:
    sheet = load_assets()["soundmill.css"].body.decode()
    assert set(re.findall(r"var\((--sm-[a-z-]+)", sheet)) <= set(re.findall(r"^ +(--sm-[a-z-]+):", sheet, re.MULTILINE))


def test_nothing_is_fetched_from_elsewhere() -> None:
    for asset in load_assets().values():
        text = asset.body.decode()
        assert "http" not in text and "@import" not in text and "url(" not in text


def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE songs (audio TEXT, verdict TEXT, score REAL, prompt TEXT, labels TEXT)")
    db.execute("""INSERT INTO songs VALUES ('a/b.wav', 'passed', 1.23456789, 'x', '{"a": 1}')""")
    db.commit()
    db.close()
    return path


def test_a_foreign_database_alone_looks_as_if_there_were_no_plugin(tmp_path: Path) -> None:
    datasette = open_site([foreign(tmp_path)], metadata={})
    for path in ("/", "/foreign", "/foreign/songs", "/foreign?sql=select+*+from+songs"):
        page = asyncio.run(datasette.client.get(path)).text
        assert "soundmill" not in page and "sm-" not in page and "<audio" not in page, path
    assert "1.23456789" in asyncio.run(datasette.client.get("/foreign/songs")).text
    for path in ("/-/soundmill", "/-/soundmill/board.json", "/-/soundmill/audio/a/b.wav", "/-/soundmill/batch/a"):
        assert asyncio.run(datasette.client.get(path)).status_code == 404
    assert asyncio.run(datasette.client.get("/-/soundmill/healthz")).status_code == 503
    close_site(datasette)


def test_a_foreign_database_alone_is_served_byte_for_byte_as_without_the_plugin(tmp_path: Path) -> None:
    database = foreign(tmp_path)
    paths = (
        "/", "/foreign", "/foreign/songs", "/foreign/songs?_sort=audio", "/foreign.json", "/foreign/songs.csv",
        "/foreign?sql=select+1", "/foreign?sql=nonsense", "/none", "/-/allow-debug", "/-/actor.json",
        "/-/databases.json", "/-/settings.json",
    )  # fmt: skip

    def answers() -> list[tuple[int, list[tuple[str, str]], str]]:
        datasette = open_site([database], metadata={})

        async def ask_all() -> list[tuple[int, list[tuple[str, str]], str]]:
            found = [await datasette.client.get(path) for path in paths]
            return [(one.status_code, one.headers.multi_items(), timeless(one.text)) for one in found]

        told = asyncio.run(ask_all())
        assert datasettes.templates(datasette).template_class is Template
        close_site(datasette)
        return told

    with_it = answers()
    pm.unregister(plugin)
    try:
        without = answers()
    finally:
        pm.register(plugin, name="soundmill")
    assert dict(zip(paths, with_it, strict=True)) == dict(zip(paths, without, strict=True))


def test_a_connection_to_no_file_that_is_served_is_asked_nothing() -> None:
    class Untouched:
        def execute(self, *_: object) -> None:
            raise AssertionError("asked")

    datasette = open_site([], metadata={}, memory=True)
    for name in ("elsewhere", "_memory", "_internal"):
        plugin.prepare_connection(Untouched(), name, datasette)  # type: ignore[arg-type]
    close_site(datasette)


def timeless(page: str) -> str:
    """A page without how long its query took."""
    return re.sub(r"[0-9.]+ms|\"query_ms\": [0-9.]+", "", page)


def test_beside_a_catalogue_a_foreign_database_keeps_its_own_look(home: Home, tmp_path: Path) -> None:
    datasette = open_site([home.database, foreign(tmp_path)])
    page = asyncio.run(datasette.client.get("/foreign/songs")).text
    assert "soundmill.css" not in page and "<audio" not in page and "1.23456789" in page
    assert "<audio" in asyncio.run(datasette.client.get("/catalog/takes")).text
    close_site(datasette)


@pytest.mark.parametrize("allow", [{"allow": {"id": "ann"}}, {"databases": {"catalog": {"allow": {"id": "ann"}}}}])
def test_who_may_not_see_the_catalogue_may_not_hear_it(home: Home, allow: dict[str, object]) -> None:
    datasette = open_site([home.database], metadata=allow)
    for path in ("", "/board.json", "/batch/forest", "/audio/forest/clip-001.wav", "/audio/forest/clip-001.wav.json"):
        assert asyncio.run(datasette.client.get(f"/-/soundmill{path}")).status_code == 403
    assert asyncio.run(datasette.client.get("/")).status_code == 403
    close_site(datasette)


def test_the_front_page_asks_who_may_see_the_instance(home: Home) -> None:
    """As Datasette's own does: that the catalogue is open to all does not open it."""
    datasette = open_site([home.database], metadata={"allow": {"id": "ann"}, "databases": {"catalog": {"allow": True}}})
    assert asyncio.run(datasette.client.get("/catalog")).status_code == 200
    assert asyncio.run(datasette.client.get("/")).status_code == 403
    ann = {"ds_actor": datasette.sign({"a": {"id": "ann"}}, "actor")}
    assert "Newest takes" in asyncio.run(datasette.client.get("/", cookies=ann)).text
    close_site(datasette)


@pytest.mark.parametrize(
    "sql",
    [
        "delete from jobs", "update jobs set prompt = 'x'", "insert into settings values ('a', 'b')", "drop view takes",
        "pragma journal_mode = delete", "attach database '/tmp/x.db' as x", "vacuum into '/tmp/x.db'",
        "with x as (select 1) delete from jobs", "select 1; delete from jobs", "create table x (a)",
    ],
)  # fmt: skip
def test_no_sql_writes(get: Get, home: Home, sql: str) -> None:
    before = home.database.read_bytes()
    assert get(f"/catalog.json?sql={sql}").status_code in (400, 403)
    assert home.database.read_bytes() == before


def test_no_request_writes_and_the_file_itself_is_not_handed_out(get: Get) -> None:
    assert get("/catalog/takes", "POST").status_code in (403, 405, 500)
    assert get("/catalog/best_takes", "POST").status_code in (403, 405, 500)
    assert get("/catalog.db").status_code == 403


def test_takes_filed_while_the_site_is_open_appear_at_once(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home")
    datasette = open_site([made.database])
    assert asyncio.run(datasette.client.get("/-/soundmill/healthz")).json()["outputs"] == 0
    made.ingest("new", [job(1, "a bell")])
    (attempt,) = made.claim()
    made.finish(attempt, score=50)
    assert "/-/soundmill/audio/new/clip-001.wav" in asyncio.run(datasette.client.get("/catalog/takes")).text
    assert asyncio.run(datasette.client.get("/-/soundmill/healthz")).json()["outputs"] == 1
    close_site(datasette)
    made.catalog.close()


def test_the_site_works_below_another_address(home: Home) -> None:
    datasette = open_site([home.database], settings={"base_url": "/mill/"})
    page = asyncio.run(datasette.client.get("/-/soundmill/batch/forest"))
    assert 'src="/mill/-/soundmill/audio/forest/clip-001.wav"' in page.text
    assert 'href="/mill/-/soundmill/static/soundmill.css?' in page.text
    assert plugin.served_by(datasette).outputs == home.outputs
    front = asyncio.run(datasette.client.get("/")).text
    for expected in (
        'src="/mill/-/soundmill/audio/evening/clip-002.wav"',
        '<a href="/mill/">Home</a>',
        'href="/mill/.json"',
    ):
        assert expected in front
    assert 'href="/-/' not in front and 'href="/catalog' not in front
    close_site(datasette)


def test_outlines_are_told_of_the_files_that_have_one(get: Get) -> None:
    asked = "file=forest%2Fclip-001.wav&file=forest%2Fclip-010.wav&file=..%2Fcatalog.db&file=%3Cscript%3E"
    found = get(f"/-/soundmill/outlines?{asked}").json()
    assert list(found) == ["forest/clip-001.wav"]  # every fifth is from before there were peaks
    assert found["forest/clip-001.wav"].startswith("<svg") and "script" not in found["forest/clip-001.wav"]
    assert get("/-/soundmill/outlines").json() == {}
