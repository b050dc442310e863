from __future__ import annotations

import sqlite3
from typing import Any

from soundmill.catalog.asking.answers import LONGEST_TOLD, Wish
from soundmill.errors import InvalidControl


def wish(number: int, effect: Any, *, told: bool = True, target: str = "themes") -> Wish:
    return Wish(
        ulid=f"01W{number}", action="pause", target=target, who="ann", asked_at=5.0, told=told, effect=effect
    )  # fmt: skip


def pausing(db: sqlite3.Connection, now: float) -> set[int]:
    db.execute("UPDATE batches SET paused = 1")
    return {1}


def refusing(db: sqlite3.Connection, now: float) -> None:
    db.execute("UPDATE batches SET paused = 1")
    raise InvalidControl("no such batch")


def test_each_wish_is_worked_off_once_in_its_order_and_answered(mill: Any) -> None:
    mill.ingest(1)
    order: list[float] = []
    wishes = [
        wish(1, refusing),
        wish(2, lambda db, now: order.append(now), told=False),
        wish(3, lambda db, now: order.append(mill.clock.now + 1), target="x" * 600),
    ]
    answers = mill.catalog.answer(wishes)
    assert [(each.wish.ulid, each.reason, each.effect) for each in answers] == [
        ("01W1", "no such batch", None), ("01W2", None, None), ("01W3", None, None),
    ]  # fmt: skip
    assert order == [mill.clock.now, mill.clock.now + 1]
    assert mill.row("SELECT paused FROM batches")["paused"] == 0  # what a refused one has begun is undone
    assert mill.rows("SELECT ulid, action, who, asked_at, answered_at, state, reason FROM answers ORDER BY id") == [
        {"ulid": f"01W{n}", "action": "pause", "who": "ann", "asked_at": 5.0, "answered_at": mill.clock.now,
         "state": state, "reason": reason}
        for n, state, reason in ((1, "refused", "no such batch"), (2, "done", None), (3, "done", None))
    ]  # fmt: skip
    assert [len(row["target"]) for row in mill.rows("SELECT target FROM answers ORDER BY id")] == [6, 6, LONGEST_TOLD]
    events = mill.rows("SELECT kind, message FROM events WHERE kind LIKE 'control%' ORDER BY id")
    assert [tuple(event.values()) for event in events] == [
        ("control refused", "no such batch"), ("control applied", f"pause {'x' * 600}"),
    ]  # fmt: skip
    (again,) = mill.catalog.answer([*wishes, wish(4, pausing)])
    assert (again.wish.ulid, again.effect) == ("01W4", {1})
    assert len(order) == 2 and mill.row("SELECT paused FROM batches")["paused"] == 1


def test_of_the_answers_the_latest_are_kept(mill: Any) -> None:
    with mill.catalog.connected() as db:
        db.executemany(
            "INSERT INTO answers (id, ulid, action, target, who, asked_at, answered_at, state)"
            " VALUES (?, ?, 'note', 't', 'w', 0, 0, 'done')",
            ((n, f"old{n}") for n in (1, 1000, 1001, 30_999)),
        )
    mill.catalog.answer([wish(1, lambda db, now: None)])  # number 31,000
    assert [row["id"] for row in mill.rows("SELECT id FROM answers ORDER BY id")] == [1001, 30_999, 31_000]
