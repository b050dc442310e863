"""Best of n: who is kept, when the choice is made, and when it is made again. Files are tested in test_moves.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from soundmill.catalog.asking import comparisons
from soundmill.catalog.catalog import WritingAt
from soundmill.catalog.selection import place_of
from soundmill.jobs import QcAction

Take = tuple[bool, float]  # passed, score


def takes(mill: Any, *scores: float | Take, keep_best: int | None = 1, name: str = "themes") -> None:
    """A batch of one row with so many takes, all of them ended but those with a score of None."""
    specs = [mill.spec(1, name=f"take-{n}", replicate=n, keep_best=keep_best) for n in range(1, len(scores) + 1)]
    mill.ingest(specs, name=name)
    for attempt, found in zip(mill.claim(limit=len(scores)), scores, strict=True):
        passed, score = found if isinstance(found, tuple) else (True, found)
        mill.succeed(attempt, passed=passed, score=score)


def choose(mill: Any) -> None:
    """Until there is nothing left to choose, with every move done at once."""
    while mill.catalog.undecided():
        for move in mill.catalog.pending_moves(100):
            mill.catalog.moves_arrived([(move, move.target)])
            mill.catalog.moves_settled([move])
        mill.catalog.choose(10)


def kept(mill: Any, batch: str = "themes") -> list[int | None]:
    return [row["kept"] for row in mill.rows("SELECT kept FROM takes WHERE batch = ? ORDER BY job_id", batch)]


def paths(mill: Any) -> list[str]:
    return [row["audio"] for row in mill.rows("SELECT audio FROM takes ORDER BY job_id")]


def test_the_best_are_kept_and_the_others_set_aside(mill: Any) -> None:
    takes(mill, 60.0, 90.0, 70.0, 80.0, keep_best=2)
    choose(mill)
    assert kept(mill) == [0, 1, 0, 1]
    assert paths(mill) == [
        "themes/set_aside/take-1.wav",
        "themes/take-2.wav",
        "themes/set_aside/take-3.wav",
        "themes/take-4.wav",
    ]
    assert mill.row("SELECT message FROM events WHERE kind = 'takes chosen'") == {
        "message": "themes: row 1: 2 of 4 takes kept"
    }


def test_without_keep_best_nothing_is_chosen(mill: Any) -> None:
    takes(mill, 60.0, 90.0, keep_best=None)
    assert not mill.catalog.undecided()
    assert kept(mill) == [None, None]


def test_each_row_is_a_group_of_its_own(mill: Any) -> None:
    specs = [
        mill.spec(position, name=f"{position}-{n}", replicate=n, keep_best=best)
        for position, best in ((1, 1), (2, None), (3, 1))
        for n in (1, 2)
    ]
    mill.ingest(specs)
    for attempt, score in zip(mill.claim(limit=6), (50.0, 60.0, 1.0, 2.0, 90.0, 80.0), strict=True):
        mill.succeed(attempt, score=score)
    choose(mill)
    assert kept(mill) == [0, 1, None, None, 1, 0]


@pytest.mark.parametrize(
    ("scores", "best", "expected"),
    [
        pytest.param([50.0, 50.0, 50.0], 1, [1, 0, 0], id="equals-in-the-order-of-the-file"),
        pytest.param([(False, 48.0), (True, 49.0), (False, 47.0)], 2, [1, 1, 0], id="passed-first-then-the-best"),
        pytest.param([(False, 20.0), (False, 40.0)], 1, [0, 1], id="all-failed-and-still-one-is-kept"),
        pytest.param([float("nan"), 10.0], 1, [0, 1], id="no-score-is-the-worst"),
        pytest.param([10.0, 20.0], 2, [1, 1], id="no-more-than-there-are"),
    ],
)
def test_passed_first_then_score_then_order(mill: Any, scores: Sequence[Any], best: int, expected: list[int]) -> None:
    takes(mill, *scores, keep_best=best)
    choose(mill)
    assert kept(mill) == expected


def test_that_only_failed_takes_were_left_to_keep_is_said(mill: Any) -> None:
    takes(mill, (False, 20.0), (False, 40.0))
    choose(mill)
    assert mill.row("SELECT message FROM events WHERE kind = 'takes chosen'") == {
        "message": "themes: row 1: 1 of 2 takes kept, 1 of them although a check failed: no better take came"
    }
    assert mill.row("SELECT flagged FROM batch_progress")["flagged"] == 2


def test_the_choice_waits_for_the_last_job_and_a_failed_or_cancelled_one_has_ended(mill: Any) -> None:
    mill.ingest([mill.spec(1, name=f"t{n}", replicate=n, keep_best=1) for n in range(1, 6)])
    first, second, third, fourth, _ = mill.claim(limit=5)
    mill.succeed(first, score=60.0)
    mill.succeed(second, score=70.0)
    mill.fail(third)
    mill.catalog.cancel("themes/t4")
    mill.fail(fourth)
    choose(mill)
    assert kept(mill) == [None, None]
    mill.catalog.cancel("themes/t5")
    choose(mill)
    assert kept(mill) == [0, 1]


def test_a_retried_job_joins_the_choice_when_it_has_ended(mill: Any) -> None:
    mill.ingest([mill.spec(1, name=f"t{n}", replicate=n, keep_best=1) for n in (1, 2)])
    first, second = mill.claim(limit=2)
    mill.succeed(first, score=60.0)
    mill.fail(second)
    choose(mill)
    assert kept(mill) == [1]
    mill.catalog.retry("themes")
    choose(mill)
    assert kept(mill) == [1]
    mill.succeed(mill.claim()[0], score=70.0)
    choose(mill)
    assert kept(mill) == [0, 1]
    assert paths(mill) == ["themes/set_aside/t1.wav", "themes/t2.wav"]


def test_a_group_whose_jobs_all_failed_has_nothing_to_choose(mill: Any) -> None:
    mill.ingest([mill.spec(1, keep_best=1)])
    mill.fail(mill.claim()[0])
    choose(mill)
    assert not mill.catalog.undecided()


def test_stars_count_where_asked_and_outrank_the_checks(mill: Any) -> None:
    mill.catalog.use_ranking("stars")
    takes(mill, (True, 90.0), (False, 20.0), (True, 60.0))
    choose(mill)
    assert kept(mill) == [1, 0, 0]
    mill.catalog.rate("themes/take-2", 4, None)
    choose(mill)
    assert kept(mill) == [0, 1, 0]
    assert paths(mill)[1] == "themes/take-2.wav"


def test_a_disliked_take_is_worse_than_one_nobody_rated(mill: Any) -> None:
    mill.catalog.use_ranking("stars")
    takes(mill, 90.0, 60.0, 70.0)
    choose(mill)
    mill.catalog.rate("themes/take-1", 2, None)
    choose(mill)
    assert kept(mill) == [0, 0, 1]


def test_a_rating_changes_nothing_where_stars_do_not_count(mill: Any) -> None:
    takes(mill, 90.0, 60.0)
    choose(mill)
    mill.catalog.rate("themes/take-2", 5, None)
    choose(mill)
    assert kept(mill) == [1, 0]


def test_once_stars_are_to_count_those_given_before_do(mill: Any) -> None:
    takes(mill, 90.0, 60.0, name="rated")
    takes(mill, 50.0, 60.0, name="unrated")
    choose(mill)
    mill.catalog.rate("rated/take-2", 5, None)
    mill.catalog.use_ranking("stars")
    choose(mill)
    assert (kept(mill, "rated"), kept(mill, "unrated")) == ([0, 1], [0, 1])


def compare(mill: Any, first: str, second: str, answer: str, who: str = "ann", **check: Any) -> None:
    number = len(mill.rows("SELECT id FROM comparisons"))
    said = {"blind": True, "attention": False, "study": None, **check}
    WritingAt(comparisons.compare).__get__(mill.catalog, type(mill.catalog))(
        f"01C{number}", who, first=f"themes/{first}", second=f"themes/{second}", answer=answer, **said
    )


def test_what_listeners_prefer_counts_where_asked_and_outranks_the_checks(mill: Any) -> None:
    takes(mill, (True, 90.0), (False, 20.0), (True, 60.0))
    choose(mill)
    for _ in range(3):
        compare(mill, "take-2", "take-1", "first")
    choose(mill)
    assert kept(mill) == [1, 0, 0]
    mill.catalog.use_ranking("listeners")
    choose(mill)
    assert kept(mill) == [0, 1, 0]
    for _ in range(6):
        compare(mill, "take-2", "take-3", "second")
        compare(mill, "take-3", "take-1", "tie")
    choose(mill)
    assert kept(mill) == [0, 0, 1]


def test_who_fails_the_checks_decides_nothing(mill: Any) -> None:
    mill.catalog.use_ranking("listeners")
    takes(mill, 90.0, 60.0)
    choose(mill)
    for _ in range(4):
        compare(mill, "take-2", "take-1", "first", "bob")
        compare(mill, "take-1", "take-1", "second", "bob", attention=True, expected="first")
    choose(mill)
    assert kept(mill) == [1, 0]
    compare(mill, "take-2", "take-1", "first", "ann")
    choose(mill)
    assert kept(mill) == [0, 1]


def test_ranked_by_another_scorer_the_choice_waits_for_its_scores(mill: Any) -> None:
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    mill.catalog.use_ranking("clap")
    takes(mill, 90.0, 60.0)
    choose(mill)
    assert kept(mill) == [None, None]
    mill.catalog.record_scores("clap", {1: {"clap": 0.1}})
    choose(mill)
    assert kept(mill) == [None, None]
    mill.catalog.record_scores("clap", {2: {"clap": 0.4}})
    choose(mill)
    assert kept(mill) == [0, 1]


def test_a_take_without_a_score_ranks_last_and_is_not_waited_for(mill: Any) -> None:
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    mill.catalog.use_ranking("clap")
    takes(mill, 90.0, 60.0)
    mill.catalog.record_scores("clap", {1: {"clap": None}, 2: {"clap": -0.2}})
    choose(mill)
    assert kept(mill) == [0, 1]


def test_a_choice_that_waited_is_made_when_the_ranking_changes(mill: Any) -> None:
    mill.catalog.use_ranking("clap")
    takes(mill, 90.0, 60.0)
    choose(mill)
    assert kept(mill) == [None, None]
    mill.catalog.use_ranking("soundmill")
    choose(mill)
    assert kept(mill) == [1, 0]


def test_a_choice_made_stands_when_thresholds_or_scorers_change(mill: Any) -> None:
    takes(mill, 90.0, 60.0)
    choose(mill)
    mill.catalog.rejudge(lambda *_: mill.judgement(False, "r2", 5.0), {"r2"}, limit=1)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    mill.catalog.record_scores("clap", {2: {"clap": 0.9}})
    mill.catalog.use_ranking("clap")
    assert not mill.catalog.undecided()
    assert kept(mill) == [1, 0]


def test_a_quarantined_take_stays_in_quarantine_whatever_is_chosen(mill: Any) -> None:
    mill.ingest([mill.spec(1, name=f"t{n}", replicate=n, keep_best=1) for n in (1, 2)], on_qc_fail=QcAction.QUARANTINE)
    first, second = mill.claim(limit=2)
    for attempt, score in ((first, 30.0), (second, 40.0)):
        output = mill.output(attempt, quarantined=True)
        mill.catalog.succeed(attempt, output, mill.judgement(False, score=score), retry_for_quality=False)
    choose(mill)
    assert kept(mill) == [0, 1]
    assert paths(mill) == ["themes/quarantine/t1.take1.wav", "themes/quarantine/t2.take1.wav"]


def test_only_the_final_take_of_a_job_competes(mill: Any) -> None:
    mill.ingest([mill.spec(1, name=f"t{n}", replicate=n, keep_best=1) for n in (1, 2)], on_qc_fail=QcAction.RETRY)
    first, second = mill.claim(limit=2)
    mill.succeed(first, passed=False, retry=True, score=48.0)
    mill.succeed(second, score=60.0)
    mill.succeed(mill.claim()[0], score=50.0)
    choose(mill)
    rows = mill.rows("SELECT audio, kept FROM takes ORDER BY output_id")
    assert [tuple(row.values()) for row in rows] == [
        ("themes/quarantine/t1.take1.wav", None),
        ("themes/t2.wav", 1),
        ("themes/set_aside/t1.wav", 0),
    ]


def test_the_best_of_all_tries_is_the_jobs_take_and_not_the_last(mill: Any) -> None:
    mill.ingest(1, on_qc_fail=QcAction.RETRY)
    (first,) = mill.claim()
    mill.succeed(first, passed=False, retry=True, score=40.0)
    (second,) = mill.claim()
    worse = mill.judgement(False, score=30.0)
    assert mill.catalog.better_take(1, worse) == 1
    assert mill.catalog.better_take(1, mill.judgement(False, score=40.0)) is None
    mill.succeed(second, passed=False, score=30.0, final_attempt=1)
    assert mill.counters_are_true()
    choose(mill)
    rows = mill.rows("SELECT audio, attempt, is_final, quarantined, kept FROM takes ORDER BY attempt")
    assert [tuple(row.values()) for row in rows] == [
        ("themes/job-0001.wav", 1, 1, 0, None),
        ("themes/quarantine/job-0001.take2.wav", 2, 0, 1, None),
    ]
    assert mill.row("SELECT audio, score FROM job_list") == {"audio": "themes/job-0001.wav", "score": 40.0}
    assert mill.row("SELECT flagged FROM batch_progress")["flagged"] == 1


def test_what_is_rerun_and_rated_of_such_a_job_is_its_final_take(mill: Any, reader: Any) -> None:
    mill.ingest(1, on_qc_fail=QcAction.RETRY)
    (first,) = mill.claim()
    mill.succeed(first, passed=False, retry=True, score=40.0)
    mill.succeed(mill.claim()[0], passed=False, score=30.0, final_attempt=1)
    row = reader.attempt_for_rerun("themes/job-0001")
    assert (row["number"], row["seed"], row["output"]["attempt"]) == (1, first.seed, 1)
    mill.catalog.rate("themes/job-0001", 5, None)
    assert mill.row("SELECT attempt FROM takes WHERE stars = 5") == {"attempt": 1}


def test_a_take_that_was_set_aside_is_found_for_a_rerun(mill: Any, reader: Any) -> None:
    takes(mill, 90.0, 60.0)
    choose(mill)
    assert reader.attempt_for_rerun("themes/take-2")["output"]["path"] == "themes/set_aside/take-2.wav"


def test_the_report_waits_for_the_choice_and_is_owed_again_after_another(mill: Any) -> None:
    mill.catalog.use_ranking("stars")
    takes(mill, 90.0, 60.0)
    assert mill.catalog.unreported() == []
    choose(mill)
    assert [batch.name for batch in mill.catalog.unreported()] == ["themes"]
    mill.clock.now += 5
    read_at = mill.clock.now
    mill.catalog.mark_reported(1, read_at=read_at)
    assert mill.catalog.unreported() == []
    mill.clock.now += 5
    mill.catalog.rate("themes/take-2", 5, None)
    choose(mill)
    mill.catalog.mark_reported(1, read_at=read_at)
    assert [batch.name for batch in mill.catalog.unreported()] == ["themes"]


def test_many_groups_are_chosen_among_a_few_at_a_time(mill: Any) -> None:
    mill.ingest([mill.spec(p, name=f"{p}-{n}", replicate=n, keep_best=1) for p in range(1, 26) for n in (1, 2)])
    for attempt in mill.claim(limit=50):
        mill.succeed(attempt, score=50.0 + attempt.job.replicate)
    assert [mill.catalog.choose(10) for _ in range(4)] == [10, 10, 5, 0]
    assert kept(mill) == [0, 1] * 25


@pytest.mark.parametrize(
    ("path", "keep", "place"),
    [
        ("b/x.wav", True, "b/x.wav"),
        ("b/x.wav", False, "b/set_aside/x.wav"),
        ("b/set_aside/x.wav", True, "b/x.wav"),
        ("b/set_aside/x.wav", False, "b/set_aside/x.wav"),
        ("b/quarantine/x.take2.wav", False, "b/quarantine/x.take2.wav"),
        ("set_aside/x.wav", False, "set_aside/set_aside/x.wav"),
    ],
)
def test_where_a_take_belongs(path: str, keep: bool, place: str) -> None:
    assert place_of(path, kept=keep) == place


def test_a_choice_costs_lookups_however_many_jobs_there_are(mill: Any) -> None:
    from soundmill.catalog.selection import CANDIDATES

    for sql in (
        CANDIDATES.replace("?", "'soundmill'", 1).replace("?", "1"),
        "SELECT 1 FROM jobs WHERE batch_id = 1 AND position = 1 AND status IN ('queued', 'running') LIMIT 1",
    ):
        steps = [row["detail"] for row in mill.rows("EXPLAIN QUERY PLAN " + sql)]
        assert not [step for step in steps if step.startswith("SCAN")], steps
