from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soundmill.catalog.asking import ratings
from soundmill.catalog.keeping.retention import DAY_S, Rules, Stored, plan
from support.asking import asked

OFF = Rules(after_d=None, failed_after_d=None, set_aside_after_d=None, max_gb=None)
NOW = 1_800_000_000.0
GB = 10**9


def take(number: int, age_d: float, **changes: Any) -> Stored:
    values: dict[str, Any] = {
        "id": number, "path": f"b/{number}.wav", "batch": "b", "size_bytes": GB, "created_at": NOW - age_d * DAY_S,
        "failed": False, "set_aside": False, "free": True,
    }  # fmt: skip
    return Stored(**values | changes)


def going(takes: list[Stored], rules: Rules, needed: set[str] | None = None) -> list[int]:
    """In questions of two takes each."""
    found = plan(lambda after: [each for each in takes if each.id > after][:2], rules, needed or set(), NOW)
    return [each.id for some in found for each in some]


TAKES = [
    take(1, 40), take(2, 40, free=False), take(3, 20, failed=True), take(4, 20, set_aside=True), take(5, 20),
    take(6, 2, failed=True, set_aside=True), take(7, 0.5), take(8, 0.4, failed=True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "ids"),
    [
        ({}, []),
        ({"after_d": 30}, [1]),
        ({"after_d": 10}, [1, 3, 4, 5]),
        ({"failed_after_d": 10}, [3]),
        ({"failed_after_d": 0.1}, [3, 6, 8]),
        ({"set_aside_after_d": 1}, [4, 6]),
        ({"after_d": 30, "failed_after_d": 10, "set_aside_after_d": 1}, [1, 3, 4, 6]),
        ({"max_gb": 8}, []),
        ({"max_gb": 7.5}, [4]),
        ({"max_gb": 5}, [4, 6, 3]),
        ({"max_gb": 4}, [4, 6, 3, 1]),
        ({"max_gb": 0.1}, [4, 6, 3, 1, 5]),  # a day's takes stay, and what somebody touched
        ({"after_d": 30, "max_gb": 6}, [1, 4]),
    ],
)
def test_what_goes_by_age_verdict_and_size(rules: dict[str, float], ids: list[int]) -> None:
    assert going(TAKES, replace(OFF, **rules)) == ids


def test_what_a_job_in_the_queue_goes_on_from_stays() -> None:
    rules = replace(OFF, after_d=1)
    assert going([take(1, 9), take(2, 9)], rules, {"1.wav", "b/1.wav", "outputs/b/1.wav"}) == [2]


def ids(mill: Any) -> dict[str, bool]:
    return {each.path: each.free for each in mill.catalog.stored(0)}


def finished(mill: Any, jobs: int, name: str, **changes: Any) -> None:
    mill.ingest(jobs, name=name, **changes)
    for attempt in mill.claim(limit=jobs):
        mill.succeed(attempt)


def competing(mill: Any, jobs: int) -> None:
    """Takes of one row, one of which is to be kept."""
    mill.ingest([mill.spec(1, name=f"job-{n:04}", replicate=n, keep_best=1) for n in range(1, jobs + 1)], name="best")
    for attempt in mill.claim(limit=jobs):
        mill.succeed(attempt)


def test_only_takes_of_finished_batches_that_nobody_touched_are_free(mill: Any) -> None:
    finished(mill, 2, "done")
    mill.ingest(2, name="half")
    mill.succeed(mill.claim()[0])
    asked(mill.catalog, ratings.rate, "done/job-0001", 1, None)
    assert ids(mill) == {"done/job-0001.wav": False, "done/job-0002.wav": True, "half/job-0001.wav": False}


def test_a_take_that_is_being_moved_or_chosen_among_is_not_free(mill: Any) -> None:
    competing(mill, 2)
    assert set(ids(mill).values()) == {False}
    mill.catalog.choose(10)
    moving = {move.path for move in mill.catalog.pending_moves(10)}
    assert moving and {path for path, free in ids(mill).items() if not free} == moving


def test_a_pruned_take_keeps_its_row_and_its_batch_gets_a_new_report(mill: Any) -> None:
    finished(mill, 2, "done")
    batch = mill.row("SELECT id FROM batches")["id"]
    mill.catalog.mark_reported(batch, mill.clock.now)
    before = mill.rows("SELECT * FROM takes ORDER BY output_id")
    mill.clock.now += 60
    first = mill.catalog.stored(0)[0]
    assert mill.catalog.prune([first.id]) == {first.id}
    after = mill.rows("SELECT * FROM takes ORDER BY output_id")
    assert [row["pruned_at"] is None for row in after] == [False, True]
    assert [row | {"pruned_at": None} for row in after] == before
    assert [owed.name for owed in mill.catalog.unreported()] == ["done"]
    assert mill.catalog.files_to_go(10) == [(first.id, first.path)]
    assert mill.catalog.prune([first.id]) == set()
    mill.catalog.pruned([first.id])
    assert mill.catalog.files_to_go(10) == []
    assert [each.path for each in mill.catalog.stored(0)] == ["done/job-0002.wav"]


def test_what_happens_between_the_plan_and_the_pruning_keeps_a_take(mill: Any) -> None:
    """A rating, a retry and a job that goes on from it: each may come while a long plan is worked off."""
    finished(mill, 4, "done")
    mill.ingest(1, name="open")
    mill.fail(mill.claim()[0])
    planned = {take.path: take.id for take in mill.catalog.stored(0)}
    asked(mill.catalog, ratings.rate, "done/job-0001", 5, None)
    mill.ingest(1, name="next", continue_from=mill.path.parent / "outputs" / "done" / "job-0002.wav")
    mill.ingest(1, name="sung", melody=mill.path.parent / "outputs" / "done" / "job-0003.wav")
    assert mill.catalog.prune(list(planned.values())) == {planned["done/job-0004.wav"]}


def test_the_questions_go_by_indexes(mill: Any) -> None:
    mill.ingest(1)
    plans = [
        row["detail"]
        for row in mill.rows(
            "EXPLAIN QUERY PLAN SELECT melody, continue_from FROM jobs"
            " WHERE status IN ('queued', 'running') AND (melody IS NOT NULL OR continue_from IS NOT NULL)"
        )
    ]
    assert any("jobs_inputs" in each for each in plans)


def test_no_scorer_is_asked_about_a_pruned_take_and_none_is_chosen(mill: Any) -> None:
    mill.catalog.use_scorer("clap", "model", ["clap"])
    competing(mill, 3)
    first, second, third = mill.catalog.stored(0)
    mill.catalog.choose(10)
    for move in mill.catalog.pending_moves(10):
        mill.catalog.moves_settled([move])
    mill.catalog.prune([first.id])
    assert [one.output_id for one in mill.catalog.unscored("clap", 10)] == [second.id, third.id]
    mill.catalog.record_scores("clap", {second.id: {"clap": 0.1}, third.id: {"clap": 0.2}})
    assert mill.catalog.unscored("clap", 10) == []
    mill.catalog.use_ranking("stars")
    asked(mill.catalog, ratings.rate, "best/job-0003.wav", 5, None)
    mill.catalog.choose(10)
    kept = {row["audio"]: row["kept"] for row in mill.rows("SELECT audio, kept FROM takes WHERE pruned_at IS NULL")}
    assert kept == {"best/job-0002.wav": 0, "best/job-0003.wav": 1}
