"""Writes of many threads share a transaction, and nobody notices but the disk."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
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


def test_what_workers_ask_for_takes_along_what_waits(mill: Any) -> None:
    """And nothing else that is written does."""
    mill.ingest(3)
    mill.claim()
    together = mill.catalog.together

    def shares(call: Callable[[], object]) -> bool:
        taken, free = threading.Event(), threading.Event()

        @contextmanager
        def when_free() -> Iterator[sqlite3.Connection]:
            taken.set()
            assert free.wait(60)
            with mill.catalog.connected() as db:
                yield db

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(together.do, Asked("test", lambda _: None, reads=True), when_free)
            assert taken.wait(60)
            called, until = threads.submit(call), time.monotonic() + 60
            while not called.done() and len(together._waiting) < 2 and time.monotonic() < until:
                time.sleep(0.001)
            found = len(together._waiting) == 2
            free.set()
            first.result(60)
            called.result(60)
        return found

    (first,) = mill.catalog.running()
    board: dict[str, Any] = {"device": "cpu", "model": None, "status": "idle", "slots": 1, "running": 0}
    assert shares(mill.claim)
    assert shares(lambda: mill.succeed(first))
    assert shares(lambda: mill.fail(mill.catalog.running()[0]))
    assert shares(lambda: mill.catalog.worker_state("w0", **board))
    assert not shares(lambda: mill.catalog.event("kind", "message"))


def test_a_read_sees_what_was_asked_for_before_it_and_is_no_part_of_the_commit(db: sqlite3.Connection) -> None:
    together = Together()
    asked: list[Asked[Any]] = [Asked("test", put(1)), Asked("test", numbers, reads=True), Asked("test", put(2))]
    for each in asked:
        together.ask(each)
    seen = counted(db)
    assert [together.settle(db, each) for each in asked] == [1, [1], 2]
    assert seen.count("COMMIT") == 1 and seen.count("SAVEPOINT one") == 2


def test_those_who_only_read_begin_no_transaction(db: sqlite3.Connection) -> None:
    together = Together()
    asked = [Asked("test", numbers, reads=True) for _ in range(3)]
    for each in asked:
        together.ask(each)
    seen = counted(db)
    assert [together.settle(db, each) for each in asked] == [[], [], []]
    assert not [statement for statement in seen if not statement.startswith("SELECT")]


class Turns:
    """The connection, for one thread at a time, as a catalogue hands it out; `taken` counts how often it was."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.taken = 0
        self.free = threading.Event()
        self.is_taken = threading.Event()

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        self.taken += 1
        self.is_taken.set()
        assert self.free.wait(60)
        yield self.db


def asked_for(together: Together, count: int) -> None:
    until = time.monotonic() + 60
    while len(together._waiting) < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_whoever_waits_is_served_without_having_the_connection_itself() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    together, turns = Together(), Turns(db)
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(together.do, Asked("test", put(0)), turns.connected)
        assert turns.is_taken.wait(60)
        rest = [threads.submit(together.do, Asked("test", put(n)), turns.connected) for n in range(1, 20)]
        asked_for(together, 20)
        turns.free.set()
        assert [each.result(60) for each in (first, *rest)] == list(range(20))
    assert turns.taken == 1 and numbers(db) == list(range(20))


def test_who_is_interrupted_before_the_turn_came_to_anything_hands_it_on(db: sqlite3.Connection) -> None:
    @contextmanager
    def interrupted() -> Iterator[sqlite3.Connection]:
        raise KeyboardInterrupt
        yield db

    together = Together()
    with pytest.raises(KeyboardInterrupt):
        together.do(Asked("test", put(1)), interrupted)
    assert together.do(Asked("test", put(2)), lambda: nullcontext(db)) == 2
    assert numbers(db) == [2]


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
