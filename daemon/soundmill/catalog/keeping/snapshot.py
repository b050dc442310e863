"""A copy of the catalogue as of one moment, while the daemon writes to it; and whether a catalogue is whole."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from soundmill.catalog.connection import connect_reader, translated
from soundmill.catalog.upgrade.copies import copied_into
from soundmill.errors import CatalogError
from soundmill.faults import passing

MOST_FAULTS = 20  # are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What the catalogue says of the file of a take. `path` is relative to the outputs folder; of a take that was
    `pruned` there is none; while it is `moving` it may lie at its former or next place, too."""

    path: str
    size_bytes: int
    sha256: str
    job: str  # batch/job
    pruned: bool
    moving: bool


def copy(catalog: Path, target: Path) -> None:
    """Copy the catalogue into one file, and check it. Raises CatalogError where it is damaged, StorageUnavailable."""
    passing("snapshot.clear")
    target.unlink(missing_ok=True)
    passing("snapshot.copy")
    with (
        translated(catalog),
        contextlib.closing(connect_reader(catalog)) as source,
        translated(target),
        copied_into(source, target),
    ):
        pass
    must_be_whole(target)


def must_be_whole(catalog: Path) -> None:
    """Raises CatalogError where the file is damaged."""
    if found := faults(catalog):
        raise CatalogError(f"{catalog}: damaged: {found[0]}")


def faults(catalog: Path) -> list[str]:
    """What SQLite finds wrong with a catalogue, MOST_FAULTS at most."""
    try:
        with contextlib.closing(connect_reader(catalog)) as db:
            found = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({MOST_FAULTS})")]
            rows = db.execute("PRAGMA foreign_key_check").fetchmany(MOST_FAULTS)
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [each for each in found if each != "ok"] + [
        f"{'a row' if row[1] is None else f'row {row[1]}'} of {row[0]} names a row of {row[2]} that is not there"
        for row in rows  # some tables have no numbers for their rows
    ]


def taken_in(catalog: Path, since: float) -> tuple[set[str], set[str]]:
    """Of the job files accepted or refused since then (Unix seconds): hashes of their contents, ulids of their claims.

    Raises CatalogError.
    """
    with translated(catalog), contextlib.closing(connect_reader(catalog)) as db:
        rows = db.execute(
            "SELECT sha256, ulid FROM batches WHERE created_at >= ?1"
            " UNION ALL SELECT sha256, ulid FROM rejections WHERE rejected_at >= ?1",
            (since,),
        ).fetchall()
    return {row["sha256"] for row in rows} - {None}, {row["ulid"] for row in rows}


def filed(catalog: Path) -> list[Filed]:
    """The files of all takes, in the order they were filed. Also of a catalogue that no daemon of this version has
    opened yet. Raises CatalogError."""
    with translated(catalog), contextlib.closing(connect_reader(catalog)) as db:
        known = {row["name"] for row in db.execute("PRAGMA table_info(outputs)")}
        pruned = "o.pruned_at IS NOT NULL" if "pruned_at" in known else "0"
        rows = db.execute(
            "SELECT o.path, o.size_bytes, o.sha256, b.name || '/' || j.name AS job,"
            f" {pruned} AS pruned, m.output_id IS NOT NULL AS moving FROM outputs o"
            " JOIN jobs j ON j.id = o.job_id JOIN batches b ON b.id = o.batch_id"
            " LEFT JOIN moves m ON m.output_id = o.id ORDER BY o.id"
        )
        return [Filed(**dict(row) | {name: bool(row[name]) for name in ("pruned", "moving")}) for row in rows]
