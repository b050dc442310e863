"""The pages that tell what happens: the front page and the live board; and what all our pages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from datasette.utils.asgi import Response
from markupsafe import Markup

from soundmill.publish import cells, datasettes, reads
from soundmill.publish.health.state import health
from soundmill.publish.stream import url_word

SECTIONS = ("totals", "workers", "running", "batches", "queue", "events")
LIVE = {"cache-control": "no-store"}


def helpers(datasette: Any, database: str) -> dict[str, Any]:
    """What the templates use to show values the way the tables do."""

    def show(column: str, value: object, row: dict[str, object] | None = None) -> Markup | str:
        shown = cells.cell(column, value, row or {}, database, datasette.urls.path)
        return shown if shown is not None else "" if value is None else str(value)

    return {
        "show": show,
        "database": database,
        "site_url": datasette.urls.path,
        "batch_status": batch_status,
        "sql_link": lambda sql: sql_link(datasette, database, sql),
        "batch_url": lambda name: datasette.urls.path(f"/-/soundmill/batch/{url_word(name)}"),
    }


def sql_link(datasette: Any, database: str, sql: str) -> str:
    """Where a question of one of our pages can be asked, and changed, by hand."""
    return str(datasette.urls.path(f"/{database}?{urlencode({'sql': ' '.join(sql.split())})}"))


def batch_status(row: Mapping[str, Any]) -> str:
    """The status of a batch, with what became of one that ended before its time."""
    if row["status"] != "finished" or not row["n_cancelled"]:
        return str(row["status"])
    return "cancelled" if row["n_cancelled"] == row["job_count"] else "partly_cancelled"


async def page(datasette: Any, request: Any, template: str, context: dict[str, Any], *, status: int = 200) -> Response:
    """A page of ours, which no browser keeps."""
    html = await datasette.render_template(f"{template}.html", context, request=request, view_name="soundmill")
    return Response.html(html, status=status, headers=LIVE)


async def not_there(datasette: Any, request: Any, title: str, error: str) -> Response:
    """What is answered where an address of ours names nothing: not by Datasette's NotFound, which sends an address with
    a % in it to another one first."""
    return await page(datasette, request, "error", {"title": title, "status": 404, "error": error}, status=404)


async def front_page(datasette: Any, database: str, request: Any) -> Response:
    """What somebody meets who opens the site: what it holds, what came last, and the ways in."""
    source = datasette.databases[database]
    board, takes = await reads.visit(source, lambda ask: (reads.front(ask), reads.newest_takes(ask)))
    context = {
        **helpers(datasette, database),
        "board": board,
        "takes": takes,
        "alternate_url_json": datasette.urls.path("/.json"),
    }
    return await page(datasette, request, "soundmill_front", context)


async def board_page(datasette: Any, database: str, request: Any) -> Response:
    context = {**helpers(datasette, database), "board": await _board(datasette, database)}
    return await page(datasette, request, "soundmill_board", context)


async def board_json(datasette: Any, database: str) -> Response:
    """The board as data, and each of its sections as the HTML that stands on the page."""
    board = await _board(datasette, database)
    context = {**helpers(datasette, database), "board": board, "urls": datasette.urls}
    html = {
        name: await datasettes.templates(datasette).get_template(f"soundmill_board_{name}.html").render_async(context)
        for name in SECTIONS
    }
    return Response.json({**board, "html": html}, headers=LIVE)


async def _board(datasette: Any, database: str) -> dict[str, Any]:
    source = datasette.databases[database]
    found = await health(source)
    daemon = {**found.life.as_json(), "lines": found.lines}
    return {**await reads.visit(source, reads.board), "troubles": list(found.troubles), "daemon": daemon}
