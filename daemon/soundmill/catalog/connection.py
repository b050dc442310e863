"""How the catalogue's file is opened, what a transaction is, and what SQLite's errors mean here."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
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
    """What one caller wants done, and what came of it. One that only `reads` needs no commit."""

    def __init__(self, name: str, change: Callable[[sqlite3.Connection], R], *, reads: bool = False) -> None:
        self.name = name
        self.change = change
        self.reads = reads
        self._turn = threading.Lock()
        self._turn.acquire()
        self.done = False
        self.result: R
        self.error: Exception | None = None

    def wait(self) -> None:
        """Until it is done, or its caller is to see to it."""
        self._turn.acquire()

    def go_on(self) -> None:
        """Once for each."""
        self._turn.release()

    def outcome(self) -> R:
        """Raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Together:
    """What many threads want of the connection, in one transaction: a commit waits for the disk as long for one as for
    fifty, and fifty that have to be handed the connection one after another wait for each other.

    One of them does all that was asked for meanwhile, reads too, and then whoever asked first after that does. One that
    raises undoes its own part alone; where the whole comes to nothing, each is done again by whoever asked for it, by
    itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Asked[Any]] = []
        self._leads: Asked[Any] | None = None
        self._led: list[Asked[Any]] = []

    def do(self, asked: Asked[R], connected: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> R:
        """What came of it, done by this thread or by another one. Raises what it raised."""
        self.ask(asked)
        try:
            asked.wait()
            if asked.done:
                return asked.outcome()
            with connected() as db:
                return self.settle(db, asked)
        finally:
            self._hand_on(asked)

    def ask(self, asked: Asked[Any]) -> None:
        with self._lock:
            self._waiting.append(asked)
            if self._leads is not None:
                return
            self._leads = asked
        asked.go_on()

    def settle(self, db: sqlite3.Connection, asked: Asked[R]) -> R:
        """What came of it; for whoever has the connection. Raises what it raised."""
        if not asked.done:
            group: list[Asked[Any]] = []
            with self._lock:
                if asked in self._waiting:
                    group, self._waiting = self._waiting, []
                    self._led = group
            if len(group) > 1:
                with suppress(Exception):  # whoever's it is: nothing of it was done, and it comes again by itself
                    self._all(db, group)
            if not asked.done:
                return asked.change(db) if asked.reads else written(db, asked.name, asked.change)
        return asked.outcome()

    def _hand_on(self, asked: Asked[Any]) -> None:
        if asked.done and asked is not self._leads:
            return
        with self._lock:
            if asked in self._waiting:
                self._waiting.remove(asked)  # it was interrupted
            if asked is not self._leads:
                return
            served = [each for each in self._led if each is not asked]
            self._led = []
            self._leads = self._waiting[0] if self._waiting else None
            if self._leads is not None:
                served.append(self._leads)
        for each in served:  # out of the lock, which all of them want next
            each.go_on()

    def _all(self, db: sqlite3.Connection, group: Sequence[Asked[Any]]) -> None:
        if all(each.reads for each in group):
            for each in group:
                self._one(db, each)
        else:
            with transaction(db):
                for each in group:
                    self._one(db, each)
        for each in group:
            each.done = True
        for each in group:
            if not each.reads:
                passing(f"catalog.{each.name}.done")

    @staticmethod
    def _one(db: sqlite3.Connection, asked: Asked[Any]) -> None:
        asked.error = None
        if not asked.reads:
            db.execute("SAVEPOINT one")
        try:
            asked.result = asked.change(db)
        except SoundmillError as error:
            asked.error = error
            if not asked.reads:
                db.execute("ROLLBACK TO one")
        if not asked.reads:
            passing(f"catalog.{asked.name}")


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
