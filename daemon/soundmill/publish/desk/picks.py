"""Shortlists: what is on each, and which rows of the job files have no take on it yet."""

from __future__ import annotations

import urllib.parse
from contextlib import suppress
from typing import Any

from datasette.database import QueryInterrupted
from datasette.utils.asgi import Response

from soundmill.publish import pages
from soundmill.publish.desk import common
from soundmill.publish.reads import Ask, Row, ask, visit
from soundmill.publish.served import visible_catalog
from soundmill.publish.sharing.answers import shared
from soundmill.publish.stream import url_word
from soundmill.words import composed

MOST_PICKS = 100  # on a page
MOST_BATCHES = 12
MOST_ROWS = 12  # without a pick, of a batch
DEFAULT = "picks"
LISTS = "SELECT * FROM shortlist_overview ORDER BY archived_at IS NOT NULL, picks DESC, shortlist LIMIT 500"
THIS = "SELECT * FROM shortlist_overview WHERE shortlist = :name"
PICKS = """
SELECT shortlist, audio, batch, job, job_id, position, prompt, duration_s, verdict, score, stars, rejected, labels,
       licence, who, note, picked_at, output_id
FROM picks_list WHERE shortlist = :name ORDER BY picked_at, output_id LIMIT :limit OFFSET :offset
"""
BATCHES = """
SELECT batch, count(DISTINCT position) AS picked, count(*) AS takes
FROM picks_list WHERE shortlist = :name GROUP BY batch ORDER BY max(picked_at) DESC LIMIT :limit
"""
ROWS = "SELECT file_rows FROM batch_picks WHERE batch = :batch"
MISSING = """
SELECT position, name, prompt, takes FROM file_rows
WHERE batch = :batch AND position NOT IN (SELECT position FROM picks_list WHERE shortlist = :name AND batch = :batch)
ORDER BY position LIMIT :limit
"""
SHOWN = "SELECT * FROM picks_list WHERE shortlist = {} ORDER BY picked_at"


@shared
async def picks_page(datasette: Any, request: Any) -> Response:
    """All shortlists."""
    database = await visible_catalog(datasette, request)
    lists = await ask(datasette.databases[database], LISTS)
    context = {
        **common.frame(datasette, database, "picks"),
        "lists": lists,
        "list_url": _list_url(datasette),
        "sql": LISTS,
    }
    if request.args.get("live") == "1":
        return await common.parts(datasette, context, {"lists": "soundmill_picks_lists"})
    return await pages.page(datasette, request, "soundmill_picks", context)


@shared
async def shortlist_page(datasette: Any, request: Any) -> Response:
    database = await visible_catalog(datasette, request)
    source = datasette.databases[database]
    name = composed(urllib.parse.unquote(request.url_vars["shortlist"]))
    number = request.args.get("page") or ""
    page = max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    limits = {"limit": MOST_PICKS + 1, "offset": (page - 1) * MOST_PICKS}
    known, picks, covered, lists = await visit(
        source,
        lambda ask: (ask(THIS, {"name": name}), ask(PICKS, {"name": name, **limits}), coverage(ask, name), ask(LISTS)),
    )
    if not known and name != DEFAULT:
        return await pages.not_there(datasette, request, "No such shortlist", f"There is no shortlist named {name}")
    shortlist = known[0] if known else {"shortlist": name, "picks": 0, "archived_at": None, "note": None}
    listed = str(shortlist["shortlist"])
    context = {
        **common.frame(datasette, database, "shortlist"),
        "shortlist": shortlist,
        "picks": picks[:MOST_PICKS],
        "page": page,
        "more": len(picks) > MOST_PICKS,
        "coverage": covered,
        "others": [row["shortlist"] for row in lists if row["shortlist"] != listed],
        "list_url": _list_url(datasette),
        "csv": _csv_url(datasette, database, listed),
        "told": {"list": listed},
        "sql": SHOWN.format(common.quoted(listed)),
    }
    if request.args.get("live") == "1":
        pieces = {"picks": "soundmill_shortlist_rows", "coverage": "soundmill_shortlist_coverage"}
        return await common.parts(datasette, context, pieces)
    return await pages.page(datasette, request, "soundmill_shortlist", context)


def coverage(ask: Ask, name: str) -> list[Row]:
    """Of each batch with a take on this list: how many of its file's rows have one, and the first that have none.

    A batch of which that cannot be counted in the time a question may take says nothing of it."""
    found = []
    for row in ask(BATCHES, {"name": name, "limit": MOST_BATCHES}):
        row |= {"file_rows": None, "missing": []}
        with suppress(QueryInterrupted):
            row["file_rows"] = ask(ROWS, {"batch": row["batch"]})[0]["file_rows"]
            row["missing"] = ask(MISSING, {"batch": row["batch"], "name": name, "limit": MOST_ROWS})
        found.append(row)
    return found


def _list_url(datasette: Any) -> Any:
    return lambda name: datasette.urls.path(f"/-/soundmill/picks/{url_word(name)}")


def _csv_url(datasette: Any, database: str, name: str) -> str:
    query = urllib.parse.urlencode({"shortlist": name, "_stream": "on"})
    return str(datasette.urls.path(f"/{database}/picks_list.csv?{query}"))
