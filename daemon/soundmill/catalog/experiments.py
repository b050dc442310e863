"""Experiments that go on in a later batch: which batches belong together, and what they have of their conditions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from soundmill.errors import InvalidControl
from soundmill.words import closest, composed, did_you_mean

SUGGESTED_FROM = 2000  # newest names that are compared with a mistyped one

FAMILY = """
WITH RECURSIVE
    up (id, extends) AS (
        SELECT id, extends FROM batches WHERE id = ?
        UNION ALL
        SELECT b.id, b.extends FROM batches b JOIN up ON b.id = up.extends),
    family (id) AS (
        SELECT id FROM up WHERE extends IS NULL
        UNION ALL
        SELECT b.id FROM batches b JOIN family ON b.extends = family.id)
SELECT b.id, b.ulid, b.name, b.experiment FROM batches b JOIN family ON family.id = b.id ORDER BY b.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment as the catalogue has it, over all batches of the family of `batch`.

    `ulid` is the first batch's; `plan` is the section recorded with `batch`; `drawn` counts the points of a
    sampled design; `conditions` are the family's, oldest first, with the numbers of their replicates,
    whatever became of the jobs.
    """

    batch: str
    ulid: str
    plan: Mapping[str, object]
    drawn: int
    conditions: tuple[tuple[Mapping[str, str], frozenset[int]], ...]


def find_experiment(db: sqlite3.Connection, name: str) -> Experiment:
    """The experiment of a batch, by name or ulid. Raises InvalidControl with a suggestion where there is none."""
    name = composed(name)
    row = db.execute("SELECT id, name, experiment FROM batches WHERE name = ? OR ulid = ?", (name, name)).fetchone()
    if row is None:
        raise InvalidControl(f"there is no such batch{_suggestion(db, name)}")
    if row["experiment"] is None:
        raise InvalidControl("has no experiment that could be extended")
    members = family(db, row["id"])
    plans = [json.loads(member["experiment"]) for member in members if member["experiment"] is not None]
    replicates: dict[str, set[int]] = {}
    for member in members:
        for condition, number in db.execute(
            "SELECT condition, replicate FROM jobs WHERE batch_id = ? AND condition <> '{}' ORDER BY position",
            (member["id"],),
        ):
            replicates.setdefault(condition, set()).add(number)
    return Experiment(
        batch=row["name"],
        ulid=members[0]["ulid"],
        plan=json.loads(row["experiment"]),
        drawn=max(int(plan.get("n", 0)) for plan in plans),
        conditions=tuple((json.loads(condition), frozenset(numbers)) for condition, numbers in replicates.items()),
    )


def family(db: sqlite3.Connection, batch_id: int) -> list[sqlite3.Row]:
    """The batches that one experiment is spread over, oldest first; of a batch that stands alone, itself."""
    return db.execute(FAMILY, (batch_id,)).fetchall()


def _suggestion(db: sqlite3.Connection, wanted: str) -> str:
    rows = db.execute(
        "SELECT name FROM batches WHERE experiment IS NOT NULL ORDER BY id DESC LIMIT ?", (SUGGESTED_FROM,)
    )
    close = closest(wanted, [str(row["name"]) for row in rows])
    return did_you_mean(close) or "; `soundmill status` lists the batches"
