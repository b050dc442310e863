"""What is asked by many at once is found out once, and nobody sees by that what is not for them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.plugins import pm
from datasette.utils.asgi import Forbidden, Request, Response
from pluggy import HookimplMarker

from publish.conftest import Home, close_site, fill, make_home, open_site
from soundmill.publish.served import visible_catalog
from soundmill.publish.sharing.answers import KEPT_S, Shared, shared
from soundmill.publish.sharing.questions import GIVEN_UP_S, LISTED, remember
from soundmill.publish.sharing.version import Version


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home of this module's own, for its catalogue changes."""
    made = make_home(tmp_path_factory.mktemp("shared"))
    fill(made)
    yield made
    made.catalog.close()


def change(home: Home) -> None:
    home.now[0] += 1
    home.catalog.set_setting("test", str(home.now[0]))


def request(path: str = "/-/soundmill", *, actor: dict[str, str] | None = None, cookie: str = "") -> Request:
    scope: dict[str, Any] = Request.fake(path).scope
    scope["headers"] = [(b"host", b"localhost"), *([(b"cookie", cookie.encode())] if cookie else [])]
    return Request(scope | {"actor": actor}, None)


class Counting:
    """A page that says how often it was made."""

    def __init__(self) -> None:
        self.made = 0
        self.status = 200

    async def page(self, datasette: Any, request: Any) -> Response:
        await visible_catalog(datasette, request)
        self.made += 1
        number = self.made
        await asyncio.sleep(0)  # as pages wait for their data
        return Response.text(str(number), status=self.status)


def ask(datasette: Datasette, page: Any, *requests: Request) -> list[str]:
    async def all_at_once() -> list[str]:
        await datasette.invoke_startup()
        return [answer.body for answer in await asyncio.gather(*(page(datasette, each) for each in requests))]

    return asyncio.run(all_at_once())


@pytest.fixture
def datasette(filled: Home) -> Iterator[Datasette]:
    opened = open_site([filled.database])
    yield opened
    close_site(opened)


@pytest.fixture
def asked() -> Counting:
    return Counting()


def test_a_page_is_made_once_for_all_who_ask_at_a_time(datasette: Datasette, asked: Counting) -> None:
    assert ask(datasette, shared(asked.page), *(request() for _ in range(20))) == ["1"] * 20


def test_an_unchanged_catalogue_has_the_same_page_and_a_changed_one_another(
    datasette: Datasette, asked: Counting, filled: Home
) -> None:
    page = shared(asked.page)

    async def follow() -> list[str]:
        await datasette.invoke_startup()
        bodies = [(await page(datasette, request())).body for _ in range(2)]
        change(filled)
        return [*bodies, (await page(datasette, request())).body]

    assert asyncio.run(follow()) == ["1", "1", "2"]


def test_what_somebody_sees_who_is_known_is_theirs_alone(datasette: Datasette, asked: Counting) -> None:
    known = [request(actor={"id": "ann"}), request(actor={"id": "ann"}), request(actor={"id": "bo"})]
    first, *theirs, last = ask(datasette, shared(asked.page), request(), *known, request())
    assert first == last and len({first, *theirs}) == 4


@pytest.mark.parametrize(
    "other",
    [
        request(cookie="theme=dark"),
        request("/-/soundmill?q=1"),
        request("/-/soundmill/batches"),
        request(cookie="ds_messages=told.once"),
    ],
)
def test_another_address_or_other_cookies_are_another_page(
    datasette: Datasette, asked: Counting, other: Request
) -> None:
    assert sorted(ask(datasette, shared(asked.page), request(), other)) == ["1", "2"]


def test_who_may_not_see_the_catalogue_is_refused_whatever_was_made_for_others(filled: Home, asked: Counting) -> None:
    only_ann = open_site([filled.database], **_allowing({"id": "ann"}))
    page = shared(asked.page)
    assert ask(only_ann, page, request(actor={"id": "ann"})) == ["1"]
    with pytest.raises(Forbidden):
        ask(only_ann, page, request())
    close_site(only_ann)


