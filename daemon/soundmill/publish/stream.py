"""The audio and report routes: files under outputs/, whole or in part, and nothing else.

Datasette knows no byte ranges, and without them a browser can neither seek nor, in Safari, play at all.
"""

from __future__ import annotations

import asyncio
import os
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from soundmill.disk import open_below
from soundmill.publish.ranges import Representation, choose

CONTENT_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".json": "application/json",
}
REPORT_TYPES = CONTENT_TYPES | {
    ".html": "text/html; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".png": "image/png",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
}
# A report's script is its own, in the page; whatever a prompt may have smuggled in, it can load and send nothing.
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CHUNK = 256 * 1024
# A name never contains these; encoded, they are an attempt to be taken apart differently further on.
ENCODED_SEPARATOR = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


def looks_like_audio(value: object) -> bool:
    """True for a path the audio route would serve as sound, judged by its text alone."""
    return (
        isinstance(value, str)
        and Path(value).suffix.lower() in CONTENT_TYPES
        and (not value.lower().endswith(".json") and _parts(value, CONTENT_TYPES) is not None)
    )


def url_path(path: str) -> str:
    """The path of an output as it stands in a URL."""
    return urllib.parse.quote(path, safe="/")


def url_word(text: str) -> str:
    """A name or a value as one part of a URL's path, or of its query."""
    return urllib.parse.quote(text, safe="")


def parse_url_path(raw: str, types: Mapping[str, str]) -> list[str] | None:
    """The path's names, from the still encoded part of the URL; None for what is never served.

    `types` maps the suffixes that may be served to their content types."""
    if ENCODED_SEPARATOR.search(raw):
        return None
    try:
        return _parts(urllib.parse.unquote(raw, errors="strict"), types)
    except UnicodeDecodeError:
        return None


def _parts(path: str, types: Mapping[str, str]) -> list[str] | None:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or "\\" in path:
        return None
    return parts if Path(parts[-1]).suffix.lower() in types else None


async def serve_file(
    outputs: Path | None,
    raw_path: str,
    request: Any,
    send: Send,
    receive: Receive,
    *,
    types: Mapping[str, str] = CONTENT_TYPES,
    policy: str | None = None,
) -> None:
    """Answer one request for an output; `raw_path` is the encoded path below the route.

    `types` are the kinds of files the route serves, `policy` the Content-Security-Policy it sends along.
    """
    if request.method not in ("GET", "HEAD"):
        await send_text(send, request.method, 405, "405: only GET and HEAD", {"allow": "GET, HEAD"})
        return
    parts = parse_url_path(raw_path, types)
    if parts is None or outputs is None:
        await send_text(send, request.method, 404, "404: no such output")
        return
    try:
        file = await asyncio.to_thread(open_below, outputs, parts)
    except OSError:
        await send_text(send, request.method, 404, "404: no such output")
        return
    try:
        await _answer(file, types[Path(parts[-1]).suffix.lower()], policy, request, send, receive)
    finally:
        os.close(file)


async def _answer(file: int, content_type: str, policy: str | None, request: Any, send: Send, receive: Receive) -> None:
    status = os.fstat(file)
    representation = Representation(size=status.st_size, mtime_ns=status.st_mtime_ns)
    answer = choose(request.method, request.headers, representation)
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "no-cache",  # keep it, but ask: a repeated job may replace the file
        "etag": representation.etag,
        "last-modified": representation.last_modified,
        "x-content-type-options": "nosniff",
        **({"content-security-policy": policy} if policy else {}),
    }
    if answer.status == 304:
        await _start(send, 304, headers)
        await send({"type": "http.response.body", "body": b""})
        return
    if answer.status == 416:
        headers["content-range"] = f"bytes */{representation.size}"
        await send_text(send, request.method, 416, "416: no such range", headers)
        return
    headers |= {"content-type": content_type, "content-length": str(answer.stop - answer.start)}
    if answer.status == 206:
        headers["content-range"] = f"bytes {answer.start}-{answer.stop - 1}/{representation.size}"
    await _start(send, answer.status, headers)
    if request.method == "GET":
        await _body(file, answer.start, answer.stop, send, receive)
    await send({"type": "http.response.body", "body": b""})


async def _body(file: int, start: int, stop: int, send: Send, receive: Receive) -> None:
    """Send the bytes in chunks, and stop reading once the listener has gone (players often do)."""
    gone = asyncio.create_task(_disconnected(receive))
    try:
        while start < stop and not gone.done():
            chunk = await asyncio.to_thread(os.pread, file, min(CHUNK, stop - start), start)
            if not chunk:
                raise OSError("the file became shorter while it was being sent")
            start += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def send_text(send: Send, method: str, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
    """A whole answer of one line."""
    body = f"{text}\n".encode()
    more = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    await _start(send, status, {**(headers or {}), **more})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
