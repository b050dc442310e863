from __future__ import annotations

from dataclasses import replace

from report.conftest import BATCH, jobs_with
from soundmill.jobs import Verdict
from soundmill.report.choice import Choice, choose, order


def chosen(*changes: tuple[dict[str, object], dict[str, object]]) -> Choice:
    return choose(replace(BATCH, jobs=jobs_with(changes)))


def names(choice: Choice) -> list[str]:
    return [job.name for job, _ in choice.takes]


def each_its_own(*takes: dict[str, object]) -> Choice:
    """The choice among takes of different prompts."""
    return chosen(*(({"prompt": f"prompt {n}"}, take) for n, take in enumerate(takes)))


def test_takes_of_different_prompts_are_all_proposed_best_first() -> None:
    assert names(each_its_own({"score": 60.0}, {"score": 90.0}, {"score": 70.0})) == ["clip-2", "clip-3", "clip-1"]


def test_of_many_takes_of_one_prompt_the_best_quarter_is_proposed() -> None:
    assert names(chosen(*(({}, {"score": 50.0 + n}) for n in range(8)))) == ["clip-8", "clip-7"]
    assert len(chosen(*(({}, {}) for _ in range(200))).takes) == 12


def test_a_persons_stars_go_before_the_score() -> None:
    choice = each_its_own(
        {"score": 99.0},
        {"score": 30.0, "stars": 5},
        {"score": 98.0, "stars": 2},
        {"score": 40.0, "stars": 4, "verdict": Verdict.FAILED},
        {"score": 97.0, "stars": 3},
        {"score": 96.0},
    )
    assert names(choice) == ["clip-2", "clip-4", "clip-1", "clip-5", "clip-6"]


def test_disliked_takes_sort_below_everything_unrated() -> None:
    jobs = jobs_with([({}, {"stars": 1, "score": 99.0}), ({}, {"score": 1.0, "verdict": Verdict.FAILED}), ({}, {})])
    found = sorted(((job, job.takes[0]) for job in jobs), key=order)
    assert [job.name for job, _ in found] == ["clip-3", "clip-2", "clip-1"]


def test_flagged_quarantined_set_aside_and_missing_takes_are_not_proposed() -> None:
    choice = chosen(
        ({}, {"verdict": Verdict.FAILED}),
        ({}, {"quarantined": True}),
        ({}, {"kept": False}),
        ({}, {"present": False, "stars": 5}),
    )
    assert choice.takes == ()


def test_prompts_with_several_takes_each_get_their_best() -> None:
    horn, bell = {"prompt": "a horn"}, {"prompt": "a bell"}
    choice = chosen((horn, {"score": 50.0}), (horn, {"score": 60.0}), (bell, {"score": 95.0}), (bell, {"score": 99.0}))
    assert choice.per_prompt and names(choice) == ["clip-2", "clip-4"]


def test_a_prompt_without_a_usable_take_is_named() -> None:
    horn, bell = {"prompt": "a horn"}, {"prompt": "a bell"}
    bad = {"verdict": Verdict.FAILED}
    choice = chosen((horn, {}), (horn, {}), (bell, bad), (bell, bad))
    assert choice.without == ("a bell",)
