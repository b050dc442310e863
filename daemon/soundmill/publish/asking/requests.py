"""What every request has in common that asks for something: who it is from, its body, and refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish.asking import trust
from soundmill.publish.asking.permissions import Actor, may
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.stream import Receive

PRIVATE = {"cache-control": "private, no-store"}


class Refused(Exception):
    """The answer to a request that is not done."""

    def __init__(self, status: int, error: str, problems: Sequence[object] = ()) -> None:
        super().__init__(error)
        self.response = answer({"error": error, "problems": list(problems)}, status)


def answer(data: object, status: int = 200) -> Response:
    return Response.json(data, status=status, headers=PRIVATE)


async def asker(datasette: Any, request: Any) -> tuple[Actor, Path]:
    """Who asks by a POST, and the home they ask something of. Raises Refused, NotFound, Datasette's Forbidden."""
    await visible_catalog(datasette, request)
    if request.method != "POST":
        raise Refused(405, "only POST")
    home = served_by(datasette).home
    if home is None:
        raise Refused(503, "beside this catalogue there is no inbox, so nobody can be asked; serve it from its home")
    hosts = ((datasette.plugin_config("soundmill") or {}).get("hosts") or "").lower().split()
    if trust.is_foreign(request.headers, hosts):
        raise Refused(403, "this came from another site; behind a proxy: name the site's own in web.hosts")
    if request.actor is None:
        raise Refused(401, "nobody is logged in; for a link: soundmill web --link")
    if not trust.token_is_right(datasette, request.actor, request.headers):
        raise Refused(403, "the page is out of date: load it again")
    return request.actor, home


async def must_be_allowed(datasette: Any, actor: Actor, action: str) -> None:
    """Raises Refused."""
    if not await may(datasette, actor, action):
        raise Refused(403, f"{action} is not allowed to {actor.get('id')}; see permissions in docs/access.md")


async def body(request: Any, receive: Receive, most: int) -> bytes:
    """The whole body of a request. Raises Refused when it is larger than `most` bytes, or does not come whole."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise Refused(413, f"larger than {most:,} bytes")
    read = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "the connection ended before all of it had come")
        read += message.get("body", b"")
        if len(read) > most:
            raise Refused(413, f"larger than {most:,} bytes")
        if not message.get("more_body", False):
            return bytes(read)


async def json_object(request: Any, receive: Receive, most: int) -> dict[str, Any]:
    """A body that is a JSON object. Raises Refused where it is none, and as `body` does."""
    try:
        content = json.loads(await body(request, receive, most))
    except (ValueError, RecursionError):
        raise Refused(400, "is not JSON") from None
    if not isinstance(content, dict):
        raise Refused(400, "is no object")
    return content
