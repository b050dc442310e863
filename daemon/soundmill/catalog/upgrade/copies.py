"""A copy of the catalogue from before it is brought up to date: whole, checked, and on the disk before a step is done.

It is a plain SQLite file without a write-ahead log: to go back, install the Soundmill that wrote it, and put the copy
in the place of catalog.db while no daemon runs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from soundmill.catalog.connection import translated
from soundmill.disk import gone_if_it_fails, part_of, sync_folder, unavailable
from soundmill.errors import CatalogError, StorageUnavailable
from soundmill.faults import passing
from soundmill.words import size

FOLDER = "backups"
KEPT = 3
MARGIN_BYTES = 32 * 1024 * 1024  # for the change itself, which rewrites tables at most in part


def copy_before(db: sqlite3.Connection, catalog: Path, step: str, *, now: float) -> Path:
    """Copy the catalogue as it is before `step`, and return where to; a former copy from before the same step goes.

    Raises StorageUnavailable where there is no room, CatalogError where the copy is not whole.
    """
    folder = catalog.absolute().parent / FOLDER
    number = step[1:5]
    target = folder / f"before-{number}-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}.db"
    try:
        passing("upgrade.folder")
        folder.mkdir(exist_ok=True)
        _must_have_room(db, folder)
        part = part_of(folder / f"before-{number}.db")  # without the time: what a killed start has left is overwritten
        for end in ("", "-journal", "-wal", "-shm"):
            passing("upgrade.clear")
            part.with_name(f"{part.name}{end}").unlink(missing_ok=True)
        with gone_if_it_fails(part), translated(target):
            write_copy(db, part)
            passing("upgrade.name")
            part.replace(target)
            sync_folder(folder)
        for former in folder.glob(f"before-{number}-*.db"):
            if former != target:
                passing("upgrade.former")
                former.unlink()
    except OSError as error:
        raise unavailable(target, error) from error
    return target


def write_copy(db: sqlite3.Connection, target: Path) -> None:
    """Write all that a connection sees, also what is in its write-ahead log, into a new file; it is checked and on the
    disk when this returns. Raises CatalogError where it is not whole, sqlite3.Error, OSError."""
    passing("upgrade.copy")
    with copied_into(db, target) as copy:
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise CatalogError(f"{target}: the copy of the catalogue is not whole ({found}): check the disk")
    handle = os.open(target, os.O_RDONLY)
    try:
        passing("upgrade.sync")
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def copied_into(db: sqlite3.Connection, target: Path) -> Iterator[sqlite3.Connection]:
    """All that a connection sees, in a new file, by SQLite's online backup (https://sqlite.org/backup.html).

    One step for all pages: the connection holds its snapshot of the write-ahead log meanwhile, and no writer waits.
    """
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")  # a copy that is broken off is made anew
        passing("copies.backup")
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself; the daemon sets its own again
        yield copy


def forget_old(catalog: Path) -> None:
    """Of the copies only the latest stay. What cannot be removed stays too."""
    copies = sorted((catalog.absolute().parent / FOLDER).glob("before-*.db"), key=lambda copy: copy.stat().st_mtime)
    for old in copies[:-KEPT]:
        with suppress(OSError):
            passing("upgrade.forget")
            old.unlink()


def latest(catalog: Path) -> str | None:
    """The latest copy, as it is named in the home; None where there is none."""
    copies = (catalog.absolute().parent / FOLDER).glob("before-*.db")
    newest = max(copies, key=lambda copy: copy.stat().st_mtime, default=None)
    return None if newest is None else f"{FOLDER}/{newest.name}"


def _must_have_room(db: sqlite3.Connection, folder: Path) -> None:
    needed = int(db.execute("PRAGMA page_count").fetchone()[0]) * int(db.execute("PRAGMA page_size").fetchone()[0])
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN_BYTES:
        raise StorageUnavailable(
            f"{folder}: before this Soundmill brings the catalogue up to date it copies it, which takes {size(needed)};"
            f" {size(free)} are free: make room, and start it again"
        )
