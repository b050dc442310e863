"""Sampled designs: points as scipy draws them, levels as a person would write them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from soundmill.errors import InvalidJobFile, SoundmillError
from soundmill.inbox.intake import FIRST_WAIT_S, SCAN_S, Intake
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.points import Draw, draw, draw_apart
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.jobfile.yaml.ranges import Range
from soundmill.inbox.jobfile.yaml.sampled import centred
from soundmill.jobs import BatchSpec, JobSpec, derive_seed

ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
quick = settings(max_examples=50, deadline=None)
numbers = st.floats(-1e6, 1e6).map(lambda number: float(f"{number:.6g}"))


def batch_of(text: str, rules: Rules) -> BatchSpec:
    return read_jobs(text.encode(), "file.yaml", rules)


def sampled(design: str, n: int, factors: str, replicates: int = 1) -> str:
    return (
        f"defaults: {{prompt: '{{mood}} piano'}}\nexperiment:\n  design: {design}\n  n: {n}\n"
        f"  replicates: {replicates}\n  factors: {{mood: [calm, tense, wild], {factors}}}\n"
    )


def column(jobs: Sequence[JobSpec], factor: str) -> list[str]:
    return [job.condition[factor] for job in jobs]


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_a_sampled_design_has_n_conditions_with_the_same_seeds_in_each(design: str, rules: Rules) -> None:
    factors = "temperature: {min: 0.5, max: 1.5}, top_k: {min: 10, max: 1000, scale: log}"
    batch = batch_of(sampled(design, 16, factors, replicates=2), rules)
    jobs = list(batch.jobs)
    assert batch.job_count == len(jobs) == 32
    assert len({tuple(job.condition.items()) for job in jobs}) == 16
    assert {job.replicate: job.seed for job in jobs} == {r: derive_seed(ULID, "replicate", r) for r in (1, 2)}
    for job in jobs:
        assert job.parameters.temperature == float(job.condition["temperature"])
        assert 0.5 <= job.parameters.temperature <= 1.5
        assert 10 <= job.parameters.top_k == int(job.condition["top_k"]) <= 1000
        assert job.prompt == f"{job.condition['mood']} piano"


def test_the_plan_records_n_the_seed_and_the_ranges(rules: Rules) -> None:
    plan = batch_of(sampled("sobol", 6, "top_k: {min: 10, max: 1000, scale: log}"), rules).experiment
    assert plan is not None
    assert (plan["design"], plan["n"], plan["design_seed"]) == ("sobol", 6, derive_seed(ULID, "design", 0))
    assert plan["factors"] == {
        "mood": ["calm", "tense", "wild"],
        "top_k": {"min": 10.0, "max": 1000.0, "scale": "log", "step": 1.0},
    }
    assert "baseline" not in plan


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_a_file_read_again_gives_the_very_same_jobs_and_another_batch_others(
    design: str, tmp_path: Path, rules_with: Callable[..., Rules]
) -> None:
    text = sampled(design, 5, "temperature: {min: 0.5, max: 1.5}")
    first, again = (list(batch_of(text, rules_with(tmp_path)).jobs) for _ in range(2))
    assert first == again
    other = list(batch_of(text, rules_with(tmp_path, ulid="01HYYYYYYYYYYYYYYYYYYYYYYY")).jobs)
    assert column(other, "temperature") != column(first, "temperature")


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_a_process_of_its_own_draws_what_is_drawn_here(design: str) -> None:
    wanted = Draw(design=design, factors=3, skip=4, count=3, seed=11)
    assert draw_apart(wanted) == draw(wanted)


def test_a_design_that_cannot_be_drawn_says_why() -> None:
    with pytest.raises(SoundmillError, match=r"could not be drawn \(ValueError: .*\)"):
        draw_apart(Draw(design="sobol", factors=10**6, skip=0, count=1, seed=0))


def test_a_file_whose_points_could_not_be_drawn_stays_and_is_tried_again(
    spool: Any, ledger: Any, clock: Any, inbox: Path, rules_with: Callable[..., Rules]
) -> None:
    draws: list[Draw] = []

    def failing_once(wanted: Draw) -> Sequence[Sequence[float]]:
        draws.append(wanted)
        if len(draws) == 1:
            raise SoundmillError("the points of the design could not be drawn (no memory)")
        return draw(wanted)

    intake = Intake(spool, ledger, lambda ulid: rules_with(inbox, ulid, draw=failing_once), 1 << 20)
    (inbox / "a.yaml").write_text(sampled("sobol", 4, "temperature: {min: 0.5, max: 1.5}"))
    (outcome,) = intake.scan()
    assert "no memory" in outcome.reason and not outcome.rejected
    clock.now += FIRST_WAIT_S
    (outcome,) = intake.scan()
    assert outcome.accepted and draws[0] == draws[1]


def test_a_scan_that_takes_long_leaves_the_rest_to_the_next(
    spool: Any, ledger: Any, clock: Any, inbox: Path, rules_with: Callable[..., Rules]
) -> None:
    def slowly(wanted: Draw) -> Sequence[Sequence[float]]:
        clock.now += SCAN_S / 2
        return draw(wanted)

    intake = Intake(spool, ledger, lambda ulid: rules_with(inbox, ulid, draw=slowly), 1 << 20)
    for number in range(5):
        (inbox / f"{number}.yaml").write_text(sampled("sobol", 2, "temperature: {min: 0.5, max: 1.5}") + "#" * number)
    counts = []
    while not counts or intake.more:
        counts.append(len(intake.scan()))
    assert counts == [2, 2, 1]


def test_a_file_with_a_mistake_is_refused_without_drawing(tmp_path: Path, rules_with: Callable[..., Rules]) -> None:
    def never(wanted: Draw) -> Sequence[Sequence[float]]:
        raise AssertionError(wanted)

    with pytest.raises(InvalidJobFile):
        batch_of(sampled("sobol", 4, "temperature: {min: 1, max: 9}"), rules_with(tmp_path, draw=never))


@quick
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 2**31 - 1))
def test_a_latin_hypercube_has_one_point_in_each_stratum_of_each_factor(n: int, factors: int, seed: int) -> None:
    points = draw(Draw(design="latin_hypercube", factors=factors, skip=0, count=n, seed=seed))
    for axis in zip(*points, strict=True):
        assert sorted(math.floor(share * n) for share in axis) == list(range(n))


@quick
@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 2**31 - 1))
def test_a_sobol_sequence_goes_on_where_it_stopped(skip: int, count: int, seed: int) -> None:
    whole = draw(Draw(design="sobol", factors=3, skip=0, count=skip + count, seed=seed))
    assert draw(Draw(design="sobol", factors=3, skip=skip, count=count, seed=seed)) == whole[skip:]


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50, unique=True), st.integers(1, 9))
def test_listed_levels_occur_equally_often_or_differ_by_one(shares: list[float], levels: int) -> None:
    counts = Counter(int(share * levels) for share in centred(shares))
    occurring = [counts[level] for level in range(levels)]
    assert sum(occurring) == len(shares) and max(occurring) - min(occurring) <= 1


@pytest.mark.parametrize(
    ("design", "n", "allowed"),
    [("latin_hypercube", 10, {3, 4}), ("latin_hypercube", 12, {4}), ("sobol", 16, {4, 5, 6})],
)
def test_a_list_of_levels_is_shared_out_evenly(
    design: str, n: int, allowed: set[int], tmp_path: Path, rules_with: Callable[..., Rules]
) -> None:
    for number in range(20):
        rules = rules_with(tmp_path, f"01H{number}")
        jobs = list(batch_of(sampled(design, n, "top_p: {min: 0, max: 1}"), rules).jobs)
        assert set(Counter(column(jobs, "mood")).values()) <= allowed


def test_a_logarithmic_range_has_as_many_points_in_each_decade(rules: Rules) -> None:
    jobs = list(batch_of(sampled("latin_hypercube", 30, "cfg_coef: {min: 0.02, max: 20, scale: log}"), rules).jobs)
    decades = Counter(math.floor(math.log10(job.parameters.cfg_coef / 0.02)) for job in jobs)
    assert decades == {0: 10, 1: 10, 2: 10}


def test_whole_numbers_are_equally_likely(rules: Rules) -> None:
    text = "defaults: {prompt: x}\nexperiment: {design: latin_hypercube, n: 5, factors: {top_k: {min: 3, max: 7}}}\n"
    assert sorted(column(list(batch_of(text, rules).jobs), "top_k")) == list("34567")


def test_a_placeholder_may_have_a_range_with_a_step(rules: Rules) -> None:
    text = (
        "defaults: {prompt: '{bpm} bpm house'}\n"
        "experiment: {design: latin_hypercube, n: 5, factors: {bpm: {min: 100, max: 140, step: 10}}}\n"
    )
    prompts = {job.prompt for job in batch_of(text, rules).jobs}
    assert prompts == {f"{bpm} bpm house" for bpm in (100, 110, 120, 130, 140)}


def test_points_that_rounding_makes_equal_run_once(rules: Rules) -> None:
    """Eight points of ten conditions: whichever coincide are one condition, not the same clip twice."""
    batch = batch_of(sampled("sobol", 8, "top_k: {min: 1, max: 3}"), rules)
    conditions = [tuple(job.condition.items()) for job in batch.jobs]
    assert len(conditions) == len(set(conditions)) == batch.job_count <= 8


@quick
@given(numbers, numbers, st.booleans(), st.floats(0, 1))
@example(30367.0, 1.68922e-304, True, 1.0)
@example(30367.0, 1.68922e-304, True, 0.0)
def test_a_level_lies_in_its_range_and_is_short(one: float, other: float, log: bool, share: float) -> None:
    low, high = sorted((one, other))
    if low == high or (log and low <= 0):
        return
    text = Range(low=low, high=high, log=log, step=None).level(share)
    assert low <= float(text) <= high
    assert "e" not in text.lower() and not (("." in text) and text.endswith(("0", ".")))
    ratio = math.log(high) - math.log(low) if log else 0.0
    exact = math.exp(math.log(low) + share * ratio) if log else low + share * (high - low)
    slope = exact * ratio if log else high - low
    assert abs(float(text) - exact) <= max(slope / 1000, 0.5) / 2 * 1.001


@quick
@given(st.integers(-50, 50), st.integers(1, 40), st.sampled_from([0.1, 0.25, 1, 3]), st.booleans(), st.floats(0, 1))
def test_a_stepped_level_is_whole_steps_above_the_lowest(
    low: int, steps: int, step: float, log: bool, share: float
) -> None:
    if log and low <= 0:
        return
    span = Range(low=float(low), high=float(low) + steps * step, log=log, step=step)
    levels = {span.level(0.0), span.level(share), span.level(1.0)}
    assert levels <= {f"{low + n * step:.6g}" for n in range(steps + 1)}
    assert span.count == steps + 1
