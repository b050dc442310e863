"""Which reports and deliveries are owed. Reports: those of batches that have ended, and those that something was
changed under since.

A batch's `changed_at` is when what its report tells last changed other than by a job's end: a rating, a score, a
verdict, a take kept or set aside, the first report of a later batch of its experiment. `reported_at` is the moment that
its report is true of. Both are in the catalogue, so the wish for a new report outlives the daemon. A change is later
than whatever the batch knows, also where the clock was set back in between.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from soundmill.catalog.experiments import family
from soundmill.jobs import DeliveryAsked

# As the partial index batches_report_owed says it, word for word: this is asked several times a second.
OWED = """
SELECT id, name, job_count, finished_at, changed_at, reported_at FROM batches b
WHERE finished_at IS NOT NULL AND (reported_at IS NULL OR reported_at < changed_at)
    -- A report names files, so it waits until they are where they belong.
    AND NOT EXISTS (SELECT 1 FROM selections_due WHERE batch_id = b.id)
    AND NOT EXISTS (SELECT 1 FROM moves WHERE batch_id = b.id)
ORDER BY reported_at IS NOT NULL, CASE WHEN reported_at IS NOT NULL THEN changed_at END DESC, id
"""

LATER_S = 0.001
CHANGE = f"""
UPDATE batches SET changed_at = max(
    ?1,
    coalesce(changed_at + {LATER_S} * (changed_at > ?1), 0),
    coalesce(reported_at + {LATER_S} * (reported_at > ?1), 0),
    coalesce(finished_at + {LATER_S} * (finished_at > ?1), 0)
) WHERE id = ?2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A batch whose report is owed; `again` when it has one that is out of date since `changed_at` or before. A report
    that is begun now is true of `known_at`."""

    id: int
    name: str
    job_count: int
    known_at: float
    changed_at: float | None
    again: bool


# As the partial index batches_to_deliver says it.
UNDELIVERED = """
SELECT id, ulid, name, job_count, finished_at, deliver FROM batches b
WHERE deliver IS NOT NULL AND finished_at IS NOT NULL AND (delivered_at IS NULL OR delivered_at < finished_at)
    AND NOT EXISTS (SELECT 1 FROM selections_due WHERE batch_id = b.id)
    AND NOT EXISTS (SELECT 1 FROM moves WHERE batch_id = b.id)
ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A batch that has ended, and whose job file wants its takes delivered."""

    id: int
    ulid: str
    name: str
    job_count: int
    finished_at: float
    asked: DeliveryAsked


def undelivered(db: sqlite3.Connection, limit: int = -1) -> list[Undelivered]:
    """The oldest batch first; one whose jobs ran again after its delivery is owed another."""
    return [
        Undelivered(
            id=row["id"],
            ulid=row["ulid"],
            name=row["name"],
            job_count=row["job_count"],
            finished_at=row["finished_at"],
            asked=DeliveryAsked(**json.loads(row["deliver"])),
        )
        for row in db.execute(f"{UNDELIVERED} LIMIT ?", (limit,))
    ]


def mark_delivered(db: sqlite3.Connection, batch_id: int, read_at: float) -> None:
    """The batch's takes as they were when it ended at `read_at` are delivered."""
    db.execute("UPDATE batches SET delivered_at = ? WHERE id = ?", (read_at, batch_id))


def changed(db: sqlite3.Connection, now: float, batch_ids: Iterable[int]) -> set[int]:
    """Something changed that the reports of these batches tell, and those of batches that go on with them.

    The ids of all of them.
    """
    telling = {row["id"] for batch_id in set(batch_ids) for row in family(db, batch_id) if row["id"] >= batch_id}
    db.executemany(CHANGE, ((now, batch_id) for batch_id in sorted(telling)))
    return telling


def unreported(db: sqlite3.Connection, limit: int = -1) -> list[Owed]:
    """First reports before new ones, the oldest batch first; of the others the one changed last. All, or `limit`."""
    return [
        Owed(
            id=row["id"],
            name=row["name"],
            job_count=row["job_count"],
            known_at=max(row["finished_at"], row["changed_at"] or 0.0),
            changed_at=row["changed_at"],
            again=row["reported_at"] is not None,
        )
        for row in db.execute(f"{OWED} LIMIT ?", (limit,))
    ]


def mark_reported(db: sqlite3.Connection, batch_id: int, read_at: float) -> None:
    """The batch's report is written, of what was known at `read_at`; ignored when the batch was taken up again
    meanwhile, and perhaps finished again. What changed after `read_at` makes it owed again.

    A batch's first report is news for those of the earlier batches of its experiment: they can name it then.
    """
    first = db.execute("SELECT reported_at IS NULL FROM batches WHERE id = ?", (batch_id,)).fetchone()
    marked = db.execute(
        "UPDATE batches SET reported_at = ? WHERE id = ? AND finished_at <= ?",
        (read_at, batch_id, read_at),
    )
    if marked.rowcount and first[0]:
        db.executemany(
            CHANGE,
            ((read_at, row["id"]) for row in family(db, batch_id) if row["id"] < batch_id),
        )
