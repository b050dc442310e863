"""The one combination that is worse than the rest, and what is said where the checks tell nothing apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from soundmill.report.analysis import analyse
from soundmill.report.statistics.findings import Response, Take
from support.experiments import Findings, full_factorial, generators, take, takes_of

NINE = {"cfg_coef": ("1", "3", "15"), "temperature": ("0.7", "1.0", "3")}
BAD = {"cfg_coef": "15", "temperature": "3"}


def bad_by(points: float) -> list[Take]:
    rng = np.random.default_rng(161)
    scores = rng.normal(0, 9, (9, 4)) + 60 + rng.normal(0, 8, 4)
    scores[full_factorial(NINE).index(BAD)] -= points
    return of_scores(np.round(scores, 1).tolist())


def of_scores(scores: Sequence[Sequence[float]]) -> list[Take]:
    """Of the nine conditions in their order, one score a seed."""
    return [
        take(condition, seed, score)
        for condition, of_seeds in zip(full_factorial(NINE), scores, strict=True)
        for seed, score in enumerate(of_seeds)
    ]


def test_a_bad_combination_of_nine_is_named_though_no_factor_or_interaction_is_shown_to_matter() -> None:
    takes = bad_by(17.0)
    by_condition: dict[frozenset[tuple[str, str]], list[float]] = {}
    for one in takes:
        by_condition.setdefault(frozenset(one.condition.items()), []).append(one.score or 0.0)
    assert stats.friedmanchisquare(*by_condition.values()).pvalue < 0.05
    found = analyse(takes)
    assert found.worst is not None
    assert found.worst.condition == BAD
    assert found.worst.p_value <= 0.05
    assert not any(one.matters for one in found.factors)
    assert not any(one.matters for one in found.interactions)
    assert found.sentences[0] == found.worst.sentence
    assert found.sentences[0].startswith(
        "One combination is worse than the rest, cfg_coef 15 with temperature 3: by "
    ), found.sentences
    assert found.sentences[1] == "No winner: beyond that, these 36 takes do not show that any setting matters."
    (named,) = (one for one in found.conditions if one.condition == BAD)
    assert not named.tied_with_best


def test_its_interval_is_that_of_the_paired_t_test_against_the_mean_of_the_rest() -> None:
    takes = bad_by(30.0)
    worst = analyse(takes).worst
    assert worst is not None
    scores = np.array([one.score for one in takes]).reshape(9, 4)
    at = full_factorial(NINE).index(BAD)
    leads = np.delete(scores, at, axis=0).mean(axis=0) - scores[at]
    interval = stats.ttest_1samp(leads, 0).confidence_interval(0.95)
    assert [worst.difference, worst.low, worst.high] == pytest.approx([leads.mean(), interval.low, interval.high])


def test_scores_that_differ_by_decimals_are_not_told_apart() -> None:
    rng = np.random.default_rng(3)
    found = analyse(of_scores(np.round(rng.uniform(99.93, 100.0, (9, 4)), 2).tolist()))
    assert found.winner is None
    assert found.worst is None
    assert found.sentences[0] == (
        "No winner: these 36 takes do not show that any setting matters. The checks cannot tell them apart: listen."
    )


def test_of_stars_no_checks_are_spoken_of() -> None:
    takes = [
        Take(condition=condition, replicate=seed + 1, score=None, passed=True, stars=3 + (at + seed) % 2)
        for at, condition in enumerate(full_factorial(NINE))
        for seed in range(4)
    ]
    first = analyse(takes, response=Response.STARS).sentences[0]
    assert first == "No winner: these 36 takes do not show that any setting matters."


def test_a_combination_that_is_worse_by_less_than_anyone_would_act_on_is_not_named() -> None:
    scores = [[99.0, 99.1, 99.2, 99.1]] * 8 + [[97.0, 97.2, 97.1, 97.0]]
    assert Findings(of_scores(scores)).worst is None


def test_of_a_level_that_is_bad_as_a_whole_no_combination_is_named() -> None:
    named = 0
    for rng in generators(60, 31):
        takes = takes_of(full_factorial(NINE), 4, rng, lambda one: -25.0 * (one["temperature"] == "3"), noise=9.0)
        named += Findings(takes).worst is not None
    assert named <= 3


@pytest.mark.parametrize("noisy", [{"cfg_coef": "1"}, {"cfg_coef": "1", "temperature": "1.0"}, {}])
def test_where_nothing_is_worse_none_is_named_though_some_vary_more(noisy: Mapping[str, str]) -> None:
    runs, named = 100, 0
    for rng in generators(runs, 32):
        takes = [
            take(condition, seed, 70 + rng.normal(0, 12.0 if noisy.items() <= condition.items() else 0.3))
            for condition in full_factorial(NINE)
            for seed in range(3)
        ]
        named += Findings(takes).worst is not None
    assert named / runs <= 0.05 + 3 * float(np.sqrt(0.05 * 0.95 / runs))


def test_a_seed_that_some_condition_lacks_is_left_out_of_the_search() -> None:
    takes = [one for one in bad_by(40.0) if (one.condition, one.replicate) != (full_factorial(NINE)[0], 2)]
    worst = analyse(takes).worst
    assert worst is not None
    assert worst.condition == BAD
    two_seeds = [one for one in bad_by(40.0) if one.replicate <= 2]
    assert analyse(two_seeds).worst is None


def test_no_condition_whose_interval_lies_apart_from_the_best_ones_may_be_the_best() -> None:
    apart = 0
    for rng in generators(40, 33):
        takes = [
            take(
                condition, seed, 95 - (0.0 if condition != BAD else 30.0) + rng.normal(0, 1 if condition != BAD else 25)
            )
            for condition in full_factorial(NINE)
            for seed in range(3)
        ]
        best, *others = Findings(takes).conditions
        assert best.low is not None
        for one in others:
            assert one.high is not None
            apart += one.high < best.low
            assert not (one.tied_with_best and one.high < best.low)
    assert apart > 0
