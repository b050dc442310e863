"""Whether a catalogue is what it was: SQLite counts the commits of others, and the changes of the schema."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Version:
    """Of one catalogue, asked on a connection of its own; not by two threads at once. A question takes some 20 µs."""

    def __init__(self, catalog: Path) -> None:
        self._catalog = catalog
        self._db: sqlite3.Connection | None = None

    def data(self) -> int | None:
        """A number that is another one after each commit, of this process; None while the catalogue cannot be asked,
        and then nothing that was known of it is known any more."""
        return self._ask("data_version")

    def schema(self) -> int | None:
        """The same of tables and views."""
        return self._ask("schema_version")

    def _ask(self, pragma: str) -> int | None:
        try:
            if self._db is None:
                uri = f"{self._catalog.absolute().as_uri()}?mode=ro"
                self._db = sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None, check_same_thread=False)
            return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])
        except sqlite3.Error:
            return None
