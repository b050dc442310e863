"""What became of each wish, recorded in the same transaction as what it did: none is worked off twice.

A control file may outlive its answer: the daemon was killed before the file was gone, or nobody may remove it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import cast

from soundmill.catalog.rows import add_event
from soundmill.errors import InvalidControl

KEPT = 30_000  # the latest; the answer to a wish is asked for within seconds
SLACK = 1_000  # pruned once in this many
LONGEST_TOLD = 500  # characters

Effect = Callable[[sqlite3.Connection, float], Collection[int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One thing asked for. `effect(db, now)` does it or raises InvalidControl. Where `told`, it is an event."""

    ulid: str
    action: str
    target: str
    who: str
    asked_at: float
    told: bool
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a wish now: `reason` says why it was refused, `effect` what its effect returned."""

    wish: Wish
    reason: str | None
    effect: Collection[int] | None


def answer(db: sqlite3.Connection, now: float, wishes: Sequence[Wish]) -> list[Answer]:
    """Work off those wishes that have no answer yet, in their order; their answers."""
    return [_answer(db, now, wish) for wish in wishes if not _has_answer(db, wish)]


def _has_answer(db: sqlite3.Connection, wish: Wish) -> bool:
    return db.execute("SELECT 1 FROM answers WHERE ulid = ?", (wish.ulid,)).fetchone() is not None


def _answer(db: sqlite3.Connection, now: float, wish: Wish) -> Answer:
    reason: str | None = None
    effect: Collection[int] | None = None
    db.execute("SAVEPOINT wish")
    try:
        effect = wish.effect(db, now)
    except InvalidControl as error:
        db.execute("ROLLBACK TO wish")
        reason = str(error)
    if reason is not None:
        add_event(db, now, "control refused", reason)
    elif wish.told:
        add_event(db, now, "control applied", f"{wish.action} {wish.target}")
    inserted = db.execute(
        "INSERT INTO answers (ulid, action, target, who, asked_at, answered_at, state, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            wish.ulid,
            wish.action,
            wish.target[:LONGEST_TOLD],
            wish.who,
            wish.asked_at,
            now,
            "done" if reason is None else "refused",
            reason,
        ),
    )
    newest = cast("int", inserted.lastrowid)
    if newest % SLACK == 0:
        db.execute("DELETE FROM answers WHERE id <= ?", (newest - KEPT,))
    return Answer(wish=wish, reason=reason, effect=effect)