def _allowing(who: dict[str, str]) -> dict[str, Any]:
    where = "config" if hasattr(Datasette, "get_instance_metadata") else "metadata"
    return {where: {"databases": {"catalog": {"allow": who}}}}


def test_a_failed_page_is_made_anew(datasette: Datasette, asked: Counting) -> None:
    page = shared(asked.page)
    asked.status = 404

    async def follow() -> list[str]:
        await datasette.invoke_startup()
        return [(await page(datasette, request())).body for _ in range(2)]

    assert asyncio.run(follow()) == ["1", "2"]


def test_a_page_is_looked_at_again_after_some_seconds(filled: Home) -> None:
    now = [0.0]
    made = Counting()

    async def follow() -> list[str]:
        ours = Shared(Version(filled.database), asyncio.get_running_loop(), clock=lambda: now[0])
        bodies = []
        for at in (0.0, KEPT_S - 1, KEPT_S + 1):
            now[0] = at
            bodies.append((await ours.answer(1, "page", lambda: _text(made))).body)
        return bodies

    assert asyncio.run(follow()) == ["1", "1", "2"]


async def _text(made: Counting) -> Response:
    made.made += 1
    return Response.text(str(made.made))


def test_an_answer_is_no_other_ones_to_change(datasette: Datasette, asked: Counting) -> None:
    page = shared(asked.page)

    async def two() -> tuple[Response, Response]:
        await datasette.invoke_startup()
        return await page(datasette, request()), await page(datasette, request())

    first, second = asyncio.run(two())
    first.set_cookie("ds_actor", "somebody")
    first.headers["x"] = "y"
    assert second._set_cookie_headers == [] and "x" not in second.headers


def test_a_version_is_another_one_after_each_commit(filled: Home) -> None:
    version = Version(filled.database)
    first = version.data()
    assert first is not None and version.data() == first
    change(filled)
    assert version.data() not in (None, first)
    assert Version(Path("/nowhere/catalog.db")).data() is None


