"""Job files from the browser: checked while they are written, dropped into the inbox, and what became of them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from datasette.utils.asgi import Response

from soundmill.errors import SoundmillError, UsageError
from soundmill.publish.asking import leaving
from soundmill.publish.asking.checking import Checker, Unavailable
from soundmill.publish.asking.permissions import SUBMIT
from soundmill.publish.asking.requests import Refused, answer, asker, body, must_be_allowed
from soundmill.publish.asking.wishes import refusing
from soundmill.publish.served import Served, served_by, visible_catalog
from soundmill.publish.stream import Receive
from soundmill.words import iso

PART = "checker"
JSON_TYPE = "application/json"


@refusing
async def check_route(datasette: Any, request: Any, receive: Receive) -> Response:
    """What would become of a job file; nothing is queued."""
    home, name, content, _ = await _file(datasette, request, receive)
    try:
        found = await asyncio.to_thread(_checker(served_by(datasette), home).check, name, content)
    except Unavailable as error:
        raise Refused(503, str(error)) from None
    return answer(found)


@refusing
async def submit_route(datasette: Any, request: Any, receive: Receive) -> Response:
    """Put a job file into the inbox; the daemon accepts or rejects it as any other."""
    home, name, content, again = await _file(datasette, request, receive)
    at = time.time()
    try:
        there = await asyncio.to_thread(leaving.put, home, name, content, again=again)
    except UsageError as error:
        raise Refused(400, str(error)) from None
    except OSError as error:
        raise Refused(503, f"the inbox cannot be written: {error.strerror or error}") from error
    return answer({"file": there, "at": at}, 202)


@refusing
async def arrivals_route(datasette: Any, request: Any) -> Response:
    """What became of a file of that name, at or after `since` (Unix seconds) where that is given."""
    catalog = await visible_catalog(datasette, request)
    name = request.args.get("file") or ""
    if not name:
        raise Refused(400, "file must be the name that the file has in the inbox")
    try:
        since = iso(float(request.args.get("since") or 0)) or ""
    except (ValueError, OverflowError, OSError):
        raise Refused(400, "since must be Unix seconds") from None
    database = datasette.databases[catalog]
    values = {"file": name, "since": since}
    accepted = (await database.execute(ACCEPTED, values)).first()
    rejected = (await database.execute(REJECTED, values)).first()
    if accepted and (not rejected or accepted["created_at"] >= rejected["rejected_at"]):
        found = {"state": "accepted", "batch": accepted["batch"], "jobs": accepted["job_count"], "problems": []}
    elif rejected:
        problems = json.loads(rejected["problem_list"])
        found = {"state": "rejected", "batch": None, "jobs": None, "problems": problems}
    else:
        notice = (await database.execute(NOTICE, {"file": name})).first()
        said = [{"message": notice["message"]}] if notice else []
        found = {"state": "waiting", "batch": None, "jobs": None, "problems": said}
    return answer({"file": name, **found})


ACCEPTED = """
SELECT batch, job_count, created_at FROM batch_progress
WHERE file_name = :file AND created_at >= :since ORDER BY batch_id DESC LIMIT 1
"""
REJECTED = """
SELECT problem_list, rejected_at FROM rejected_files
WHERE file_name = :file AND rejected_at >= :since ORDER BY ulid DESC LIMIT 1
"""
NOTICE = "SELECT message FROM inbox_notices WHERE file = :file LIMIT 1"


async def _file(datasette: Any, request: Any, receive: Receive) -> tuple[Path, str, bytes, bool]:
    """The home, and a job file's name and bytes: `?name=` and the body, or JSON with `name` and `text`; whether it is
    wanted once more."""
    actor, home = await asker(datasette, request)
    await must_be_allowed(datasette, actor, SUBMIT)
    try:
        most = await asyncio.to_thread(leaving.most_bytes, home)
    except SoundmillError as error:
        raise Refused(503, str(error)) from None
    as_json = request.headers.get("content-type", "").partition(";")[0].strip() == JSON_TYPE
    content = await body(request, receive, 6 * most + 10_000 if as_json else most)  # a letter may be written as six
    name, again = request.args.get("name") or "", request.args.get("again") == "1"
    if as_json:
        name, content, again = _from_json(content)
        if len(content) > most:
            raise Refused(413, f"larger than {most:,} bytes")
    try:
        leaving.must_be_a_name(name)
    except UsageError as error:
        raise Refused(400, str(error)) from None
    return home, name, content, again


def _from_json(data: bytes) -> tuple[str, bytes, bool]:
    try:
        said = json.loads(data)
        name, text, again = said["name"], said["text"], said.get("again", False)
        if isinstance(name, str) and isinstance(text, str) and isinstance(again, bool):
            return name, text.encode("utf-8"), again
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise Refused(400, "must be a JSON object with name and text")


def _checker(served: Served, home: Path) -> Checker:
    if PART not in served.parts:
        served.parts[PART] = Checker(home)
    checker: Checker = served.parts[PART]
    return checker
