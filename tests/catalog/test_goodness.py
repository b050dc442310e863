"""How good a take is, by each source that says anything of it; and which takes are kept where none does."""

from __future__ import annotations

from typing import Any

import pytest

from soundmill.catalog.asking import comparisons, ratings
from soundmill.catalog.connection import connect_writer, transaction
from support.asking import asked


def takes(mill: Any, *scores: float, keep_best: int | None = None) -> None:
    specs = [mill.spec(1, name=f"take-{n}", replicate=n, keep_best=keep_best) for n in range(1, len(scores) + 1)]
    mill.ingest(specs)
    for attempt, score in zip(mill.claim(limit=len(scores)), scores, strict=True):
        mill.succeed(
            attempt, score=score, measurements={"prompt_agreement": 0.5 if attempt.job.replicate < 3 else None}
        )


def said(mill: Any, take: int) -> list[tuple[str, float]]:
    rows = mill.rows(f"SELECT source, goodness FROM goodness_by_source WHERE output_id = {take} ORDER BY rank, source")
    return [(row["source"], pytest.approx(row["goodness"])) for row in rows]


def prefer(mill: Any, ulid: str, first: str, second: str, answer: str, *, attention: bool = False) -> None:
    db = connect_writer(mill.path)
    try:
        with transaction(db):
            comparisons.compare(
                db, 1.0, ulid, "ann", first=first, second=second, answer=answer, blind=True, attention=attention,
                study=None,
            )  # fmt: skip
    finally:
        db.close()


def test_people_come_before_models_and_models_before_words(mill: Any) -> None:
    takes(mill, 100.0, 100.0, 100.0)
    assert said(mill, 1) == [("prompt", 0.5)] and said(mill, 3) == []
    mill.catalog.use_scorer("clap", "laion/clap", ("clap",))
    mill.catalog.record_scores("clap", {1: {"clap": 0.3}, 2: {"clap": None}, 3: {"clap": 0.2}})
    asked(mill.catalog, ratings.rate, "themes/take-1", 5, None, "ann")
    asked(mill.catalog, ratings.rate, "themes/take-1", 2, None, "bo")
    prefer(mill, "U1", "themes/take-1", "themes/take-2", "first")
    prefer(mill, "U2", "themes/take-2", "themes/take-1", "tie")
    prefer(mill, "U3", "themes/take-1", "themes/take-1", "tie", attention=True)
    assert said(mill, 1) == [("listeners", 0.75), ("stars", 3.5), ("clap", 0.3), ("prompt", 0.5)]
    assert said(mill, 2) == [("listeners", 0.25), ("prompt", 0.5)]
    assert said(mill, 3) == [("clap", 0.2)]


def test_the_model_s_own_gain_by_the_prompt_comes_last(mill: Any) -> None:
    mill.ingest(1)
    told = {"token_log_probability": -2.0, "token_log_probability_unprompted": -2.5, "prompt_agreement": 0.9}
    mill.succeed(*mill.claim(), measurements=told)
    assert said(mill, 1) == [("prompt", 0.9), ("gain", 0.5)]


def test_the_scorer_that_ranks_comes_before_the_others(mill: Any) -> None:
    takes(mill, 100.0)
    for name in ("audiobox_ce", "clap"):
        mill.catalog.use_scorer(name, "some/model", (name,))
        mill.catalog.record_scores(name, {1: {name: 1.0}})
    assert [source for source, _ in said(mill, 1)] == ["audiobox_ce", "clap", "prompt"]
    mill.catalog.use_ranking("clap")
    assert [source for source, _ in said(mill, 1)] == ["clap", "audiobox_ce", "prompt"]


def test_decimals_of_a_score_keep_no_take_and_it_is_said(mill: Any) -> None:
    takes(mill, 99.93, 99.95, 100.0, keep_best=1)
    mill.catalog.choose(10)
    assert [row["kept"] for row in mill.rows("SELECT kept FROM takes ORDER BY output_id")] == [1, 0, 0]
    assert "the checks cannot tell them from the others: listen" in chosen(mill)


def test_whole_points_keep_a_take(mill: Any) -> None:
    takes(mill, 97.0, 99.0, 90.0, keep_best=1)
    mill.catalog.choose(10)
    assert [row["kept"] for row in mill.rows("SELECT kept FROM takes ORDER BY output_id")] == [0, 1, 0]
    assert "cannot tell" not in chosen(mill)


@pytest.mark.parametrize(("source", "kept"), [("prompt", [0, 1, 0]), ("gain", [0, 0, 1])])
def test_keep_best_goes_by_a_measured_source_and_a_take_without_it_is_last(
    mill: Any, source: str, kept: list[int]
) -> None:
    mill.catalog.use_ranking(source)
    mill.ingest([mill.spec(1, name=f"take-{n}", replicate=n, keep_best=1) for n in range(1, 4)])
    told = "token_log_probability"
    for attempt, (agrees, bare) in zip(mill.claim(limit=3), ((None, None), (0.9, -2.1), (0.4, -2.6)), strict=True):
        found = {"prompt_agreement": agrees, told: -2.0, f"{told}_unprompted": bare}
        mill.succeed(attempt, score=100.0, measurements=found)
    mill.catalog.choose(10)
    assert [row["kept"] for row in mill.rows("SELECT kept FROM takes ORDER BY output_id")] == kept
    assert "cannot tell" not in chosen(mill)


def chosen(mill: Any) -> str:
    return str(mill.row("SELECT message FROM event_log WHERE kind = 'takes chosen'")["message"])
