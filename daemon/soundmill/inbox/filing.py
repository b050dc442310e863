"""Inbox: accepted/ and rejected/, filed by month, so that no folder holds a year's files.

A file belongs to the month of its claim, which its ulid tells: however often its move is tried again, it is the same
one. A name stands for one file in all months, and in the folder itself, where files lay before there were months,
because the rest of a file is asked for by its name alone.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from ulid import ULID

_MONTH = re.compile(r"\d{4,}-\d\d")
UNDATED = "undated"  # for the claim of a hand that made up its ulid


def month_of(ulid: str) -> str:
    """`2026-11`: the month (UTC) in which a ulid was made."""
    try:
        made = time.gmtime(ULID.from_str(ulid.upper()).milliseconds / 1000)
    except ValueError:
        return UNDATED
    return f"{made.tm_year:04}-{made.tm_mon:02}"


class Filed:
    """One of the two folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: tuple[int, list[Path]] | None = None

    def holds(self, name: str, *, beside: Path | None = None) -> bool:
        """Whether a file of that name lies in it, whatever its month, but for the one `beside`. Raises OSError."""
        return any(os.path.lexists(place / name) for place in self._places() if place != beside)

    def _places(self) -> list[Path]:
        """The folders in it, and itself where it holds files. Listed anew when one has come or gone."""
        try:
            changed = self.folder.stat().st_mtime_ns
            if self._known is None or self._known[0] != changed:
                with os.scandir(self.folder) as entries:
                    filed = {entry.name for entry in entries}
                months = {name for name in filed if _MONTH.fullmatch(name) or name == UNDATED}
                own = [self.folder] if filed - months else []
                self._known = changed, [*own, *(self.folder / month for month in sorted(months, reverse=True))]
        except FileNotFoundError:
            return []
        return self._known[1]
