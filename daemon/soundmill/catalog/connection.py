"""How the catalogue's file is opened, what a transaction is, and what SQLite's errors mean here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundmill.errors import CatalogError, SoundmillError, StorageUnavailable
from soundmill.faults import passing

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
