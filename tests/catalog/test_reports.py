"""Whose report is owed: every change of what a report tells makes it owed again, and nothing else does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from soundmill.catalog import reports, wishes
from soundmill.catalog.asking import ratings
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.migrations import migrate
from soundmill.jobs import BatchSpec, DeliveryAsked
from support.asking import asked


def finish(mill: Any, name: str = "themes", extends: str | None = None) -> int:
    """A batch of two takes, all done; its id."""
    jobs = [mill.spec(n) for n in (1, 2)]
    batch = mill.catalog.ingest(BatchSpec(name=name, jobs=jobs, job_count=2, extends=extends), mill.source())
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt)
    return int(batch.id)


def report_all(mill: Any) -> None:
    mill.clock.now += 10
    for owed in mill.catalog.unreported():
        mill.catalog.mark_reported(owed.id, read_at=mill.clock.now)
    assert mill.catalog.unreported() == []
    mill.clock.now += 10


def rate(mill: Any) -> None:
    asked(mill.catalog, ratings.rate, "themes/job-0001", 5, None)


def score(mill: Any) -> None:
    takes = mill.catalog.unscored("clap", 8)
    mill.catalog.record_scores("clap", {take.output_id: {"clap": 0.5} for take in takes})


def judge_anew(mill: Any) -> None:
    assert mill.catalog.rejudge(lambda *_: mill.judgement(passed=False, ruleset="r2"), {"r2"}, limit=9) == 2


@pytest.mark.parametrize("change", [rate, score, judge_anew])
def test_what_changes_after_a_report_makes_it_owed_again(mill: Any, change: Callable[[Any], None]) -> None:
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    finish(mill)
    report_all(mill)
    change(mill)
    (owed,) = mill.catalog.unreported()
    assert (owed.name, owed.again, owed.changed_at) == ("themes", True, mill.clock.now)
    report_all(mill)


def test_what_is_no_fact_of_a_report_leaves_it_alone(mill: Any) -> None:
    finish(mill)
    report_all(mill)
    mill.catalog.event("daemon started", "on cpu")
    asked(mill.catalog, wishes.pause, "themes")
    asked(mill.catalog, wishes.resume, "themes")
    mill.catalog.rejudge(lambda *_: mill.judgement(), {"r1"}, limit=9)
    assert mill.catalog.unreported() == []


def test_a_change_while_the_report_was_being_made_is_not_forgotten(mill: Any) -> None:
    batch = finish(mill)
    read_at = mill.clock.now
    mill.clock.now += 5
    rate(mill)
    mill.catalog.mark_reported(batch, read_at=read_at)
    assert [(owed.name, owed.again) for owed in mill.catalog.unreported()] == [("themes", True)]


def test_the_wish_outlives_the_daemon(mill: Any, make_mill: Any) -> None:
    finish(mill)
    report_all(mill)
    rate(mill)
    changed_at = mill.clock.now
    mill.close()
    again = make_mill(mill.path, mill.clock)
    assert [owed.changed_at for owed in again.catalog.unreported()] == [changed_at]


def test_a_change_is_told_by_the_batches_that_go_on_with_the_changed_one(mill: Any) -> None:
    """Their reports compare its takes with their own; the one it goes on with, and strangers, have nothing to tell."""
    for name, extends in (("first", None), ("themes", "first"), ("last", "themes"), ("stranger", None)):
        finish(mill, name, extends)
    report_all(mill)
    rate(mill)
    assert sorted(owed.name for owed in mill.catalog.unreported()) == ["last", "themes"]


def test_a_batch_that_ends_late_is_told_by_those_that_go_on_with_it(mill: Any) -> None:
    mill.ingest(1, name="first")
    (slow,) = mill.claim(limit=1)
    finish(mill, "second", "first")
    report_all(mill)
    mill.succeed(slow)
    assert [(owed.name, owed.again) for owed in mill.catalog.unreported()] == [("first", False), ("second", True)]


def test_the_first_report_of_a_batch_is_told_by_those_it_goes_on_with(mill: Any) -> None:
    finish(mill, "first")
    finish(mill, "stranger")
    finish(mill, "second", "first")
    report_all(mill)
    last = finish(mill, "last", "second")
    mill.clock.now += 1
    read_at = mill.clock.now
    mill.clock.now += 1
    mill.catalog.mark_reported(last, read_at=read_at)
    assert sorted((owed.name, owed.again) for owed in mill.catalog.unreported()) == [("first", True), ("second", True)]
    report_all(mill)
    asked(mill.catalog, ratings.rate, "last/job-0001", 5, None)
    mill.clock.now += 1
    mill.catalog.mark_reported(last, read_at=mill.clock.now)
    assert mill.catalog.unreported() == []


def test_first_reports_come_before_new_ones_and_of_those_the_latest_change(mill: Any) -> None:
    for name in ("a", "b", "c"):
        finish(mill, name)
    report_all(mill)
    for name in ("c", "a", "b"):
        mill.clock.now += 1
        asked(mill.catalog, ratings.rate, f"{name}/job-0001", 4, None)
    finish(mill, "e")
    finish(mill, "d")
    assert [owed.name for owed in mill.catalog.unreported()] == ["e", "d", "b", "a", "c"]


def test_the_owed_ones_are_found_by_their_index(mill: Any) -> None:
    db = sqlite3.connect(mill.path)
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {reports.OWED}")]
    db.close()
    assert "USING INDEX batches_report_owed" in steps[0]


def test_a_rating_from_before_the_catalogue_knew_of_changes_is_told_too(tmp_path: Any) -> None:
    db = connect_writer(tmp_path / "old.db")
    migrate(db, before="m0005_reports")
    db.execute("PRAGMA foreign_keys = OFF")
    for batch, finished_at, reported_at, rated_at in ((1, 10, 20, 30), (2, 10, 20, 15), (3, 10, 20, None)):
        db.execute(
            "INSERT INTO batches (id, ulid, name, file_name, sha256, size_bytes, kind, priority, on_qc_fail, job_count,"
            " created_at, finished_at, reported_at) VALUES (?1, ?1, 'batch' || ?1, '', '', 0, '', 0, '', 1, 1, ?, ?)",
            (batch, finished_at, reported_at),
        )
        db.execute(
            "INSERT INTO outputs (id, job_id, batch_id, attempt, path, format, sample_rate, channels, duration_s,"
            " size_bytes, sha256, generation_s, normalization, normalization_target, licence, verdict, ruleset,"
            " created_at) VALUES (?1, ?1, ?1, 1, ?1, '', 1, 1, 1, 1, '', 1, '', 1, '', 'passed', '', 1)",
            (batch,),
        )
        if rated_at is not None:
            db.execute("INSERT INTO ratings (output_id, stars, rated_at) VALUES (?, 5, ?)", (batch, rated_at))
    migrate(db)
    assert [(owed.id, owed.again) for owed in reports.unreported(db)] == [(1, True)]
    db.close()


def test_a_clock_that_is_set_back_loses_no_report_and_makes_none_twice(mill: Any) -> None:
    finish(mill)
    mill.clock.now -= 3600
    (owed,) = mill.catalog.unreported()
    mill.catalog.mark_reported(owed.id, read_at=owed.known_at)
    assert mill.catalog.unreported() == []
    rate(mill)
    (again,) = mill.catalog.unreported()
    assert again.again
    mill.clock.now -= 3600
    rate(mill)
    mill.catalog.mark_reported(again.id, read_at=again.known_at)  # it was begun before the second rating
    (third,) = mill.catalog.unreported()
    mill.catalog.mark_reported(third.id, read_at=third.known_at)
    assert mill.catalog.unreported() == []


def test_a_delivery_is_owed_once_for_each_end_of_its_batch(mill: Any) -> None:
    game = DeliveryAsked(profile="game", to="castle", zipped=True)
    for name, deliver in (("first", game), ("none", None), ("second", DeliveryAsked(profile="studio"))):
        jobs = [mill.spec(1)]
        mill.catalog.ingest(BatchSpec(name=name, jobs=jobs, job_count=1, deliver=deliver), mill.source())
    assert mill.catalog.undelivered() == []  # at work
    for attempt in mill.claim(limit=3):
        mill.fail(attempt)
    first, second = mill.catalog.undelivered()
    assert (first.name, first.job_count, first.finished_at, first.asked) == ("first", 1, mill.clock.now, game)
    batch = mill.row("SELECT id, ulid FROM batches WHERE name = 'first'")
    assert (first.id, first.ulid) == (batch["id"], batch["ulid"])
    assert (second.name, second.asked) == ("second", DeliveryAsked(profile="studio"))
    assert [each.name for each in mill.catalog.undelivered(1)] == ["first"]
    mill.catalog.mark_delivered(first.id, first.finished_at)
    assert [each.name for each in mill.catalog.undelivered()] == ["second"]
    mill.clock.now += 10
    asked(mill.catalog, wishes.retry, "first")
    assert [each.name for each in mill.catalog.undelivered()] == ["second"]
    mill.succeed(mill.claim()[0])
    assert [each.name for each in mill.catalog.undelivered()] == ["first", "second"]


@pytest.mark.parametrize(
    ("changed_at", "reported_at", "finished_at", "becomes"),
    [
        (None, None, None, 100.0), (90.0, 80.0, 70.0, 100.0), (100.0, 100.0, 100.0, 100.0),
        (200.0, 80.0, 70.0, 200.001),
        (90.0, 300.0, 70.0, 300.001), (90.0, 80.0, 400.0, 400.001), (200.0, 300.0, 400.0, 400.001),
        (500.0, 300.0, 400.0, 500.001),
    ],
)  # fmt: skip
def test_a_change_is_after_all_that_was_though_the_clock_was_set_back(
    changed_at: float | None, reported_at: float | None, finished_at: float | None, becomes: float
) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE batches (id, changed_at, reported_at, finished_at)")
    db.execute("INSERT INTO batches VALUES (7, ?, ?, ?), (8, 1, 2, 3)", (changed_at, reported_at, finished_at))
    db.execute(reports.CHANGE, (100.0, 7))
    assert db.execute("SELECT changed_at FROM batches").fetchall() == [(pytest.approx(becomes, abs=1e-6),), (1,)]
    db.close()
