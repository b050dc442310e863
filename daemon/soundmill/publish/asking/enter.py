"""The local link: whoever has it opens it once, and is the owner of this machine's mill on the site from then on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from datasette.utils import baseconv
from datasette.utils.asgi import Response

from soundmill.publish.asking import keys
from soundmill.publish.asking.permissions import LOCAL
from soundmill.publish.asking.requests import Refused
from soundmill.publish.asking.wishes import refusing
from soundmill.publish.served import served_by, visible_catalog

COOKIE = "ds_actor"
COOKIE_S = 90 * 86400


@refusing
async def enter_route(datasette: Any, request: Any) -> Response:
    await visible_catalog(datasette, request)
    home = served_by(datasette).home
    # What only looks ahead may not use the link up.
    if request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
        raise Refused(405, "open the link in a browser")
    token = request.args.get("token") or ""
    if home is None or not await asyncio.to_thread(keys.use_link, keys.folder_of(home), token, time.time()):
        raise Refused(403, "this link was used, or is too old; a fresh one: soundmill web --link")
    response = Response.redirect(datasette.urls.path("/-/soundmill"))
    expires = baseconv.base62.encode(int(time.time()) + COOKIE_S)
    response.set_cookie(
        COOKIE,
        datasette.sign({"a": LOCAL, "e": expires}, "actor"),
        max_age=COOKIE_S,
        httponly=True,
        samesite="lax",
        secure=request.scheme == "https",
    )
    response.headers["referrer-policy"] = "no-referrer"
    return response
