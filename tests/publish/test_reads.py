"""What the pages ask is quick in a batch of a hundred thousand, and says what the plain question says."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from datasette.app import Datasette
from datasette.database import QueryInterrupted

from publish.conftest import Home, close_site, open_site
from soundmill.publish import reads
from soundmill.publish.reads import ORDERS, PAGE_SIZE, Filter


@pytest.fixture(scope="module")
def source(home: Home) -> Iterator[Any]:
    datasette: Datasette = open_site([home.database])
    yield datasette.databases["catalog"]
    close_site(datasette)


def pages(source: Any, batch: str, **wanted: str) -> list[str]:
    """The jobs of all pages of a batch, and of one that is beyond them."""

    def read(ask: reads.Ask) -> list[str]:
        row, found, number, more = reads.batch(ask, batch), list[str](), 1, True
        assert row is not None
        while more:
            jobs, more = reads.batch_jobs(ask, row, Filter(**wanted, page=number))
            assert len(jobs) == PAGE_SIZE or not more
            found, number = found + [job["job"] for job in jobs], number + 1
        assert reads.batch_jobs(ask, row, Filter(**wanted, page=number + 3)) == ([], False)
        return found

    return asyncio.run(reads.visit(source, read))


@pytest.mark.parametrize(
    ("batch", "order", "status"), list(product(["forest", "evening", "sweep"], ORDERS, ["", "succeeded", "running"]))
)
def test_a_batch_is_in_the_order_that_was_asked_for(
    home: Home, source: Any, batch: str, order: str, status: str
) -> None:
    """Also where only some of its jobs have a score, on all pages."""
    db = sqlite3.connect(home.database)
    rows = db.execute(
        f"SELECT job FROM job_list WHERE batch = ? AND ? IN ('', status) ORDER BY {ORDERS[order][1]}", (batch, status)
    ).fetchall()
    db.close()
    assert pages(source, batch, order=order, status=status) == [job for (job,) in rows]


@pytest.mark.parametrize(("batch", "words"), [("evening", "theme strings"), ("later", "later"), ("forest", "later")])
def test_words_are_looked_for_in_the_batch_alone(home: Home, source: Any, batch: str, words: str) -> None:
    db = sqlite3.connect(home.database)
    rows = db.execute(
        "SELECT job FROM job_list WHERE batch = ? AND job_id IN (SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH ?)"
        " ORDER BY position",
        (batch, words),
    ).fetchall()
    db.close()
    assert pages(source, batch, words=words) == [job for (job,) in rows]


def test_each_question_of_a_visit_has_the_sites_time(source: Any) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    def read(ask: reads.Ask) -> list[reads.Row]:
        with pytest.raises(QueryInterrupted):
            ask(endless)
        return ask("SELECT 1 AS one")

    limit_ms = source.ds.sql_time_limit_ms
    source.ds.sql_time_limit_ms = 50
    try:
        assert asyncio.run(reads.visit(source, read)) == [{"one": 1}]
    finally:
        source.ds.sql_time_limit_ms = limit_ms
