"""What is answered before Datasette is asked: whose name was called, by which method, and how much at once.

A site on 127.0.0.1 is reached by every page that is open in the same browser. A page cannot read another origin's
answers, except by giving its own name this machine's address (DNS rebinding): so names that are not ours are refused.
"""

from __future__ import annotations

import asyncio
import csv
import ipaddress
import re
import socket
import urllib.parse
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

from soundmill.publish.stream import Receive, Send, send_text
from soundmill.words import safe_cell

App = Callable[[dict[str, Any], Receive, Send], Any]

METHODS = ("GET", "HEAD", "OPTIONS", "POST")
# What is asked of the mill; every other page of ours is only read.
ASKED_BY_POST = frozenset(f"/-/soundmill/{name}" for name in ("wishes", "check", "submit", "studies", "listening"))
MOST_FACETS = 12
QUESTIONS_AT_ONCE = 2  # of visitors' own SQL; the threads that are left serve the pages
QUESTIONS_WAITING = 20
THREADS_PAGE = re.compile(r"/-/threads(\.json)?/?$")  # it tells folders of this machine


class Guard:
    """An ASGI application around Datasette's. `hosts` are further names that this site is reached by, `prefix` what
    its paths may begin with, Datasette's base_url."""

    def __init__(
        self, app: App, hosts: Sequence[str], catalogs: Callable[[], Sequence[str]], *, prefix: str = "/"
    ) -> None:
        self._app = app
        self._prefix = prefix
        self._hosts = {*(name.lower() for name in hosts), *own_names()}
        self._catalogs = catalogs
        self._questions = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._waiting = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refused = self._refusal(scope, headers.get(b"host", b"").decode("latin-1"))
        if refused is not None:
            await send_text(send, scope["method"], *refused)
            return
        if scope["path"].endswith(".csv") and self._is_ours(without_prefix(scope["path"], self._prefix)):
            send = without_formulas(send)
        if b"sql=" not in scope["query_string"]:
            await self._app(scope, receive, send)
            return
        self._waiting += 1
        try:
            async with self._questions:
                await self._app(scope, receive, send)
        finally:
            self._waiting -= 1

    def _refusal(self, scope: dict[str, Any], host: str) -> tuple[int, str, dict[str, str]] | None:
        path, method = without_prefix(scope["path"], self._prefix), scope["method"]
        if host and not is_known(host, self._hosts):
            return 421, f"421: {host} is no name of this site: add it to web.hosts in soundmill.yaml", {}
        ours = path == "/" or path.startswith("/-/soundmill") or self._is_ours(path)
        allowed = METHODS[:-1] if ours and path not in ASKED_BY_POST else METHODS
        if method not in allowed:
            return 405, f"405: only {', '.join(allowed)}", {"allow": ", ".join(allowed)}
        if THREADS_PAGE.search(path):
            return 403, "403: not for visitors", {}
        asked = [name for name, _ in urllib.parse.parse_qsl(scope["query_string"].decode("latin-1"))]
        if sum(name.startswith("_facet") for name in asked) > MOST_FACETS:
            return 400, f"400: more than {MOST_FACETS} facets in one question", {}
        if "sql" in asked and self._waiting >= QUESTIONS_WAITING:
            return 503, "503: too many questions at once, ask again", {"retry-after": "5"}
        return None

    def _is_ours(self, path: str) -> bool:
        return any(path.startswith((f"/{name}/", f"/{name}.")) or path == f"/{name}" for name in self._catalogs())


def without_prefix(path: str, prefix: str) -> str:
    """A path as Datasette's routes see it."""
    return f"/{path[len(prefix) :]}" if prefix != "/" and path.startswith(prefix) else path


def own_names() -> set[str]:
    """What this machine calls itself."""
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name.partition('.')[0]}.local"} - {""}


def is_known(host: str, names: set[str]) -> bool:
    """Whether a Host header names this site. An address always does: no page of another origin has one for its name."""
    try:
        name = (urllib.parse.urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in names or name.endswith(".localhost") or "*" in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def without_formulas(send: Send) -> Send:
    """A `send` for CSV answers in which no cell is run by a spreadsheet. Records may come in pieces."""
    pending = ""

    async def guarded(message: dict[str, Any]) -> None:
        nonlocal pending
        if message["type"] != "http.response.body":
            await send(message)
            return
        pending += message.get("body", b"").decode("utf-8", "surrogateescape")
        body = b""
        # A whole record has its quotes in pairs and ends its line.
        if not message.get("more_body", False) or (pending.count('"') % 2 == 0 and pending.endswith("\n")):
            body, pending = _inert(pending).encode("utf-8", "surrogateescape"), ""
        await send({**message, "body": body})

    return guarded


def _inert(records: str) -> str:
    text = StringIO()
    csv.writer(text).writerows(
        [cell if _is_number(cell) else safe_cell(cell) for cell in record]
        for record in csv.reader(StringIO(records, newline=""))
    )
    return text.getvalue()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
