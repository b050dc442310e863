"""Who somebody is here, what they ask for, and what became of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish.asking import leaving, permissions, trust
from soundmill.publish.asking.requests import Refused, answer, asker, body, must_be_allowed
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.stream import Receive

MOST_WISHES = 500  # in one request
MOST_BYTES = 4_000_000
ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

Route = Callable[..., Awaitable[Response]]


def refusing(route: Route) -> Route:
    """The route, with Refused as its answer."""

    @wraps(route)  # Datasette looks at the names of its arguments
    async def guarded(*arguments: Any) -> Response:
        try:
            return await route(*arguments)
        except Refused as refused:
            return refused.response

    return guarded


async def me_route(datasette: Any, request: Any) -> Response:
    await visible_catalog(datasette, request)
    can_ask = served_by(datasette).home is not None
    allowed = {
        name.partition("-")[2]: can_ask and await permissions.may(datasette, request.actor, name)
        for name in permissions.DESCRIPTIONS
    }
    token = trust.token_for(datasette, request.actor)
    return answer({"actor": permissions.shown(request.actor), "may": allowed, "token": token})


@refusing
async def wishes_route(datasette: Any, request: Any, receive: Receive) -> Response:
    if request.method in ("GET", "HEAD"):
        return await _answers(datasette, request)
    actor, home = await asker(datasette, request)
    controls = _controls(await body(request, receive, MOST_BYTES), permissions.who(actor))
    for action in dict.fromkeys(map(_permission, controls)):
        await must_be_allowed(datasette, actor, action)
    try:
        ulids = await asyncio.to_thread(leaving.leave, home, controls)
    except leaving.Busy as busy:
        raise Refused(503, str(busy)) from None
    except OSError as error:
        raise Refused(503, f"the inbox cannot be written: {error.strerror or error}") from error
    return answer({"asked": ulids}, 202)


def _permission(control: leaving.Control) -> str:
    if leaving.is_delivery(control):
        return permissions.DELIVER
    return permissions.CONTROL if leaving.steers(control) else permissions.RATE


def _controls(data: bytes, who: str) -> list[leaving.Control]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(400, "is not JSON") from None
    wishes = content.get("wishes") if isinstance(content, dict) else None
    if not isinstance(wishes, list) or not 1 <= len(wishes) <= MOST_WISHES:
        raise Refused(400, f"wishes must be a list of 1 to {MOST_WISHES} wishes")
    found: list[leaving.Control] = []
    problems: list[dict[str, object]] = []
    for number, wish in enumerate(wishes):
        try:
            found.append(leaving.wish(wish, who))
        except leaving.InvalidControl as error:
            problems.append({"wish": number, "message": str(error)})
    if problems:
        raise Refused(400, "nothing was asked for: some of it makes no sense", problems)
    return found


async def _answers(datasette: Any, request: Any) -> Response:
    """What became of wishes; one that has no answer yet is asked."""
    catalog = await visible_catalog(datasette, request)
    ids = [each for each in (request.args.get("ids") or "").split(",") if each]
    if not 1 <= len(ids) <= MOST_WISHES or not all(ULID.fullmatch(each) for each in ids):
        raise Refused(400, f"ids must be 1 to {MOST_WISHES} ulids with commas between them")
    marks = ", ".join("?" * len(ids))
    rows = await datasette.databases[catalog].execute(
        f"SELECT ulid, state, reason, answered_unix FROM wish_answers WHERE ulid IN ({marks})", ids
    )
    found: dict[str, dict[str, object]] = {
        each: {"state": "asked", "reason": None, "answered_at": None} for each in ids
    }
    for row in rows:
        found[row["ulid"]] = {"state": row["state"], "reason": row["reason"], "answered_at": row["answered_unix"]}
    return answer({"answers": found})
