"""Deliveries that people asked for on the site, and what became of each.

They stand in one of the settings, the latest KEPT of those that have ended, and outlive the daemon: what was being made
when it ended is made when it runs again.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, replace

from soundmill.catalog.asking import shortlists
from soundmill.catalog.state import get_setting, set_setting
from soundmill.catalog.wishes import resolve
from soundmill.errors import InvalidControl
from soundmill.jobs import DeliveryAsked

KEY = "deliveries"
KEPT = 100
MOST_WAITING = 50
WAITING, MAKING, MADE, FAILED = "waiting", "making", "made", "failed"
OPEN = (WAITING, MAKING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One delivery: of a batch, by its ulid in `named`, or of a shortlist, whose name that is; `target` is what people
    call either. `takes` is the most it can have; `folder` and `zip`, below the home's deliveries, are where it went."""

    ulid: str
    of: str
    target: str
    named: str
    takes: int
    profile: str
    zipped: bool
    rights: bool
    who: str
    asked_at: float
    state: str = WAITING
    folder: str | None = None
    zip: str | None = None
    said: str | None = None
    ended_at: float | None = None


def ask(
    db: sqlite3.Connection, now: float, ulid: str, who: str, *, target: str, of: str, asked: DeliveryAsked, rights: bool
) -> None:
    """Note that somebody wants the takes of a batch or a shortlist delivered; with `rights` also those that may not be
    sold. Raises InvalidControl for what is neither, is being made already, or when too much waits."""
    every = everything(db)
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
    waiting = [each for each in every if each.state in OPEN]
    if any((each.of, each.named, each.profile) == (of, named, asked.profile) for each in waiting):
        raise InvalidControl(f"{name}: its delivery by the profile {asked.profile} is being made already")
    if len(waiting) >= MOST_WAITING:
        raise InvalidControl(f"{len(waiting)} deliveries wait already; ask again when some are made")
    wanted = Wanted(
        ulid=ulid, of=of, target=name, named=named, takes=takes, profile=asked.profile, zipped=asked.zipped,
        rights=rights, who=who, asked_at=now,
    )  # fmt: skip
    _keep(db, [*every, wanted])


def everything(db: sqlite3.Connection) -> list[Wanted]:
    """All that are known, in the order they were asked for."""
    return [Wanted(**each) for each in json.loads(get_setting(db, KEY) or "[]")]


def next_wanted(db: sqlite3.Connection) -> Wanted | None:
    """The one to be made now: one that was begun, else the first that waits."""
    due = [each for each in everything(db) if each.state in OPEN]
    return min(due, key=lambda each: each.state != MAKING, default=None)


def delivery_begun(db: sqlite3.Connection, ulid: str) -> None:
    _change(db, ulid, state=MAKING)


def delivery_ended(
    db: sqlite3.Connection, now: float, ulid: str, said: str, *, folder: str | None, zip_file: str | None
) -> None:
    """What became of one, in words; it was made where there is a `folder`."""
    state = FAILED if folder is None else MADE
    _change(db, ulid, state=state, said=said, folder=folder, zip=zip_file, ended_at=now)


def _change(db: sqlite3.Connection, ulid: str, **changes: str | float | None) -> None:
    _keep(db, [replace(each, **changes) if each.ulid == ulid else each for each in everything(db)])  # type: ignore[arg-type]


def _keep(db: sqlite3.Connection, every: list[Wanted]) -> None:
    ended = [each for each in every if each.state not in OPEN]
    gone = {each.ulid for each in ended[:-KEPT]}
    set_setting(db, KEY, json.dumps([asdict(each) for each in every if each.ulid not in gone], ensure_ascii=False))
