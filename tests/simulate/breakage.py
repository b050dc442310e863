"""Deliberate breakage: a rule of the product is switched off, and the simulator must see it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest import mock

from simulate.scenario import Drop, Item, Wish, scenario
from simulate.world import Fault, World
from soundmill.catalog import claims
from soundmill.catalog.catalog import Catalog, WritingAt
from soundmill.jobs import Attempt

Spoil = Callable[[World], AbstractContextManager[object]]


def without_the_fence(world: World) -> AbstractContextManager[object]:
    """A finish changes its job whoever runs it by now, and whatever has become of it."""
    world.rewritten = {
        " AND attempt = ? AND status = 'running'": " AND ? IS NOT NULL",
        " AND attempt = :attempt AND status = 'running'": "",
    }
    return nullcontext()


def without_fsync(world: World) -> AbstractContextManager[object]:
    """Files are renamed before their content is on the disk, and names are never kept."""
    world.disk.syncs = False
    return nullcontext()


@contextmanager
def without_the_claim(world: World) -> Iterator[None]:
    """Work begins before it is on record."""

    def unclaimed(db: sqlite3.Connection, now: float, /, **asked: Any) -> list[Attempt]:
        db.execute("SAVEPOINT unclaimed")
        attempts = claims.claim(db, now, **asked)
        db.execute("ROLLBACK TO unclaimed")
        db.execute("RELEASE unclaimed")
        world.on_rollback()
        return attempts

    with mock.patch.object(Catalog, "claim", WritingAt(unclaimed)):
        yield


def without_the_ulid(world: World) -> AbstractContextManager[object]:
    """A claimed file that was taken in before the crash is taken in as if it were new."""
    world.rewritten = {"SELECT * FROM batches WHERE ulid = ?": "SELECT * FROM batches WHERE ulid = ? AND 0"}
    return nullcontext()


def without_the_answer(world: World) -> AbstractContextManager[object]:
    """A wish whose file outlived its answer is worked off once more."""
    world.rewritten = {
        "SELECT 1 FROM answers WHERE ulid = ?": "SELECT 1 FROM answers WHERE ulid = ? AND 0",
        "INSERT INTO answers": "INSERT OR REPLACE INTO answers",
    }
    return nullcontext()


def whole(_: World) -> AbstractContextManager[object]:
    return nullcontext()


BREAKAGES: dict[str, Spoil] = {
    "fence": without_the_fence,
    "fsync": without_fsync,
    "claim": without_the_claim,
    "ulid": without_the_ulid,
    "answer": without_the_answer,
}


def provoking(kind: str, seed: int, jobs: int) -> Sequence[Item]:
    """A history in which that rule is needed often."""
    rng = random.Random(f"provoking {kind} {seed}")
    items: list[Item] = [item for item in scenario(seed, jobs) if not isinstance(item, Fault | Wish)]
    if kind == "fence":
        items += [Fault(rng.randrange(jobs * 30), "cancel meanwhile", 0, rng.getrandbits(32)) for _ in range(jobs)]
    elif kind in ("fsync", "ulid"):
        # Files of one row: most of the time one of them is between its claim and its end.
        items = [Drop(number / 2, number, "whole", 1, rng.getrandbits(32)) for number in range(jobs // 4)]
        # Few steps lie between a batch's row and its file's place: it takes many kills, all along, to meet one.
        death, deaths, steps = ("kill", 60, jobs * 40) if kind == "ulid" else ("power cut", 20, jobs * 20)
        items += [Fault(rng.randrange(steps), death, 0, rng.getrandbits(32)) for _ in range(deaths)]
    elif kind == "answer":
        # Wishes whose files cannot be removed for a while, in which the daemon dies.
        items += [Wish(number, number, "rate", rng.getrandbits(32)) for number in range(10, 60)]
        for _ in range(10):
            at = rng.randrange(jobs * 30)
            items.append(Fault(at, "EROFS", 60, rng.getrandbits(32)))
            items.append(Fault(at + rng.randrange(20, 60), "kill", 0, rng.getrandbits(32)))
    return items
