"""What one question may cost: limits of SQLite, its memory, and the bytes of an answer.

Anybody who reads the site may send SQL, and Datasette bounds only its time and its rows. Without more,
`select zeroblob(1e9)` takes gigabytes before a step of the virtual machine could stop it.
"""

from __future__ import annotations

import re
import sqlite3
import weakref
from collections.abc import Callable
from typing import Any

LARGEST_VALUE = 8_000_000  # bytes of a text, a blob or a row on its way; the longest in a catalogue is under 1 MB
LARGEST_ANSWER = 8_000_000  # bytes of all rows together
MEMORY = 256_000_000  # bytes of SQLite in this process, all its questions together

LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LARGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
WIDE = re.compile(r"%[^a-zA-Z]*(\*|\d{4})")  # a width or precision of four digits, or one that is given apart
HOME_TELLS = "pragma_database_list"  # it holds the path of the home folder; PRAGMA itself cannot be asked


def bound(connection: sqlite3.Connection) -> None:
    """Put the limits on a connection that visitors' SQL will run on. Memory is bounded for the whole process."""
    for limit, most in LIMITS.items():
        connection.setlimit(limit, most)
    connection.execute(f"PRAGMA hard_heap_limit = {MEMORY}")
    connection.set_authorizer(_authorize)
    _shadow_slow_functions(connection)
    connection.row_factory = answer_budget(LARGEST_ANSWER)


def _authorize(action: int, what: str | None, *_: str | None) -> int:
    return (
        sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ and (what or "").lower() == HOME_TELLS
        else sqlite3.SQLITE_OK
    )


def answer_budget(most: int) -> Callable[[sqlite3.Cursor, tuple[Any, ...]], sqlite3.Row]:
    """A row factory that raises OperationalError at the row with which a cursor's answer exceeds `most` bytes."""
    asked: Callable[[], sqlite3.Cursor | None] = lambda: None  # noqa: E731
    taken = 0

    def row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> sqlite3.Row:
        nonlocal asked, taken
        if asked() is not cursor:
            asked, taken = weakref.ref(cursor), 0
        taken += sum(len(value) if isinstance(value, str | bytes) else 8 for value in values)
        if taken > most:
            raise sqlite3.OperationalError(f"the answer is over {most // 1_000_000} MB: ask for fewer rows or columns")
        return sqlite3.Row(cursor, values)

    return row


def _shadow_slow_functions(connection: sqlite3.Connection) -> None:
    """Put our own in place of what is not interrupted within a call, and can take minutes for two long texts."""
    own = sqlite3.connect(":memory:", check_same_thread=False)
    own.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)

    def formatted(*values: Any) -> Any:
        if values and isinstance(values[0], str) and WIDE.search(values[0]):
            raise ValueError("a format may not be wider than 999")
        return own.execute(f"SELECT printf({', '.join('?' * len(values))})", values).fetchone()[0]

    for name in ("printf", "format"):
        connection.create_function(name, -1, formatted, deterministic=True)
    connection.create_function("instr", 2, _instr, deterministic=True)
    connection.create_function("replace", 3, _replace, deterministic=True)


def _instr(text: Any, part: Any) -> int | None:
    if text is None or part is None:
        return None
    if not (isinstance(text, bytes) and isinstance(part, bytes)):
        text, part = _text(text), _text(part)
    return int(text.find(part)) + 1


def _replace(text: Any, part: Any, new: Any) -> str | None:
    if text is None or part is None or new is None:
        return None
    whole, searched, put = _text(text), _text(part), _text(new)
    if not searched:
        return whole
    if len(whole) + whole.count(searched) * (len(put) - len(searched)) > LARGEST_VALUE:
        raise ValueError("too long")
    return whole.replace(searched, put)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
