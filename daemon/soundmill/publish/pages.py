"""The pages of our own: the front page, the live board, and a batch with its players."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from pathlib import Path
from typing import Any

from datasette.database import QueryInterrupted
from datasette.utils.asgi import Response
from markupsafe import Markup

from soundmill.publish import cells, reads
from soundmill.publish.health.state import health
from soundmill.publish.stream import url_word
from soundmill.words import composed

SECTIONS = ("totals", "workers", "running", "batches", "queue", "events")
REPORT = "report.html"
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
        "batch_url": lambda name: datasette.urls.path(f"/-/soundmill/batch/{url_word(name)}"),
    }


async def front_page(datasette: Any, database: str, request: Any) -> Response:
    """What somebody meets who opens the site: what it holds, what came last, and the ways in."""
    source = datasette.databases[database]
    context = {
        **helpers(datasette, database),
        "board": await reads.front(source),
        "takes": await reads.newest_takes(source),
        "alternate_url_json": datasette.urls.path("/.json"),
    }
    html = await datasette.render_template("soundmill_front.html", context, request=request, view_name="soundmill")
    return Response.html(html, headers=LIVE)


async def board_page(datasette: Any, database: str, request: Any) -> Response:
    context = {**helpers(datasette, database), "board": await _board(datasette, database)}
    html = await datasette.render_template("soundmill_board.html", context, request=request, view_name="soundmill")
    return Response.html(html, headers=LIVE)


async def board_json(datasette: Any, database: str) -> Response:
    """The board as data, and each of its sections as the HTML that stands on the page."""
    board = await _board(datasette, database)
    context = {**helpers(datasette, database), "board": board, "urls": datasette.urls}
    html = {
        name: await datasette.jinja_env.get_template(f"soundmill_board_{name}.html").render_async(context)
        for name in SECTIONS
    }
    return Response.json({**board, "html": html}, headers=LIVE)


async def _board(datasette: Any, database: str) -> dict[str, Any]:
    source = datasette.databases[database]
    found = await health(source)
    daemon = {**found.life.as_json(), "lines": found.lines}
    return {**await reads.board(source), "troubles": list(found.troubles), "daemon": daemon}


def _report_url(datasette: Any, outputs: Path | None, batch: str) -> str | None:
    """Where the batch's report is, once it has been made."""
    if outputs is None or not (outputs / batch / REPORT).is_file():
        return None
    return str(datasette.urls.path(f"/-/soundmill/report/{url_word(batch)}/{REPORT}"))


def _review_url(datasette: Any, wanted: reads.Filter, batch: str) -> str:
    """The review of the takes that this page shows."""
    order = wanted.order if wanted.order in ("best", "worst") else ""
    asked = {"batch": batch, "verdict": wanted.verdict, "filed": wanted.filed, "q": wanted.words, "order": order}
    query = urllib.parse.urlencode({key: value for key, value in asked.items() if value})
    return str(datasette.urls.path(f"/-/soundmill/review?{query}"))


async def batch_page(datasette: Any, database: str, request: Any, outputs: Path | None) -> Response:
    name = composed(urllib.parse.unquote(request.url_vars["batch"]))
    source = datasette.databases[database]
    batch = await reads.batch(source, name)
    if batch is None:
        # Not Datasette's NotFound: that sends an address with a % in it to another one first.
        context = {"title": "No such batch", "status": 404, "error": f"There is no batch named {name}"}
        html = await datasette.render_template("error.html", context, request=request, view_name="soundmill")
        return Response.html(html, status=404, headers=LIVE)
    wanted = read_filter(request.args)
    jobs: list[reads.Row] = []
    filed: list[tuple[str, int]] = []
    more = slow = False
    try:
        jobs, more = await reads.batch_jobs(source, name, wanted)
    except QueryInterrupted:
        slow = True
    with contextlib.suppress(QueryInterrupted):  # then the page does without these chips
        filed = await reads.filed_counts(source, name)
    context = {
        **helpers(datasette, database),
        "batch": batch,
        "labels": json.loads(str(batch["labels"])),
        "jobs": jobs,
        "slow": slow,
        "filter": wanted,
        "statuses": [(status, batch[f"n_{status}"]) for status in reads.STATUSES if batch[f"n_{status}"]],
        "filed": filed,
        "orders": [(key, label) for key, (label, _) in reads.ORDERS.items()],
        "link": lambda **changes: _link(wanted, **changes),
        "more": more,
        "review": _review_url(datasette, wanted, str(batch["batch"])),
        "report": _report_url(datasette, outputs, str(batch["batch"])),
        "licences": sorted({job["take"]["licence"] for job in jobs if job["take"] and job["take"]["licence"]}),
    }
    html = await datasette.render_template("soundmill_batch.html", context, request=request, view_name="soundmill")
    return Response.html(html, headers=LIVE)


def read_filter(args: Any) -> reads.Filter:
    """The filter that a query string asks for; what it does not know it leaves out."""

    def one_of(key: str, allowed: tuple[str, ...], otherwise: str) -> str:
        value = args.get(key) or ""
        return value if value in allowed else otherwise

    page = args.get("page") or ""
    return reads.Filter(
        status=one_of("status", reads.STATUSES, ""),
        verdict=one_of("verdict", ("passed", "failed"), ""),
        filed=one_of("filed", tuple(reads.FILED), ""),
        model=args.get("model") or "",
        words=(args.get("q") or "").strip(),
        order=one_of("order", tuple(reads.ORDERS), "file"),
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )


def _link(wanted: reads.Filter, **changes: Any) -> str:
    """The query string of this page with something changed; a changed filter starts at its first page."""
    values = {
        "status": wanted.status,
        "verdict": wanted.verdict,
        "filed": wanted.filed,
        "model": wanted.model,
        "q": wanted.words,
        "order": "" if wanted.order == "file" else wanted.order,
        **changes,
    }
    return "?" + urllib.parse.urlencode({key: value for key, value in values.items() if value not in ("", None, 1)})
