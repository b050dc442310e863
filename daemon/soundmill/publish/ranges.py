"""Which bytes of a file an HTTP request gets: conditional requests and byte ranges, without any I/O.

Follows RFC 9110: sections 13 (conditional requests) and 14 (range requests). A request for several
ranges is answered with the whole file, which section 14.2 allows: players ask for one range at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
BYTE_RANGE = re.compile(r"([0-9]*)[ \t]*-[ \t]*([0-9]*)")
FAR = 10**18  # beyond any file; keeps absurdly long numbers from being parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """What is known of the file: its size in bytes and its last change in nanoseconds since 1970."""

    size: int
    mtime_ns: int

    @property
    def etag(self) -> str:
        """A strong validator: a rewritten file gets another time stamp, a resized one another size."""
        return f'"{self.mtime_ns:x}-{self.size:x}"'

    @property
    def modified(self) -> datetime:
        return datetime.fromtimestamp(self.mtime_ns // 1_000_000_000, UTC)

    @property
    def last_modified(self) -> str:
        return format_datetime(self.modified, usegmt=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The status (200, 206, 304 or 416) and the bytes from `start` up to, not including, `stop`."""

    status: int
    start: int = 0
    stop: int = 0


def choose(method: str, headers: Mapping[str, str], file: Representation) -> Answer:
    """What a GET or HEAD gets; `headers` has lower-case names."""
    if _unchanged(headers, file):
        return Answer(status=304)
    whole = Answer(status=200, stop=file.size)
    wanted = headers.get("range")
    # Range is defined for GET alone (section 14.2).
    if method != "GET" or wanted is None or not _range_applies(headers.get("if-range"), file):
        return whole
    unit, _, ranges = wanted.partition("=")
    if unit.strip().lower() != "bytes" or "," in ranges:
        return whole
    return _single(ranges.strip(), file.size) or whole


def _single(text: str, size: int) -> Answer | None:
    """The answer to one range; None when it is not a range and therefore ignored."""
    match = BYTE_RANGE.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(_number(match[2]), size)
        return Answer(status=206, start=size - length, stop=size) if length else Answer(status=416)
    first = _number(match[1])
    last = _number(match[2]) if match[2] else FAR
    if last < first:
        return None
    if first >= size:
        return Answer(status=416)
    return Answer(status=206, start=first, stop=min(last, size - 1) + 1)


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= 18 else FAR


def _unchanged(headers: Mapping[str, str], file: Representation) -> bool:
    tags = headers.get("if-none-match")
    if tags is not None:  # takes precedence over the date (section 13.2.2)
        return tags.strip() == "*" or file.etag in ENTITY_TAG.findall(tags)
    since = _date(headers.get("if-modified-since"))
    return since is not None and file.modified <= since


def _range_applies(if_range: str | None, file: Representation) -> bool:
    """If-Range wants the very same bytes: a strong tag or exactly our date (section 13.1.5)."""
    if if_range is None:
        return True
    return if_range.strip() == file.etag or _date(if_range) == file.modified


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
