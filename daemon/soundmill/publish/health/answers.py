"""What is answered to who asks how the site and the daemon are: a monitor, a page that is open, Prometheus."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish import reads
from soundmill.publish.health.state import health

LIVE = {"cache-control": "no-store"}


async def healthz(datasette: Any, database: str | None, *, of_daemon: bool) -> Response:
    """200 with the totals while the catalogue can be read, else 503 with the reason. `of_daemon`: 503 also unless the
    daemon does its work."""
    if database is None:
        return Response.json({"ok": False, "reason": "no Soundmill catalogue is attached"}, status=503, headers=LIVE)
    try:
        totals = await reads.visit(datasette.databases[database], reads.overview)
        found = await health(datasette.databases[database])
    except Exception as error:  # whatever it is, the answer to "are you well?" is no, and why
        return Response.json({"ok": False, "reason": str(error)}, status=503, headers=LIVE)
    answer = {"ok": True, "catalog": database, **totals, "daemon": found.as_json()}
    if of_daemon and not found.life.ok:
        return Response.json(answer | {"ok": False, "reason": found.life.message}, status=503, headers=LIVE)
    return Response.json(answer, headers=LIVE)


async def daemon(datasette: Any, database: str) -> Response:
    """For pages that are open: what there is to say of the daemon."""
    return Response.json((await health(datasette.databases[database])).life.as_json(), headers=LIVE)


async def banner(datasette: Any, database: str) -> dict[str, Any]:
    """What the base of our pages shows."""
    try:
        return {"daemon_life": (await health(datasette.databases[database])).life}
    except Exception:  # the page itself says what keeps the catalogue from being read
        return {}


async def metrics(datasette: Any, database: str) -> Response:
    """The figures for Prometheus; read and put into words in a thread of Datasette's."""
    from soundmill.publish.health.metrics import CONTENT_TYPE, exposition  # by whoever asks for the first time

    source = datasette.databases[database]
    try:
        text = await source.execute_fn(lambda connection: exposition(connection, Path(source.path)))
    except sqlite3.Error as error:
        return Response.text(f"503: the catalogue cannot be read: {error}\n", status=503, headers=LIVE)
    return Response(text, headers=LIVE, content_type=CONTENT_TYPE)
