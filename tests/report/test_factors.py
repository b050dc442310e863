from __future__ import annotations

from dataclasses import replace

import pytest

from report.conftest import jobs_with
from soundmill.jobs import JobStatus
from soundmill.report.factors import find_factors, response_of, takes_of
from soundmill.report.statistics.findings import Response


def test_an_experiment_says_its_factors() -> None:
    jobs = jobs_with([({"condition": {"temperature": level}, "temperature": 9.0}, {}) for level in ("1.3", "0.7")])
    factors = find_factors(jobs)
    assert factors.designed and factors.names == ("temperature",) and factors.levels("temperature") == ("0.7", "1.3")


def test_an_experiment_says_which_factors_are_logarithmic() -> None:
    jobs = jobs_with([({"condition": {"top_k": str(n), "cfg_coef": str(n), "style": "jazz"}}, {}) for n in (1, 2)])
    plan = {"top_k": {"min": 1, "max": 500, "scale": "log"}, "cfg_coef": {"min": 1, "max": 9, "scale": "linear"}}
    earlier = {"design": "sobol", "factors": plan | {"style": ["jazz", "folk"]}}
    assert find_factors(jobs, [earlier, None]).log == {"top_k"}
    assert find_factors(jobs).log == frozenset()


def test_a_column_that_takes_a_few_values_is_a_factor() -> None:
    jobs = jobs_with([({"temperature": 0.7 + 0.3 * (n % 2), "labels": {"cue": f"m{n}"}}, {}) for n in range(12)])
    factors = find_factors(jobs)
    assert factors.names == ("temperature",) and not factors.designed
    assert factors.conditions[1] == {"temperature": "0.7"} and factors.conditions[2] == {"temperature": "1"}


def test_prompts_that_begin_alike_are_different_levels() -> None:
    jobs = jobs_with([({"prompt": f"{'slow strings, ' * 8}take {n % 2}"}, {}) for n in range(12)])
    factors = find_factors(jobs)
    assert factors.names == ("prompt",)
    assert factors.levels("prompt") == tuple(f"{'slow strings, ' * 8}take {n}" for n in range(2))


def test_a_label_that_names_each_job_is_no_factor() -> None:
    assert find_factors(jobs_with([({"labels": {"cue": f"m{n}"}}, {}) for n in range(12)])).names == ()


def test_columns_that_say_the_same_are_one_factor() -> None:
    jobs = jobs_with([({"labels": {"style": s}, "prompt": f"a {s} tune"}, {}) for s in ("jazz", "folk") * 6])
    assert find_factors(jobs).names == ("style",)


def test_a_short_list_has_no_factors() -> None:
    assert find_factors(jobs_with([({"temperature": 0.7 + 0.3 * (n % 2)}, {}) for n in range(11)])).names == ()


@pytest.mark.parametrize("levels", [1, 13])
def test_one_level_or_more_than_twelve_is_no_factor(levels: int) -> None:
    assert find_factors(jobs_with([({"temperature": float(n % levels)}, {}) for n in range(39)])).names == ()


def test_failed_jobs_have_no_take_that_could_pass_and_waiting_ones_do_not_count_at_all() -> None:
    jobs = jobs_with(
        [
            ({"condition": {"a": "1"}}, {}),
            ({"condition": {"a": "2"}, "status": JobStatus.FAILED}, None),
            ({"condition": {"a": "2"}, "status": JobStatus.QUEUED}, None),
        ]
    )
    takes = takes_of(jobs, find_factors(jobs))
    assert [(take.score, take.passed) for take in takes] == [(80.0, True), (None, None)]


def test_settings_are_compared_by_the_first_take_of_each_job() -> None:
    """A later take has another seed and stands in only because the first did not pass."""
    (job,) = jobs_with([({"condition": {"a": "1"}}, {"score": 20.0, "verdict": "failed", "final": False})])
    later = replace(job.takes[0], file="clip-1.take2.wav", attempt=2, seed=99, score=90.0, verdict="passed", final=True)
    again = replace(job, takes=(*job.takes, later))
    (take,) = takes_of([again], find_factors([again]))
    assert (take.score, take.passed, take.tried_again) == (20.0, False, True)
    (still_at_it,) = takes_of([replace(job, status=JobStatus.RUNNING)], find_factors([job]))
    assert still_at_it.score == 20.0
    assert not takes_of([replace(job, takes=(replace(job.takes[0], final=True),))], find_factors([job]))[0].tried_again


def test_a_take_says_whose_limits_judged_it() -> None:
    jobs = jobs_with([({"condition": {"a": "1"}}, {"ruleset": "sound_effects-2-64e12c5f"})])
    assert [take.kind for take in takes_of(jobs, find_factors(jobs))] == ["sound_effects"]


def test_takes_set_aside_by_keep_best_are_compared_with_those_kept() -> None:
    jobs = jobs_with([({"condition": {"a": "1"}}, {"score": 60.0 + n, "kept": n == 2}) for n in range(3)])
    assert [take.score for take in takes_of(jobs, find_factors(jobs))] == [60.0, 61.0, 62.0]


def test_stars_are_compared_once_nearly_all_takes_have_them() -> None:
    jobs = jobs_with([({"condition": {"a": str(n % 2)}}, {"stars": 4 if n < 8 else None}) for n in range(10)])
    takes = takes_of(jobs, find_factors(jobs))
    assert response_of(takes) is Response.STARS and response_of(takes[1:]) is Response.SCORE