class Slow:
    """Stands for a database of Datasette's: notes what it is asked, and takes too long where it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.too_slow = False

    async def execute(self, sql: str, params: Any = None, truncate: bool = False, **more: Any) -> list[int]:
        self.asked.append(sql)
        if self.too_slow:
            raise QueryInterrupted(TimeoutError(), sql, params)
        return [len(self.asked)]

    async def table_columns(self, table: str) -> list[str]:
        self.asked.append(table)
        return [table]


FACET = "select kind as value, count(*) as count from (select kind from things) group by kind"


def test_a_count_stands_while_the_catalogue_does(filled: Home) -> None:
    slow = Slow()
    remember(slow, Version(filled.database))

    async def follow() -> list[Any]:
        first = [await slow.execute(FACET, {}, custom_time_limit=100) for _ in range(2)]
        change(filled)
        return [*first, await slow.execute(FACET, {}, custom_time_limit=100)]

    assert asyncio.run(follow()) == [[1], [1], [2]]


def test_what_took_too_long_is_not_tried_again_at_once(filled: Home) -> None:
    slow, now = Slow(), [0.0]
    remember(slow, Version(filled.database), clock=lambda: now[0])
    slow.too_slow = True

    async def follow(at: float) -> None:
        now[0] = at
        with pytest.raises(QueryInterrupted):
            await slow.execute(FACET, {}, custom_time_limit=100)

    for at, tries in ((0.0, 1), (GIVEN_UP_S - 1, 1), (GIVEN_UP_S + 1, 2)):
        change(filled)
        asyncio.run(follow(at))
        assert len(slow.asked) == tries


def test_what_somebody_asks_by_themselves_is_asked_each_time(filled: Home) -> None:
    slow = Slow()
    remember(slow, Version(filled.database))

    async def follow() -> list[Any]:
        return [await slow.execute("select random()", truncate=True, custom_time_limit=100) for _ in range(2)]

    assert asyncio.run(follow()) == [[1], [2]]


def test_tables_are_looked_at_once(filled: Home) -> None:
    slow = Slow()
    remember(slow, Version(filled.database))

    async def follow() -> list[list[str]]:
        first = await slow.table_columns("jobs")
        first.append("changed")
        change(filled)
        return [await slow.table_columns("jobs"), await slow.table_columns("batches")]

    assert asyncio.run(follow()) == [["jobs"], ["batches"]]
    assert slow.asked == ["jobs", "batches"]


@pytest.mark.parametrize(("table", "facets"), LISTED.items())
def test_datasette_shows_counts_that_it_need_not_make(filled: Home, table: str, facets: tuple[str, ...]) -> None:
    opened = open_site([filled.database])
    database = opened.databases["catalog"]
    asked: list[str] = []
    execute = database.execute

    async def noting(sql: str, *arguments: Any, **more: Any) -> Any:
        asked.append(" ".join(sql.split()))
        return await execute(sql, *arguments, **more)

    database.execute = noting  # below what remembers, which the start puts before it

    async def look() -> Any:
        await opened.invoke_startup()
        return (await opened.client.get(f"/catalog/{table}.json?_facet_size=100&_extra=facet_results,count")).json()

    shown = asyncio.run(look())
    close_site(opened)
    assert not [sql for sql in asked if f"from {table} )" in sql or sql == f"select count(*) from {table}"]
    found = shown["facet_results"].get("results", shown["facet_results"])
    db = sqlite3.connect(filled.database)
    for facet in facets:
        counted = db.execute(f"SELECT {facet}, count(*) FROM {table} WHERE {facet} IS NOT NULL GROUP BY 1").fetchall()
        assert {(each["value"], each["count"]) for each in found[facet]["results"]} == set(counted)
    total = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    db.close()
    assert shown.get("filtered_table_rows_count", shown.get("count")) == total


def only_for_ann(table: str) -> dict[str, Any]:
    return {"databases": {"catalog": {"tables": {table: {"allow": {"id": "ann"}}}}}}


def test_who_may_see_a_table_is_looked_up_once_and_kept_to(filled: Home) -> None:
    opened = open_site([filled.database], metadata=only_for_ann("failures"))
    look = opened._table_permission_allows
    asked: list[str] = []

    def noting(database: str, table: str) -> Any:
        asked.append(table)
        return look(database, table)

    opened._table_permission_allows = noting
    for _ in range(2):
        page = asyncio.run(opened.client.get("/catalog")).text
        assert "/catalog/job_list" in page and 'href="/catalog/failures"' not in page
        statuses = [
            asyncio.run(opened.client.get(path)).status_code
            for path in ("/catalog/failures", "/catalog/failures.json", "/catalog/job_list", "/catalog/none")
        ]
        assert statuses == [403, 403, 200, 404]
    close_site(opened)
    assert "failures" in asked and len(asked) == len(set(asked))


def test_metadata_that_a_plugin_may_change_are_looked_at_each_time(filled: Home) -> None:
    class Changing:
        __name__ = "changing"  # as Datasette asks of every plugin
        table = "takes"

        @HookimplMarker("datasette")
        def get_metadata(self) -> dict[str, Any]:
            return only_for_ann(self.table)

    changing = Changing()
    pm.register(changing, name="changing")
    try:
        opened = open_site([filled.database], metadata={})
        assert asyncio.run(opened.client.get("/catalog/takes")).status_code == 403
        changing.table = "job_list"
        assert asyncio.run(opened.client.get("/catalog/takes")).status_code == 200
        assert asyncio.run(opened.client.get("/catalog/job_list")).status_code == 403
        close_site(opened)
    finally:
        pm.unregister(changing)
