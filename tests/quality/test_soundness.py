"""The score of a take, from any checks there may be: what it promises, whatever their names, units and limits."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from soundmill.jobs import Check
from soundmill.quality.check import Note
from soundmill.quality.soundness import score, wear

NUMBERS = st.floats(-1e6, 1e6)


def upper(value: float | None, limit: float, unit: str = "share") -> Check:
    """A check for at most `limit`; the sign of what can be negative makes no difference."""
    size = None if value is None else value if unit in ("correlation", "dBFS") else abs(value)
    passed = size is not None and size <= limit
    return Check(name="x", passed=passed, value=value, threshold=limit, unit=unit, message="")


def lower(value: float, limit: float, unit: str = "dB") -> Check:
    return Check(name="x", passed=value >= limit, value=value, threshold=limit, unit=unit, message="")


@pytest.mark.parametrize(
    ("checks", "points"),
    [
        pytest.param([], 100, id="nothing-checked"),
        pytest.param([upper(0.0, 0.3)], 100, id="faultless"),
        pytest.param([upper(0.15, 0.3)], 100, id="half-of-the-limit-is-not-noticed"),
        pytest.param([upper(0.225, 0.3)], 49 + 51 * (1 - 0.5**2), id="half-way-from-noticed-to-failing"),
        pytest.param([upper(0.225, 0.3), upper(-0.015, 0.02)], 49 + 51 * (1 - 0.5**2) ** 2, id="two-half-way"),
        pytest.param([upper(0.3, 0.3)], 49, id="at-the-limit"),
        pytest.param([upper(0.6, 0.3)], 24.5, id="twice-the-limit"),
        pytest.param([upper(0.6, 0.3), upper(0.6, 0.3)], 12.25, id="twice-two-limits"),
        pytest.param([upper(None, 0.3)], 0, id="not-measured"),
        pytest.param([upper(float("nan"), 0.3)], 0, id="not-a-number"),
        pytest.param([lower(60.0, 30.0)], 100, id="30-dB-over-a-lower-limit"),
        pytest.param([lower(45.0, 30.0)], 100, id="15-dB-over-a-lower-limit-is-not-noticed"),
        pytest.param([lower(37.5, 30.0)], 49 + 51 * (1 - 0.5**2), id="7.5-dB-over-a-lower-limit"),
        pytest.param([lower(-40.0, -40.0, "LUFS")], 49, id="at-a-lower-limit"),
        pytest.param([lower(-70.0, -40.0, "LUFS")], 24.5, id="30-dB-under-a-lower-limit"),
        pytest.param([lower(2.0, 1.0, "s")], 100, id="twice-what-is-asked-at-least"),
        pytest.param([lower(4 / 3, 1.0, "s")], 49 + 51 * (1 - 0.5**2), id="a-third-more-than-is-asked-at-least"),
        pytest.param([lower(0.5, 1.0, "s")], 24.5, id="half-of-what-is-asked-at-least"),
        pytest.param([upper(-8.5, -1.0, "dBFS")], 49 + 51 * (1 - 0.5**2), id="a-level-7.5-dB-under-its-limit"),
        pytest.param([upper(1.0, 0.0, "clicks")], 24.5, id="one-click-where-none-may-be"),
        pytest.param([upper(3.0, 0.0, "clicks")], 12.25, id="three-clicks-where-none-may-be"),
        pytest.param([upper(0.1, 0.0, "share")], 0, id="a-share-where-nothing-may-be"),
        pytest.param([upper(-0.9, 0.95, "correlation")], 100, id="opposites-do-not-repeat"),
    ],
)
def test_the_documented_scores_hold(checks: list[Check], points: float) -> None:
    assert score(checks) == pytest.approx(points)


def test_what_does_not_apply_costs_nothing() -> None:
    check = Check(name="x", passed=True, value=None, threshold=0.95, unit="correlation", message="not applicable")
    assert score([check]) == 100


UNITS = st.sampled_from(["share", "s", "dB", "correlation", "full scale", "clicks", "dB over full scale"])
UPPER = st.builds(upper, st.floats(0, 100), st.floats(0.001, 100), UNITS)
LOWER = st.builds(lower, st.floats(-100, 100), st.floats(-80, 50), st.sampled_from(["dB", "LUFS"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(UPPER, LOWER), max_size=30))
def test_49_divides_passed_from_failed(checks: list[Check]) -> None:
    found = score(checks)
    assert 0 <= found <= 100
    assert found >= 49 if all(check.passed for check in checks) else found <= 49


@settings(max_examples=300, deadline=None)
@given(st.lists(UPPER, max_size=5), st.floats(0, 100), st.floats(0, 100), st.floats(0.001, 100), UNITS)
def test_more_of_a_fault_never_scores_higher(
    others: list[Check], one: float, other: float, limit: float, unit: str
) -> None:
    less, more = sorted((one, other))
    assert score([*others, upper(more, limit, unit)]) <= score([*others, upper(less, limit, unit)]) + 1e-9


@settings(max_examples=300, deadline=None)
@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(-80, 50))
def test_more_of_what_is_asked_never_scores_lower(one: float, other: float, limit: float) -> None:
    assume(limit != 0)  # a value of 0 at a limit of 0 does not show which kind of limit it is
    less, more = sorted((one, other))
    assert score([lower(more, limit)]) >= score([lower(less, limit)]) - 1e-9


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 100), st.floats(0.01, 100), UNITS)
def test_a_little_more_is_a_little_worse(value: float, limit: float, unit: str) -> None:
    step = limit * 1e-7
    assert score([upper(value + step, limit, unit)]) == pytest.approx(score([upper(value, limit, unit)]), abs=0.01)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(UPPER, LOWER), max_size=10), UNITS)
def test_a_further_check_that_finds_nothing_changes_nothing(checks: list[Check], unit: str) -> None:
    assert score([*checks, upper(0.0, 1.0, unit)]) == score(checks)


def test_what_a_check_says_is_in_clean_sound_costs_nothing() -> None:
    most = {"x": 0.9}
    assert score([upper(0.89, 1.0)], most) == 100
    assert score([upper(0.95, 1.0)], most) == pytest.approx(49 + 51 * (1 - 0.5**2))
    assert score([upper(2.0, 1.0)], most) == score([upper(2.0, 1.0)])


@settings(max_examples=300, deadline=None)
@given(st.lists(UPPER, max_size=5), st.floats(0, 100), st.floats(0, 100), st.floats(0, 0.99))
def test_more_never_scores_higher_whatever_is_noticed(
    others: list[Check], one: float, other: float, noticed: float
) -> None:
    less, more = sorted((one, other))
    assert score([*others, upper(more, 10)], {"x": noticed}) <= score([*others, upper(less, 10)], {"x": noticed}) + 1e-9


@settings(max_examples=200, deadline=None)
@given(st.lists(UPPER, max_size=5), st.lists(st.floats(0, 0.999), max_size=12))
def test_what_is_only_noted_costs_something_and_never_as_much_as_a_failed_check(
    others: list[Check], noted: list[float]
) -> None:
    found, before = score(others, noted=noted), score(others)
    assert found <= before
    assert score([], noted=noted) >= 49 + 51 / 2
    if all(check.passed for check in others):
        assert found >= 49 + (before - 49) / 2 - 1e-9
    else:
        assert found == before


@pytest.mark.parametrize(("noted", "points"), [([], 100), ([0.5], 87.25), ([0.5, 0.5], 80.875), ([1.0], 74.5)])
def test_the_documented_costs_of_notes_hold(noted: list[float], points: float) -> None:
    assert score([], noted=noted) == pytest.approx(points)


def test_a_note_costs_nothing_up_to_what_clean_sound_has_and_ever_more_beyond() -> None:
    note = Note(measurement="wow_share", clean=0.001, half=0.011)
    values = (None, 0.0, 0.001, 0.002, 0.011, 0.02, 5.0)
    strengths = [note.strength({"wow_share": value}) for value in values]
    assert strengths[:3] == [0, 0, 0] and strengths[4] == pytest.approx(0.5)
    assert all(0 < less < more < 1 for less, more in pairwise(strengths[3:]))
    assert note.strength({}) == 0


def test_either_sign_of_a_step_is_noted() -> None:
    note = Note(measurement="step", clean=0.2, half=1.2, reads=abs)
    assert note.strength({"step": -1.2}) == note.strength({"step": 1.2}) == pytest.approx(0.5)


def test_what_makes_a_fault_graver_counts_beyond_the_limit_alone() -> None:
    def points(value: float, times: float) -> float:
        return score([upper(value, 1.0)], graver={"x": times})

    assert points(0.9, 5.0) == points(0.9, 1.0)
    assert points(1.5, 1.0) == pytest.approx(49 / 1.5) and points(1.5, 2.0) == pytest.approx(49 / 2)
    assert points(1.0 + 1e-9, 9.0) == pytest.approx(49, abs=1e-5)


def test_one_gross_fault_counts_more_than_two_mild_ones_and_two_more_than_one() -> None:
    gross, mild = upper(0.95, 1.0), upper(0.75, 1.0)
    assert score([gross]) < score([mild, mild]) < score([mild])


def test_many_small_faults_do_not_make_a_take_look_failed() -> None:
    assert score([upper(0.3, 1.0)] * 20) > 90
    assert score([upper(0.5, 1.0)] * 20) > 60


def test_a_take_that_nearly_failed_is_told_from_one_that_is_merely_different() -> None:
    different = [upper(0.4, 1.0), upper(0.5, 1.0), lower(50.0, 30.0)]
    nearly_failed = [upper(0.95, 1.0), upper(0.0, 1.0), lower(90.0, 30.0)]
    assert score(different) > 90
    assert score(nearly_failed) < 60


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS, st.booleans(), st.sampled_from(["share", "dB", "s", "bananas", ""]))
def test_any_check_has_a_wear(value: float, limit: float, passed: bool, unit: str) -> None:
    assume(not math.isnan(value))
    used = wear(Check(name="new", passed=passed, value=value, threshold=limit, unit=unit, message=""))
    assert used >= 0
    assert used <= 1 if passed else used >= 1
