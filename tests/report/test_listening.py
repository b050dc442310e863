from __future__ import annotations

from dataclasses import replace

from report.conftest import BATCH, jobs_with
from soundmill.report.choice import CANNOT_TELL, Choice, choose


def chosen(*changes: tuple[dict[str, object], dict[str, object]]) -> Choice:
    return choose(replace(BATCH, jobs=jobs_with(changes)))


def names(choice: Choice) -> list[str]:
    return [job.name for job, _ in choice.takes]


def sounding(score: float, loudness: float, **more: object) -> dict[str, object]:
    return {"score": score, "measurements": {"loudness_lufs": loudness, "crest_db": 12.0}, **more}


def test_takes_within_a_point_are_heard_by_how_they_differ_not_by_decimals() -> None:
    loudnesses = (-14.0, -14.1, -13.9, -30.0, -20.0, -14.2, -13.8, -14.05)
    choice = chosen(*(({}, sounding(99.93 + at / 100, loudness)) for at, loudness in enumerate(loudnesses)))
    assert choice.alike
    assert CANNOT_TELL in choice.rule and "best" not in choice.rule
    assert names(choice) == ["clip-1", "clip-4"]  # the first, and the one least like it; not those of 100.0


def test_one_of_each_row_comes_before_a_second_of_any() -> None:
    rows = [({"temperature": level}, sounding(99.9, -10.0 - 5 * at)) for at, level in enumerate((0.7, 0.7, 0.7, 1.3))]
    choice = chosen(*rows, *(({"temperature": 1.3}, sounding(99.95, -14.0)) for _ in range(4)))
    assert names(choice) == ["clip-1", "clip-4"]


def test_what_lies_a_point_apart_is_told_apart() -> None:
    choice = chosen(*(({}, sounding(score, -14.0)) for score in (97.0, 98.0, 99.0, 100.0)))
    assert not choice.alike
    assert names(choice) == ["clip-4"]
    assert CANNOT_TELL not in choice.rule


def test_of_many_that_are_alike_and_one_that_is_worse_the_worse_one_comes_last() -> None:
    takes = [
        ({"prompt": f"prompt {at}"}, sounding(score, -14.0 - at)) for at, score in enumerate((60.0, 99.9, 99.95, 100.0))
    ]
    assert names(chosen(*takes)) == ["clip-2", "clip-4", "clip-3", "clip-1"]


def test_a_persons_stars_are_told_apart() -> None:
    choice = chosen(*(({}, sounding(99.9, -14.0 - at, stars=5 if at == 6 else None)) for at in range(8)))
    assert not choice.alike
    assert names(choice)[0] == "clip-7"
