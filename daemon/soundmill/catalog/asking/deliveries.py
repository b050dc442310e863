"""Deliveries that people asked for on the site, and what became of each.

They outlive the daemon: what was being made when it ended is made when it runs again.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from soundmill.catalog.asking import shortlists
from soundmill.catalog.wishes import resolve
from soundmill.errors import InvalidControl
from soundmill.jobs import DeliveryAsked

MOST_WAITING = 50
OPEN = "state IN ('waiting', 'making')"  # as the partial index asked_deliveries_open says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One delivery: of a batch, by its ulid in `named`, or of a shortlist, whose name that is; `target` is what people
    call either. `takes` is the most it can have."""

    ulid: str
    of: str
    target: str
    named: str
    takes: int
    profile: str
    zipped: bool
    rights: bool


def ask(
    db: sqlite3.Connection, now: float, ulid: str, who: str, *, target: str, of: str, asked: DeliveryAsked, rights: bool
) -> None:
    """Note that somebody wants the takes of a batch or a shortlist delivered; with `rights` also those that may not be
    sold. Raises InvalidControl for what is neither, is being made already, or when too much waits."""
    if of == "batch":
        found = resolve(db, target)
        if found.job_id is not None:
            raise InvalidControl(f"{found.label}: is a job; deliver its batch, or pick it into a shortlist")
        row = db.execute("SELECT ulid, job_count FROM batches WHERE id = ?", (found.batch_id,)).fetchone()
        name, named, takes = found.label, str(row["ulid"]), int(row["job_count"])
    else:
        name = named = shortlists.find(db, target)
        counted = "SELECT count(*) FROM picks p JOIN shortlists s ON s.id = p.shortlist_id WHERE s.name = ?"
        takes = int(db.execute(counted, (name,)).fetchone()[0])
    waiting = db.execute(f"SELECT of_what, named, profile FROM asked_deliveries WHERE {OPEN}").fetchall()
    if any(tuple(each) == (of, named, asked.profile) for each in waiting):
        raise InvalidControl(f"{name}: its delivery by the profile {asked.profile} is being made already")
    if len(waiting) >= MOST_WAITING:
        raise InvalidControl(f"{len(waiting)} deliveries wait already; ask again when some are made")
    db.execute(
        "INSERT INTO asked_deliveries"
        " (ulid, of_what, target, named, takes, profile, zipped, rights, who, asked_at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",
        (ulid, of, name, named, takes, asked.profile, asked.zipped, rights, who, now),
    )


def next_wanted(db: sqlite3.Connection) -> Wanted | None:
    """The one to be made now: one that was begun, else the first that waits."""
    row = db.execute(
        "SELECT ulid, of_what, target, named, takes, profile, zipped, rights FROM asked_deliveries"
        f" WHERE {OPEN} ORDER BY state <> 'making', id LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    return Wanted(
        ulid=row["ulid"],
        of=row["of_what"],
        target=row["target"],
        named=row["named"],
        takes=row["takes"],
        profile=row["profile"],
        zipped=bool(row["zipped"]),
        rights=bool(row["rights"]),
    )


def delivery_begun(db: sqlite3.Connection, ulid: str) -> None:
    db.execute("UPDATE asked_deliveries SET state = 'making' WHERE ulid = ?", (ulid,))


def delivery_ended(
    db: sqlite3.Connection, now: float, ulid: str, said: str, *, folder: str | None, zip_file: str | None
) -> None:
    """What became of one, in words; it was made where there is a `folder`."""
    state = "failed" if folder is None else "made"
    db.execute(
        "UPDATE asked_deliveries SET state = ?, said = ?, folder = ?, zip_file = ?, ended_at = ? WHERE ulid = ?",
        (state, said, folder, zip_file, now, ulid),
    )
