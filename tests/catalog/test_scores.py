"""What other scorers say: each take is heard once, new ones first, and nothing is heard by two models at once."""

from __future__ import annotations

from typing import Any

import pytest

AUDIOBOX = ("audiobox_ce", "audiobox_cu", "audiobox_pc", "audiobox_pq")


def finish(mill: Any, jobs: int, name: str = "themes") -> None:
    mill.ingest(jobs, name=name)
    for attempt in mill.claim(limit=jobs):
        mill.succeed(attempt)


def hear(mill: Any, limit: int = 2, scorer: str = "clap") -> list[int]:
    """Have the next takes scored; their numbers."""
    takes = mill.catalog.unscored(scorer, limit)
    mill.catalog.record_scores(scorer, {take.output_id: {scorer: take.output_id / 10} for take in takes})
    return [take.output_id for take in takes]


def test_new_takes_are_heard_in_order_and_old_ones_after_them_newest_first(mill: Any) -> None:
    finish(mill, 4, "old")
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    finish(mill, 3, "new")
    assert [hear(mill) for _ in range(5)] == [[5, 6], [7], [4, 3], [2, 1], []]
    finish(mill, 1, "newest")
    assert hear(mill) == [8]
    assert hear(mill) == []


def test_a_take_to_be_scored_comes_with_its_file_and_prompt(mill: Any) -> None:
    finish(mill, 1)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    (take,) = mill.catalog.unscored("clap", 10)
    assert (take.path, take.prompt) == ("themes/job-0001.wav", "a calm tune number 1")


def test_nothing_is_unscored_by_a_scorer_nobody_uses(mill: Any) -> None:
    finish(mill, 1)
    assert mill.catalog.unscored("clap", 10) == []


def test_what_is_left_is_still_known_after_a_restart(mill: Any, make_mill: Any) -> None:
    finish(mill, 5)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    assert hear(mill) == [5, 4]
    mill.close()
    again = make_mill(mill.path)
    again.catalog.use_scorer("clap", "laion/clap", ("clap",))
    assert hear(again, limit=9) == [3, 2, 1]
    assert again.rows("SELECT output_id FROM scores WHERE scorer = 'clap' AND score = output_id / 10.0") == [
        {"output_id": n} for n in range(1, 6)
    ]


def test_only_the_first_of_the_takes_may_be_recorded(mill: Any) -> None:
    finish(mill, 4)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    first, *_ = mill.catalog.unscored("clap", 4)
    mill.catalog.record_scores("clap", {first.output_id: {"clap": 0.5}})
    assert hear(mill, limit=9) == [3, 2, 1]


def test_another_model_scores_everything_anew(mill: Any) -> None:
    finish(mill, 2)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    assert hear(mill) == [2, 1]
    mill.catalog.use_scorer("clap", "mine", ("clap",))
    assert mill.rows("SELECT * FROM scores WHERE scorer = 'clap'") == []
    assert mill.row("SELECT count(*) AS n FROM scores WHERE scorer = 'soundmill'") == {"n": 2}
    assert (
        "mine instead of laion/clap" in mill.row("SELECT message FROM events WHERE kind = 'scorer changed'")["message"]
    )
    assert hear(mill) == [2, 1]


def test_a_scorer_may_have_several_names_and_no_number_for_a_take(mill: Any) -> None:
    finish(mill, 1)
    mill.catalog.use_scorer("audiobox", "facebook/audiobox-aesthetics", AUDIOBOX)
    mill.catalog.record_scores("audiobox", {1: {"audiobox_ce": 5.5, "audiobox_pq": None}})
    assert mill.catalog.unscored("audiobox", 10) == []
    rows = mill.rows("SELECT scorer, score FROM scores_by_scorer WHERE audio = 'themes/job-0001.wav' ORDER BY scorer")
    assert [tuple(row.values()) for row in rows] == [("audiobox_ce", 5.5), ("audiobox_pq", None), ("soundmill", 80.0)]
    assert mill.row("SELECT scores FROM takes")["scores"] == '{"audiobox_ce":5.5,"audiobox_pq":null,"soundmill":80.0}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_none(mill: Any, value: float) -> None:
    finish(mill, 1)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    mill.catalog.record_scores("clap", {1: {"clap": value}})
    assert mill.row("SELECT score FROM scores WHERE scorer = 'clap'") == {"score": None}


def test_finding_what_is_unscored_reads_no_more_than_it_returns(mill: Any) -> None:
    finish(mill, 3)
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    hear(mill, limit=3)
    for comparison in ("o.id > 3 ORDER BY o.id", "o.id < 1 ORDER BY o.id DESC"):
        sql = f"SELECT o.id, o.path, j.prompt FROM outputs o JOIN jobs j ON j.id = o.job_id WHERE {comparison} LIMIT 8"
        steps = [row["detail"] for row in mill.rows("EXPLAIN QUERY PLAN " + sql)]
        assert all(step.startswith("SEARCH") for step in steps), steps
