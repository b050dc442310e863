"""Which of two takes somebody would rather have. Rows that are only added, and what they come to."""

from __future__ import annotations

import sqlite3

from soundmill.catalog.outputs import batches_of
from soundmill.catalog.reports import changed
from soundmill.catalog.selection import note_rating
from soundmill.catalog.wishes import take_of
from soundmill.errors import InvalidControl


def compare(
    db: sqlite3.Connection,
    now: float,
    ulid: str,
    who: str,
    *,
    first: str,
    second: str,
    answer: str,
    blind: bool,
    attention: bool,
    study: str | None,
    expected: str | None = None,
) -> set[int]:
    """Record one answer about two takes, named as for a rating. `first` was heard first, or stood on the left;
    `attention` says that it was asked only to see whether somebody listens, who then answers as `expected`; and then
    they may be the same.

    The ids of the batches whose reports tell of it.
    """
    takes = take_of(db, first), take_of(db, second)
    if takes[0] == takes[1] and not attention:
        raise InvalidControl(f"{first}: is compared with itself; name two takes, or say that it is an attention check")
    db.execute(
        "INSERT INTO comparisons"
        " (ulid, who, at, first_output_id, second_output_id, answer, blind, attention, study, expected)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (ulid, who, now, *takes, answer, int(blind), int(attention), study, expected),
    )
    for take in set(takes):
        note_rating(db, take, only_rated=True)
    return changed(db, now, batches_of(db, takes))
