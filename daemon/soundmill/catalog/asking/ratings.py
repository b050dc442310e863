"""What people think of takes: stars, a rejection, a note; of each take one row a person.

The stars of a take are the mean over everybody who gave any. A take that anybody rejects is never chosen as the best,
whatever the others say, until that person takes it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from soundmill.catalog.outputs import batches_of
from soundmill.catalog.reports import changed
from soundmill.catalog.selection import note_rating
from soundmill.catalog.wishes import take_of
from soundmill.errors import InvalidControl

OWNER = "owner"  # whoever uses the command line, or came by the local link

NOTHING: dict[str, Any] = {"stars": None, "rejected": 0, "note": None}


def rate(
    db: sqlite3.Connection,
    now: float,
    target: str,
    stars: int | None,
    note: str | None,
    who: str = OWNER,
    *,
    keep_note: bool = False,
    rejected: bool | None = None,
) -> set[int]:
    """Rate a take: by its file, or the latest take of a job. Another rating of the same person replaces the first,
    with `keep_note` but for the note; None takes the stars back. `rejected` None leaves a rejection as it is.

    The ids of the batches whose reports tell of it.
    """
    if stars is not None and not 1 <= stars <= 5:
        raise InvalidControl(f"{target}: a rating is 1 to 5 stars, not {stars}")
    changes: dict[str, Any] = {"stars": stars}
    if not keep_note:
        changes["note"] = note
    if rejected is not None:
        changes["rejected"] = int(rejected)
    return _mark(db, now, target, who, changes)


def reject(db: sqlite3.Connection, now: float, target: str, who: str, *, rejected: bool) -> set[int]:
    """Reject a take, or take that back; the batches as for `rate`."""
    return _mark(db, now, target, who, {"rejected": int(rejected)})


def annotate(db: sqlite3.Connection, now: float, target: str, who: str, note: str | None) -> set[int]:
    """Put a note in place of the person's own of a take, or take it away; the batches as for `rate`."""
    return _mark(db, now, target, who, {"note": note})


def _mark(db: sqlite3.Connection, now: float, target: str, who: str, changes: Mapping[str, Any]) -> set[int]:
    take = take_of(db, target)
    row = db.execute(
        "SELECT stars, rejected, note FROM ratings WHERE output_id = ? AND who = ?", (take, who)
    ).fetchone()
    before: dict[str, Any] = NOTHING if row is None else dict(row)
    after = {**before, **changes}
    if after == NOTHING:
        if row is None:
            return set()
        db.execute("DELETE FROM ratings WHERE output_id = ? AND who = ?", (take, who))
    else:
        db.execute(
            "INSERT INTO ratings (output_id, who, stars, rejected, note, rated_at)"
            " VALUES (:take, :who, :stars, :rejected, :note, :now) ON CONFLICT (output_id, who) DO UPDATE SET"
            " stars = excluded.stars, rejected = excluded.rejected, note = excluded.note, rated_at = excluded.rated_at",
            {"take": take, "who": who, "now": now, **after},
        )
    note_rating(db, take, only_rated=after["rejected"] == before["rejected"])
    return changed(db, now, batches_of(db, [take]))
