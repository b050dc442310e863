"""What the pages have in common on which something is asked for."""

from __future__ import annotations

from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish import datasettes
from soundmill.publish.pages import LIVE, helpers
from soundmill.publish.review.page import framing


def frame(datasette: Any, database: str, start: str) -> dict[str, Any]:
    """What the templates of such a page need whose script `start` is, and where its scripts find things."""
    path = datasette.urls.path
    found = framing(datasette, start)
    more = ("check", "submit", "arrivals", "events", "review", "compare", "compose", "picks", "batches", "files")
    found["addresses"] |= {name: path(f"/-/soundmill/{name}") for name in more}
    found["addresses"]["deliveries"] = path("/-/soundmill/deliveries.json")
    return {**helpers(datasette, database), **found}


def quoted(text: str) -> str:
    """A text as it stands in SQL that somebody is shown."""
    return "'" + text.replace("'", "''") + "'"


async def parts(datasette: Any, context: dict[str, Any], templates: dict[str, str], **more: Any) -> Response:
    """Pieces of a page, by name, as the HTML that stands on it."""
    full = {**context, "urls": datasette.urls}
    html = {
        name: await datasettes.templates(datasette).get_template(f"{template}.html").render_async(full)
        for name, template in templates.items()
    }
    return Response.json({"html": html, **more}, headers=LIVE)
