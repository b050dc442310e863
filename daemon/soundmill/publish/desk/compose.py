"""Job files, written or dropped in the browser: checked as they are typed, and shown before anything is queued."""

from __future__ import annotations

from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish import pages
from soundmill.publish.desk import common, drafts
from soundmill.publish.reads import Row
from soundmill.publish.review import questions
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.sharing.answers import shared
from soundmill.words import composed

MOST_TAKES = 200
WAYS = ("more", "around", "on")
BLANK = "untitled.yaml"


@shared
async def compose_page(datasette: Any, request: Any) -> Response:
    """`?more=FILE&more=…`, `?around=FILE` or `?on=FILE&…` fills a file in, of these takes."""
    database = await visible_catalog(datasette, request)
    name, text, problem = BLANK, "", None
    way = next((each for each in WAYS if request.args.get(each)), None)
    if way is not None:
        files = [composed(file) for file in request.args.getlist(way)][:MOST_TAKES]
        source = datasette.databases[database]
        takes = await questions.details(source, await questions.of_files(source, files), "")
        if takes:
            name, text = _drafted(datasette, way, takes)
        else:
            problem = f"There is no take {files[0]}"
    context = {
        **common.frame(datasette, database, "compose"),
        "name": name,
        "text": text,
        "problem": problem,
        "told": {"drafted": bool(text)},
        "can_ask": served_by(datasette).home is not None,
    }
    return await pages.page(datasette, request, "soundmill_compose", context, status=404 if problem else 200)


def _drafted(datasette: Any, way: str, takes: list[Row]) -> tuple[str, str]:
    served = served_by(datasette)
    if way == "around":
        return drafts.around(takes[0])
    if way == "on" and served.outputs is not None and served.home is not None:
        return drafts.go_on_from(takes, served.outputs.absolute(), served.home / "inbox")
    return drafts.more_like(takes)
