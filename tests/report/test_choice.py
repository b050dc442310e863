from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.conftest import BATCH, jobs_with
from soundmill.jobs import JobStatus, Verdict
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
    assert [(one.prompt, one.none_because) for one in choice.without] == [("a bell", "none of its 2 takes passed")]


def of_prompts(choice: Choice) -> dict[str, list[str]]:
    return {one.prompt: [job.name for job, _ in one.takes] for one in choice.prompts}


def test_of_each_prompt_the_better_half_is_best_and_three_at_most() -> None:
    sizes = {"a bell": 1, "a horn": 2, "a drum": 3, "a lute": 9}
    choice = chosen(*(({"prompt": p}, {"score": 50.0 + n}) for p, size in sizes.items() for n in range(size)))
    assert of_prompts(choice) == {
        "a bell": ["clip-1"],
        "a horn": ["clip-3"],
        "a drum": ["clip-6", "clip-5"],
        "a lute": ["clip-15", "clip-14", "clip-13"],
    }


def test_the_takes_of_a_prompt_are_in_the_order_of_all_takes() -> None:
    takes: list[dict[str, object]] = [
        {"score": 99.0, "stars": 1},
        {"score": 20.0, "stars": 5},
        {"score": 98.0, "verdict": Verdict.FAILED},
        {"score": 60.0},
        {"score": 70.0, "stars": 3},
        {"score": 65.0},
    ]
    choice = chosen(*(({"prompt": "a horn"}, take) for take in takes), ({"prompt": "a bell"}, {}))
    assert of_prompts(choice) == {"a horn": ["clip-2", "clip-5", "clip-6"], "a bell": ["clip-7"]}
    horns = list(choice.prompts[0].takes)
    assert horns == sorted(horns, key=order)


def test_one_prompt_alone_is_not_told_apart() -> None:
    assert chosen(({}, {}), ({}, {})).prompts == ()


def test_many_prompts_have_their_best_although_the_best_of_all_are_proposed() -> None:
    choice = chosen(*(({"prompt": f"prompt {n // 3}"}, {"score": float(n % 90)}) for n in range(300)))
    assert not choice.per_prompt and choice.compete and len(choice.takes) == 12
    assert len(choice.prompts) == 100 and all(len(one.takes) == 2 for one in choice.prompts)


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        ([({}, {"verdict": Verdict.FAILED})], "its only take did not pass"),
        ([({}, {"stars": 2}), ({}, {"kept": False})], "the 2 takes that passed have one or two stars, are set aside"),
        ([({}, {"present": False})], "the take that passed has one or two stars, is set aside or is gone"),
        ([({"status": JobStatus.FAILED}, {"final": False})], "every job of it failed or was cancelled"),
        ([({"status": JobStatus.QUEUED}, {"final": False})], "no take yet"),
        ([({}, {"verdict": Verdict.FAILED}), ({"status": JobStatus.RUNNING}, {"final": False})], "did not pass so far"),
    ],
)
def test_it_is_said_why_a_prompt_has_nothing_to_use(jobs: list[Any], why: str) -> None:
    (one,) = chosen(({"prompt": "a horn"}, {}), *jobs).without
    assert one.prompt == "a bell" and why in one.none_because
