"""What several people think of a take, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from soundmill.catalog.asking import ratings
from soundmill.catalog.reader import Reader
from soundmill.errors import InvalidControl
from support.asking import asked


def takes(mill: Any, *scores: float, keep_best: int | None = 1) -> None:
    specs = [mill.spec(1, name=f"take-{n}", replicate=n, keep_best=keep_best) for n in range(1, len(scores) + 1)]
    mill.ingest(specs)
    for attempt, score in zip(mill.claim(limit=len(scores)), scores, strict=True):
        mill.succeed(attempt, score=score)


def choose(mill: Any) -> list[int | None]:
    while mill.catalog.undecided():
        for move in mill.catalog.pending_moves(100):
            mill.catalog.moves_arrived([(move, move.target)])
            mill.catalog.moves_settled([move])
        mill.catalog.choose(10)
    return [row["kept"] for row in mill.rows("SELECT kept FROM takes ORDER BY job_id")]


def take(mill: Any) -> dict[str, Any]:
    found: dict[str, Any] = mill.row("SELECT stars, rejected, note, picks FROM takes WHERE job = 'take-1'")
    return found


def test_the_stars_of_a_take_are_the_mean_over_people_and_one_rejection_counts(mill: Any) -> None:
    takes(mill, 60.0)
    asked(mill.catalog, ratings.rate, "themes/take-1", 5, "warm", "ann")
    asked(mill.catalog, ratings.rate, "themes/take-1", 2, None, "bo")
    assert take(mill) == {"stars": 3.5, "rejected": 0, "note": "warm", "picks": None}
    asked(mill.catalog, ratings.reject, "themes/take-1", "cy", rejected=True)
    asked(mill.catalog, ratings.annotate, "themes/take-1", "cy", "hiss")
    assert take(mill) == {"stars": 3.5, "rejected": 1, "note": "warm\nhiss", "picks": None}
    assert [row["who"] for row in mill.rows("SELECT who FROM ratings_list ORDER BY who")] == ["ann", "bo", "cy"]
    asked(mill.catalog, ratings.reject, "themes/take-1", "ann", rejected=False)
    assert take(mill)["rejected"] == 1  # nobody takes back what another said
    asked(mill.catalog, ratings.reject, "themes/take-1", "cy", rejected=False)
    assert take(mill)["rejected"] == 0
    with Reader.open(mill.path) as reader:
        rating = reader.everything_of("themes")["outputs"][0]["rating"]  # type: ignore[index]
    assert rating["stars"] == 3.5 and rating["people"] == 3 and rating["note"] == "warm\nhiss"


def test_what_is_taken_back_leaves_no_row(mill: Any) -> None:
    takes(mill, 60.0)
    asked(mill.catalog, ratings.rate, "themes/take-1", 4, None, "ann")
    asked(mill.catalog, ratings.annotate, "themes/take-1", "ann", "short")
    asked(mill.catalog, ratings.rate, "themes/take-1", None, None, "ann", keep_note=True)
    assert mill.rows("SELECT stars, note FROM ratings") == [{"stars": None, "note": "short"}]
    asked(mill.catalog, ratings.annotate, "themes/take-1", "ann", None)
    assert mill.rows("SELECT * FROM ratings") == []
    assert asked(mill.catalog, ratings.reject, "themes/take-1", "ann", rejected=False) == set()
    assert mill.rows("SELECT * FROM ratings") == []


def test_stars_given_in_passing_leave_the_note(mill: Any) -> None:
    takes(mill, 60.0)
    asked(mill.catalog, ratings.rate, "themes/take-1", 4, "warm", "ann")
    asked(mill.catalog, ratings.rate, "themes/take-1", 5, None, "ann", keep_note=True)
    assert take(mill) | {"picks": 0} == {"stars": 5.0, "rejected": 0, "note": "warm", "picks": 0}


@pytest.mark.parametrize("rank_by", ["soundmill", "stars"])
def test_a_rejected_take_is_never_kept_and_the_next_best_is(mill: Any, rank_by: str) -> None:
    takes(mill, 60.0, 90.0, 70.0)
    mill.catalog.use_ranking(rank_by)
    assert choose(mill) == [0, 1, 0]
    assert asked(mill.catalog, ratings.reject, "themes/take-2.wav", "ann", rejected=True) == {1}
    assert choose(mill) == [0, 0, 1]
    assert mill.row("SELECT audio FROM takes WHERE job = 'take-2'") == {"audio": "themes/set_aside/take-2.wav"}
    # A page that was opened before still calls it by its former place.
    asked(mill.catalog, ratings.reject, "themes/take-2.wav", "ann", rejected=False)
    assert choose(mill) == [0, 1, 0]
    for number in (1, 2, 3):
        asked(mill.catalog, ratings.reject, f"themes/take-{number}", "bo", rejected=True)
    assert choose(mill) == [0, 0, 0]


def test_by_stars_the_mean_of_several_people_decides(mill: Any) -> None:
    takes(mill, 60.0, 90.0)
    mill.catalog.use_ranking("stars")
    assert choose(mill) == [0, 1]
    for who, stars in (("ann", 5), ("bo", 2), ("cy", 4)):
        asked(mill.catalog, ratings.rate, "themes/take-1", stars, None, who)
    assert choose(mill) == [1, 0]


def test_an_earlier_try_that_was_rejected_does_not_come_back_as_the_best(mill: Any) -> None:
    mill.ingest([mill.spec(1, name="take-1")])
    (attempt,) = mill.claim()
    mill.succeed(attempt, passed=False, score=50.0, retry=True)
    judged = mill.judgement(False, score=10.0)
    assert mill.catalog.better_take(1, judged) == 1
    asked(mill.catalog, ratings.reject, "themes/quarantine/take-1.take1.wav", "ann", rejected=True)
    assert mill.catalog.better_take(1, judged) is None


@pytest.mark.parametrize("target", ["themes", "themes/none.wav", "themes/none", "", "../themes/take-1.wav"])
def test_what_names_no_take_is_refused_and_nothing_is_written(mill: Any, target: str) -> None:
    takes(mill, 60.0)
    with pytest.raises(InvalidControl):
        asked(mill.catalog, ratings.reject, target, "ann", rejected=True)
    assert mill.rows("SELECT * FROM ratings") == []
