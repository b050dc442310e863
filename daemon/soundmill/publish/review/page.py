"""The review: takes heard one after another and marked by keys, as a page and as the data it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from datasette.database import QueryInterrupted
from datasette.utils.asgi import NotFound, Response

from soundmill.publish import pages, reads
from soundmill.publish.asking import permissions
from soundmill.publish.assets import Asset
from soundmill.publish.pages import LIVE
from soundmill.publish.review import questions
from soundmill.publish.review.lines import Asked, NoLine, asked_for
from soundmill.publish.review.questions import MOST_COUNTED, ORDERS
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.sharing.answers import shared

PAGE_SIZE = 100
LARGEST_PAGE = 200
IMPORTED = re.compile(r'^import [^"]*"(soundmill/\w+)";', re.MULTILINE)
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
TOO_SLOW = "This line is too long to be put in that order in the time a page may take: narrow it, or take another order"


def who_is(actor: permissions.Actor | None) -> str:
    """By what name a visitor's ratings are kept; empty for one who is not known."""
    return permissions.who(actor) if actor else ""


def module_urls(datasette: Any) -> dict[str, str]:
    """The import map of our modules: each under an address that changes with it."""
    return {
        f"soundmill/{name.removesuffix('.js')}": datasette.urls.path(f"/-/soundmill/static/{name}?{asset.digest}")
        for name, asset in served_by(datasette).assets.items()
        if name.endswith(".js") and name != "soundmill.js"
    }


def needed(assets: Mapping[str, Asset], start: str) -> set[str]:
    """The modules that `start` brings in, itself among them, by their names in the import map."""
    found, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            asset = assets.get(f"{name.removeprefix('soundmill/')}.js")
            waiting += IMPORTED.findall(asset.body.decode()) if asset else ()
    return found


def framing(datasette: Any, start: str) -> dict[str, Any]:
    """What the head of a page with our scripts needs, and where they find things. What the script `start` imports is
    got ready."""
    path = datasette.urls.path
    modules, assets = module_urls(datasette), served_by(datasette).assets
    wanted = needed(assets, f"soundmill/{start}")
    return {
        "modules": modules,
        "preloaded": [url for name, url in modules.items() if name in wanted],
        "style": path(f"/-/soundmill/static/review.css?{served_by(datasette).assets['review.css'].digest}"),
        "addresses": {
            "audio": path("/-/soundmill/audio/"),
            "peaks": path("/-/soundmill/peaks/"),
            "take": path("/-/soundmill/take/"),
            "batch": path("/-/soundmill/batch/"),
            "me": path("/-/soundmill/me"),
            "wishes": path("/-/soundmill/wishes"),
            "takes": path("/-/soundmill/review.json"),
            "compare": path("/-/soundmill/compare"),
        },
    }


@shared
async def review_page(datasette: Any, request: Any) -> Response:
    database = await visible_catalog(datasette, request)
    problem = None
    asked: Asked | None = None
    try:
        asked = await asked_for(datasette, database, request, who_is(request.actor))
    except NoLine as error:
        problem = str(error)
    except QueryInterrupted:
        problem = TOO_SLOW
    context = {
        **pages.helpers(datasette, database),
        **framing(datasette, "review"),
        "asked": asked,
        "problem": problem,
        "orders": [(key, ORDERS[key][0]) for key in asked.orders] if asked else [],
        "filed": list(reads.FILED),
        "asked_order": asked.line.order if asked else "",
        "sql_url": _sql_url(datasette, database, asked) if asked else None,
    }
    return await pages.page(datasette, request, "soundmill_review", context, status=400 if problem else 200)


@shared
async def review_json(datasette: Any, request: Any) -> Response:
    """`takes` in their order and whether `more` follow; with `count=1` also `total` and, of `at`, its `place`."""
    database = await visible_catalog(datasette, request)
    source = datasette.databases[database]
    args = request.args
    try:
        asked = await asked_for(datasette, database, request, who_is(request.actor))
        after, before, at = (_number(args.get(name)) for name in ("after", "before", "at"))
        limit = min(_number(args.get("limit")) or PAGE_SIZE, LARGEST_PAGE)
        page = await questions.page(source, asked.line, limit=limit, after=after, before=before, at=at)
        answer: dict[str, Any] = {"takes": page.takes, "more": page.more}
        if args.get("count") == "1":
            answer["total"] = await questions.total(source, asked.line)
            answer["place"] = await questions.place(source, asked.line, at)
            answer["most_counted"] = MOST_COUNTED
    except NoLine as error:
        return Response.json({"error": str(error)}, status=400, headers=LIVE)
    except QueryInterrupted:
        return Response.json({"error": TOO_SLOW}, status=400, headers=LIVE)
    return Response.json(answer, headers=LIVE)


async def peaks_route(datasette: Any, request: Any) -> Response:
    """What players draw of a take, which never changes; 404 for a take from before there was any."""
    database = await visible_catalog(datasette, request)
    data = await questions.peaks(datasette.databases[database], int(request.url_vars["number"]))
    if data is None:
        raise NotFound("No peaks of this take")
    return Response(data, headers=FOREVER, content_type="application/octet-stream")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _sql_url(datasette: Any, database: str, asked: Asked) -> str:
    """Where the same takes are a table of Datasette's."""
    source = dict(asked.source)
    if "sql" in source:
        return str(datasette.urls.path(f"/{database}?{urlencode(asked.source)}"))
    if name := source.pop("sql-query-name", None):
        return str(datasette.urls.path(f"/{database}/{name}?{urlencode(source)}"))
    if asked.line.ids is not None:
        given = json.dumps(asked.line.ids[:200])
        sql = f"select * from takes where output_id in (select value from json_each('{given}'))"
        return str(datasette.urls.path(f"/{database}?{urlencode({'sql': sql})}"))
    wanted = {"batch": asked.line.batch, "_search": asked.line.words, "verdict": asked.line.verdict}
    query = urlencode({key: value for key, value in wanted.items() if value})
    return str(datasette.urls.path(f"/{database}/takes?{query}"))
