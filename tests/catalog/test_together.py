"""Writes of many threads share a transaction, and nobody notices but the disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from soundmill.catalog.connection import Asked, Together
from soundmill.errors import CatalogError
from soundmill.jobs import FailureKind


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    return db


def put(number: int) -> Callable[[sqlite3.Connection], int]:
    def write(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return write


def counted(db: sqlite3.Connection) -> list[str]:
    """Every statement from now on."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    return seen


def numbers(db: sqlite3.Connection) -> list[int]:
    return [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")]


def ask_all(together: Together, *writes: Callable[[sqlite3.Connection], Any]) -> list[Asked[Any]]:
    asked = [Asked("test", write) for write in writes]
    for each in asked:
        together.ask(each)
    return asked


def test_what_was_asked_for_meanwhile_is_one_commit(db: sqlite3.Connection) -> None:
    together = Together()
    asked = ask_all(together, put(1), put(2), put(3))
    seen = counted(db)
    assert [together.settle(db, each) for each in asked] == [1, 2, 3]
    assert seen.count("COMMIT") == 1 and numbers(db) == [1, 2, 3]


def test_who_is_alone_makes_no_savepoint(db: sqlite3.Connection) -> None:
    together = Together()
    (asked,) = ask_all(together, put(1))
    seen = counted(db)
    together.settle(db, asked)
    assert not [statement for statement in seen if "SAVEPOINT" in statement]


def test_one_that_refuses_undoes_its_own_part_alone(db: sqlite3.Connection) -> None:
    def refuse(db: sqlite3.Connection) -> None:
        put(7)(db)
        raise CatalogError("no")

    together = Together()
    first, second, third = ask_all(together, put(1), refuse, put(3))
    together.settle(db, first)
    with pytest.raises(CatalogError, match="no"):
        together.settle(db, second)
    together.settle(db, third)
    assert numbers(db) == [1, 3]


def test_where_the_whole_fails_each_is_done_again_by_whoever_asked_for_it(db: sqlite3.Connection) -> None:
    def breaks(db: sqlite3.Connection) -> None:
        db.execute("ROLLBACK")  # as SQLite does by itself where the disk is full
        raise sqlite3.OperationalError("disk is full")

    together = Together()
    first, second, third = ask_all(together, put(1), breaks, put(3))
    assert together.settle(db, first) == 1
    assert numbers(db) == [1]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        together.settle(db, second)
    assert together.settle(db, third) == 3
    assert numbers(db) == [1, 3]


def test_what_workers_write_takes_along_what_waits(mill: Any) -> None:
    """And nothing else that is written does."""
    mill.ingest(3)
    mill.claim()

    def waits(call: Callable[[], object]) -> bool:
        other = Asked("test", lambda _: None)
        mill.catalog.together.ask(other)
        call()
        return not other.done

    (first,) = mill.catalog.running()
    board: dict[str, Any] = {"device": "cpu", "model": None, "status": "idle", "slots": 1, "running": 0}
    assert not waits(mill.claim)
    assert not waits(lambda: mill.succeed(first))
    assert not waits(lambda: mill.fail(mill.catalog.running()[0]))
    assert not waits(lambda: mill.catalog.worker_state("w0", **board))
    assert waits(lambda: mill.catalog.event("kind", "message"))


def test_many_workers_claim_and_finish_as_one_would(mill: Any) -> None:
    mill.ingest(200)
    begin = threading.Barrier(16)

    def work(number: int) -> list[tuple[int, int]]:
        begin.wait()
        done: list[tuple[int, int]] = []
        while attempts := mill.claim(worker=f"w{number}", limit=2):
            for attempt in attempts:
                mill.catalog.fail(attempt, FailureKind.MISSING_INPUT, "gone", retry_at=None, counts=True, suspect=False)
                done.append(attempt.key)
        return done

    with ThreadPoolExecutor(16) as threads:
        found = [key for keys in threads.map(work, range(16)) for key in keys]
    assert sorted(found) == [(number, 1) for number in range(1, 201)]
    assert mill.row("SELECT n_failed, n_queued, n_running FROM batches") == {
        "n_failed": 200,
        "n_queued": 0,
        "n_running": 0,
    }
