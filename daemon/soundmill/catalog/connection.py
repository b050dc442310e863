"""How the catalogue's file is opened, what a transaction is, and what SQLite's errors mean here."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from soundmill.errors import CatalogError, SoundmillError, StorageUnavailable
from soundmill.faults import passing

R = TypeVar("R")

BUSY_S = 10.0

# Each is the disk's fault and passes: claiming pauses and nothing is lost.
DISK = {
    sqlite3.SQLITE_FULL: "the disk is full: make room",
    sqlite3.SQLITE_READONLY: "the file or its disk is read-only: make it writable for this user",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write: check it (dmesg) and its mount",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check that its folder exists and belongs to this user",
}
MENDS = {
    sqlite3.SQLITE_BUSY: "another process is writing to it: stop whatever else has it open for writing",
    sqlite3.SQLITE_LOCKED: "another process is writing to it: stop whatever else has it open for writing",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a backup, or `sqlite3 catalog.db .recover`",
    sqlite3.SQLITE_NOTADB: "the file is not a catalogue: move it away",
}


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes. Transactions are begun by hand, by `transaction`."""
    passing("catalog.open")
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.row_factory = sqlite3.Row
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",  # a finish that was reported survives a power cut
            "foreign_keys = ON",
            "recursive_triggers = OFF",
            "cache_size = -16384",  # KiB; larger transactions spill to the write-ahead log
            "journal_size_limit = 67108864",  # the log shrinks again after a million-row ingest
        ):
            db.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; it never writes, checkpoints or takes a lock that delays the daemon."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing. IMMEDIATE takes the write lock at once, so a block that has read
    cannot then find that it may not write."""
    try:
        db.execute("BEGIN IMMEDIATE")  # inside the try: interrupted, it can raise and still have begun
        yield
        passing("catalog.commit")
        db.execute("COMMIT")
        passing("catalog.commit.done")
    except BaseException:
        # A full disk makes SQLite roll back by itself.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def written(db: sqlite3.Connection, name: str, change: Callable[[sqlite3.Connection], R]) -> R:
    """What a change comes to, in a transaction of its own that passes the point of that name."""
    with transaction(db):
        result = change(db)
        passing(f"catalog.{name}")
    passing(f"catalog.{name}.done")
    return result


class Asked(Generic[R]):
    """One caller's write, and what came of it."""

    def __init__(self, name: str, change: Callable[[sqlite3.Connection], R]) -> None:
        self.name = name
        self.change = change
        self.done = False
        self.result: R
        self.error: Exception | None = None


class Together:
    """Writes of many threads in one transaction, for a commit waits for the disk as long for one as for fifty.

    Whoever has the connection does all that was asked for meanwhile. One that raises undoes its own part alone; where
    the whole comes to nothing, each is done again by whoever asked for it, by itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Asked[Any]] = []

    def ask(self, asked: Asked[Any]) -> None:
        with self._lock:
            self._waiting.append(asked)

    def settle(self, db: sqlite3.Connection, asked: Asked[R]) -> R:
        """What came of it; for whoever has the connection. Raises what it raised."""
        if not asked.done:
            with self._lock:
                group, self._waiting = self._waiting, []
            others = [each for each in group if each is not asked]
            if others and asked in group:
                with suppress(Exception):  # whoever's it is: nothing of it was done, and it comes again by itself
                    self._all(db, group)
            if not asked.done:
                return written(db, asked.name, asked.change)
        if asked.error is not None:
            raise asked.error
        return asked.result

    def _all(self, db: sqlite3.Connection, group: Sequence[Asked[Any]]) -> None:
        with transaction(db):
            for each in group:
                each.error = None
                db.execute("SAVEPOINT one")
                try:
                    each.result = each.change(db)
                except SoundmillError as error:
                    each.error = error
                    db.execute("ROLLBACK TO one")
                passing(f"catalog.{each.name}")
        for each in group:
            each.done = True
        for each in group:
            passing(f"catalog.{each.name}.done")


@contextmanager
def not_durable(db: sqlite3.Connection) -> Iterator[None]:
    """For what need not outlive a power cut, and is written so often that it should not wait for the disk. What is
    written after the block takes the log to the disk, and this with it."""
    db.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        db.execute("PRAGMA synchronous = FULL")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what sqlite3 raises into StorageUnavailable or CatalogError."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error


def translate(error: sqlite3.Error, path: Path) -> SoundmillError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in DISK:
        return StorageUnavailable(f"{path}: {error}: {DISK[code]}")
    return CatalogError(f"{path}: {error}" + (f": {MENDS[code]}" if code in MENDS else ""))
