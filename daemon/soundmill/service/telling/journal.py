"""Every event of the catalogue as one line of the log."""

from __future__ import annotations

import logging
from typing import Protocol

from soundmill.catalog.rows import Event

log = logging.getLogger("soundmill.events")

AT_ONCE = 200
# What somebody should look at. The others tell that work goes on.
WARNINGS = frozenset({
    "alert failed", "control refused", "daemon died", "file rejected", "file stuck", "inbox restarted", "report failed",
    "scoring held up", "scoring restarted", "settings refused", "site restarted", "site unavailable",
    "storage unavailable", "take missing", "take not scored", "trouble", "worker replaced",
})  # fmt: skip


class Board(Protocol):
    """What the journal needs of the catalogue."""

    def last_event(self) -> int: ...
    def events_after(self, event_id: int, limit: int) -> list[Event]: ...


class Journal:
    """Follows the events from when it is made. An event that the catalogue does not take is handed to `unrecorded`."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._seen = board.last_event()

    def check(self) -> None:
        """Raises CatalogError, StorageUnavailable."""
        while events := self._board.events_after(self._seen, AT_ONCE):
            for event in events:
                _write(event.kind, event.message, batch=event.batch, job=event.job, worker=event.worker)
                self._seen = event.id

    def unrecorded(self, kind: str, message: str, worker: str | None) -> None:
        _write(kind, message, worker=worker, recorded="no")


def _write(kind: str, message: str, **fields: str | None) -> None:
    level = logging.WARNING if kind in WARNINGS else logging.INFO
    log.log(level, "%s: %s", kind, message, extra={"fields": {"event": kind, "text": message, **fields}})
