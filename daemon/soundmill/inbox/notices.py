"""Inbox: what lies in the folder and is not taken, and why. Each is said once as an event and shown while it lasts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["not here yet", "held", "not a job file", "changed after it was accepted"]
MOST_SHOWN = 100
SETTING = "inbox notices"  # the view inbox_notices reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that lies there. `message` is a sentence without the file's name, the mend in it."""

    kind: Kind
    file_name: str
    message: str

    @property
    def passes(self) -> bool:
        """Whether it goes away by itself: shown, but no event."""
        return self.kind == "not here yet"


class Board(Protocol):
    """Where notices are put: the catalogue."""

    def event(self, kind: str, message: str) -> None: ...

    def get_setting(self, key: str) -> str | None: ...

    def set_setting(self, key: str, value: str) -> None: ...


class Notices:
    """Keeps the board up to date. What it shows outlives a restart, so that nothing is said twice."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._shown: str | None = None
        self._told: set[tuple[str, str]]  # from the first post on
        self._lasting: set[tuple[str, str]] = set()

    def post(self, notices: Sequence[Notice]) -> None:
        """Show these and no others. Raises CatalogError, StorageUnavailable; what was not said is then still due."""
        if self._shown is None:
            self._shown = self._board.get_setting(SETTING) or "[]"
            self._told = {(str(one["kind"]), str(one["file"])) for one in json.loads(self._shown)}
        shown = sorted(notices, key=lambda notice: (notice.passes, notice.kind, notice.file_name))[:MOST_SHOWN]
        for notice in shown:
            key = notice.kind, notice.file_name
            if not notice.passes and key not in self._told:
                self._board.event(f"file {notice.kind}", f"{notice.file_name}: {notice.message}")
                self._told.add(key)
        rows = [{"kind": one.kind, "file": one.file_name, "message": one.message} for one in shown]
        if len(notices) > len(shown):
            more = f"and {len(notices) - len(shown):,} more files that are not taken"
            rows.append({"kind": "not a job file", "file": "", "message": more})
        lasting: set[tuple[str, str]] = {(one.kind, one.file_name) for one in notices}
        self._told -= self._lasting - lasting  # gone; what a former daemon told may not have been looked at long enough
        self._lasting = lasting
        text = json.dumps(rows, ensure_ascii=False)
        if text != self._shown:
            self._board.set_setting(SETTING, text)
            self._shown = text
