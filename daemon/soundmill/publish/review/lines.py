"""Which line of takes an address of the review asks for.

`?batch=NAME`, `?list=SHORTLIST`, `?search=WORDS`, `?files=batch/a.wav&files=…`, `?sql-query-name=NAME` with the query's
own parameters, `?sql=SELECT …`, or none of these: everything, newest first. A query must have a column output_id, audio
or job_id. Beside it filters and an order; what is not known is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasette.utils import InvalidSql, validate_sql_select

from soundmill.publish import datasettes
from soundmill.publish.reads import FILED
from soundmill.publish.review import questions
from soundmill.publish.review.questions import MOST_GIVEN, Line
from soundmill.words import composed

FILTERS = ("verdict", "filed", "unrated", "unrejected", "label", "q", "order")
SOURCES = ("batch", "list", "search", "files", "sql-query-name", "sql")


class NoLine(ValueError):
    """The address asks for takes in a way that finds none; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A line with its heading and what the address said of its source: pairs, as a query string has them."""

    line: Line
    title: str
    source: list[tuple[str, str]]
    orders: list[str]


async def asked_for(datasette: Any, database: str, request: Any, who: str) -> Asked:
    """The line of takes that an address asks for, as `who` sees it. Raises NoLine, Datasette's Forbidden and
    QueryInterrupted."""
    args = request.args
    source = datasette.databases[database]
    given: tuple[int, ...] | None = None
    batch = composed(args.get("batch") or "")
    words = [text for text in (args.get("search"), args.get("q")) if text and text.strip()]
    said: list[tuple[str, str]] = []
    if args.get("list"):
        said = [("list", args.get("list"))]
        title = args.get("list")
        given = await questions.of_shortlist(source, title)
    elif args.get("files"):
        files = [composed(file) for file in args.getlist("files")]
        said = [("files", file) for file in files]
        given, title = await questions.of_files(source, files), "these files"
    elif args.get("sql-query-name") or args.get("sql"):
        title, said, rows = await _rows_of_query(datasette, database, request)
        given = await _takes_in(source, rows)
    elif batch:
        said, title = [("batch", batch)], batch
    elif args.get("search"):
        said, title = [("search", args.get("search"))], f"“{args.get('search')}”"
    else:
        title = "all takes"
    orders = [*(["given"] if given is not None else []), *(["file"] if batch and given is None else [])]
    orders += ["best", "worst", "new"]
    name, _, level = (args.get("label") or "").partition("=")
    wanted = args.get("order")
    line = Line(
        batch=batch if given is None else "",
        words=" ".join(words),
        ids=given,
        who=who,
        verdict=_one_of(args, "verdict", ("passed", "failed")),
        filed=_one_of(args, "filed", tuple(FILED)),
        unrated=args.get("unrated") == "1",
        unrejected=args.get("unrejected") == "1",
        label=(name.strip(), level.strip()) if level.strip() else None,
        order=wanted if wanted in orders else orders[0] if given is not None or batch else "new",
    )
    return Asked(line=line, title=title, source=said, orders=orders)


def _one_of(args: Any, key: str, allowed: Sequence[str]) -> str:
    value = args.get(key) or ""
    return value if value in allowed else ""


async def _rows_of_query(
    datasette: Any, database: str, request: Any
) -> tuple[str, list[tuple[str, str]], list[Mapping[str, Any]]]:
    """A query's title, what the address says of it, and its rows."""
    args, name = request.args, request.args.get("sql-query-name")
    sql, parameters, title = args.get("sql"), list[str](), "rows of a query"
    said = [("sql", sql)]
    if name:
        query = await datasettes.canned_query(datasette, database, name, request.actor)
        if query is None:
            raise NoLine(f"There is no query named {name}")
        await datasettes.must_be_allowed(datasette, request.actor, "view-query", database, name)
        sql, parameters, title = query["sql"], query.get("params") or [], query.get("title") or name
        said = [("sql-query-name", name)]
    else:
        await datasettes.must_be_allowed(datasette, request.actor, "execute-sql", database)
        parameters = [key for key in args if key not in (*SOURCES, *FILTERS)]
    values = {key: args.get(key) or "" for key in parameters}
    said += [(key, value) for key, value in values.items() if value]
    try:
        validate_sql_select(sql)
        result = await datasette.execute(database, sql, values, truncate=True)
    except (InvalidSql, sqlite3.DatabaseError) as error:
        raise NoLine(f"the query cannot be asked: {error}") from error
    return title, said, [dict(row) for row in result.rows[:MOST_GIVEN]]


async def _takes_in(source: Any, rows: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """The takes that rows speak of, by the first of the columns output_id, audio and job_id that they have."""
    if not rows:
        return ()
    for column, kind in (("output_id", int), ("audio", str), ("job_id", int)):
        if column in rows[0]:
            values = list(dict.fromkeys(row[column] for row in rows if isinstance(row[column], kind)))
            if column == "output_id":
                return tuple(values)
            return await (questions.of_files if column == "audio" else questions.of_jobs)(source, values)
    raise NoLine("the query has none of the columns output_id, audio and job_id: add one")
