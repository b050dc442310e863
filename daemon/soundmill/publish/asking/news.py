"""What has changed in the catalogue, seen by one look for all pages that are open.

A look that finds nothing costs one PRAGMA: SQLite counts the commits of others.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

Piece = tuple[str, dict[str, Any]]  # the name of an event, and its data

MOST_AT_ONCE = 1000  # rows of a kind; after more, pages load themselves again
BATCHES = """
SELECT batch_id, batch, status, done, job_count, n_queued, n_running, n_succeeded, n_failed, n_cancelled, flagged,
       outputs, priority, archived_at
FROM batch_progress WHERE batch_id IN
"""
TAKES = """
SELECT output_id, audio, batch, job, job_id, position, attempt, verdict, score, is_final
FROM takes WHERE output_id > ? ORDER BY output_id LIMIT ?
"""
ANSWERS = """
SELECT answer_id, ulid, action, target, who, state, reason, answered_unix AS answered_at
FROM wish_answers WHERE answer_id > ? ORDER BY answer_id LIMIT ?
"""
DELIVERIES = "SELECT * FROM deliveries"
RESET: Piece = ("reset", {})


class Lookout:
    """Looks at one catalogue. Not safe to share between threads that look at the same time."""

    def __init__(self, catalog: Path) -> None:
        self._catalog = catalog
        self._db: sqlite3.Connection | None = None
        self._version = -1
        self._answer = self._take = 0
        self._batches: dict[int, dict[str, Any]] = {}
        self._deliveries: dict[str, dict[str, Any]] = {}

    def look(self) -> list[Piece]:
        """What is new since the last look; nothing at the first."""
        try:
            return self._look()
        except sqlite3.Error:  # it is being replaced, or busy for long: what was missed is loaded anew
            self.close()
            return [RESET]

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _look(self) -> list[Piece]:
        if self._db is None:
            self._open()
            return []
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        self._db.execute("BEGIN")
        try:
            found = list(self._new())
        finally:
            self._db.execute("ROLLBACK")
        self._version = version
        return found

    def _open(self) -> None:
        uri = f"{self._catalog.absolute().as_uri()}?mode=ro"
        self._db = sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._version = self._db.execute("PRAGMA data_version").fetchone()[0]
        self._answer = self._newest("SELECT max(answer_id) FROM wish_answers")
        self._take = self._newest("SELECT output_id FROM takes ORDER BY output_id DESC LIMIT 1")
        self._batches = self._of_batches(self._unfinished())
        self._deliveries = self._asked_for()

    def _asked_for(self) -> dict[str, dict[str, Any]]:
        return {row["ulid"]: dict(row) for row in self._rows(DELIVERIES)}

    def _newest(self, sql: str) -> int:
        row = self._rows(sql)
        return (row[0][0] or 0) if row else 0

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        assert self._db is not None
        return self._db.execute(sql, values).fetchall()

    def _unfinished(self) -> set[int]:
        return {row["batch_id"] for row in self._rows("SELECT batch_id FROM unfinished_batches")}

    def _of_batches(self, ids: set[int]) -> dict[int, dict[str, Any]]:
        marks = ", ".join(str(each) for each in sorted(ids)[-MOST_AT_ONCE:])
        return {row["batch_id"]: dict(row) for row in self._rows(f"{BATCHES} ({marks})")} if ids else {}

    def _new(self) -> Iterator[Piece]:
        answers = [dict(row) for row in self._rows(ANSWERS, self._answer, MOST_AT_ONCE)]
        takes = [dict(row) for row in self._rows(TAKES, self._take, MOST_AT_ONCE)]
        unfinished = self._unfinished()
        # One that has just ended, or that somebody asked to put away, is told once more.
        named = {row["target"] for row in answers if row["action"] in ("archive", "unarchive")}
        put_away = {
            row["batch_id"]
            for name in named
            for row in self._rows("SELECT batch_id FROM batch_progress WHERE batch = ? OR ulid = ?", name, name)
        }
        batches = self._of_batches(unfinished | set(self._batches) | put_away)
        if len(answers) == MOST_AT_ONCE or len(takes) == MOST_AT_ONCE:
            yield RESET
        else:
            yield from (("answer", row) for row in answers)
            yield from (("take", row) for row in takes)
        yield from (("batch", row) for batch_id, row in batches.items() if row != self._batches.get(batch_id))
        deliveries = self._asked_for()
        yield from (("delivery", row) for ulid, row in deliveries.items() if row != self._deliveries.get(ulid))
        self._deliveries = deliveries
        self._answer = answers[-1]["answer_id"] if answers else self._answer
        self._take = takes[-1]["output_id"] if takes else self._take
        self._batches = {batch_id: row for batch_id, row in batches.items() if batch_id in unfinished}


class Feed:
    """The latest news, numbered and as bytes of a text/event-stream.

    Numbers begin at the time, so that those of an earlier process of this site are too old, never taken for others.
    """

    def __init__(self, clock: Callable[[], float] = time.time, most: int = 2000) -> None:
        self._next = int(clock() * 1000)
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=most)
        self._first = self._next

    def add(self, piece: Piece) -> bytes:
        """The event as it is sent, kept for those who come back."""
        name, data = piece
        number, self._next = self._next, self._next + 1
        if len(self._kept) == self._kept.maxlen:
            self._first = self._kept[0][0] + 1
        event = encoded(name, data, number)
        self._kept.append((number, event))
        return event

    def since(self, number: int | None) -> list[bytes]:
        """What came after the event of that number, or that it is too long ago to tell; nothing without a number."""
        if number is None:
            return []
        if number < self._first - 1 or number >= self._next:
            return [encoded(*RESET, self._next - 1)]
        return [event for kept, event in self._kept if kept > number]


def encoded(name: str, data: object, number: int | None = None) -> bytes:
    numbered = f"id: {number}\n" if number is not None else ""
    return f"{numbered}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")
