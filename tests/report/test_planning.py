from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from soundmill.report.planning import as_table, what_it_shows
from support.experiments import Findings, full_factorial, generators, takes_of

THREE_BY_THREE = [{"a": a, "b": b} for a, b in product("xyz", "uvw")]


def test_more_replicates_show_smaller_differences() -> None:
    shown = what_it_shows(THREE_BY_THREE, 4, crossed=True)
    assert [one.of for one in shown] == ["a", "b", "one combination"]
    for one in shown:
        assert list(one.points) == [3, 4, 5, 10]
        assert sorted(one.points.values(), reverse=True) == list(one.points.values())


def test_a_level_of_more_conditions_is_known_better() -> None:
    alone, crossed = what_it_shows(THREE_BY_THREE, 3, crossed=False), what_it_shows(THREE_BY_THREE, 3, crossed=True)
    assert alone[0].points[3] == pytest.approx(crossed[0].points[3] * np.sqrt(3))
    assert [one.of for one in alone] == ["a", "b"]


@pytest.mark.parametrize("replicates", [3, 5])
def test_a_difference_that_is_promised_is_seen_in_about_four_of_five_experiments(replicates: int) -> None:
    promised = what_it_shows(full_factorial({"a": "xyz", "b": "uvw"}), replicates, crossed=True, deviation=5.0)
    better, worse = promised[0].points[replicates], promised[2].points[replicates]
    runs, seen, named = 80, 0, 0
    for rng in generators(runs, 41):
        findings = Findings(takes_of(THREE_BY_THREE, replicates, rng, lambda one: better * (one["a"] == "y")))
        lead = next(one for one in findings.factor("a").contrasts if {one.better, one.worse} == {"x", "y"})
        seen += lead.low is not None and lead.low > 0 and lead.better == "y"
        bad = takes_of(THREE_BY_THREE, replicates, rng, lambda one: -worse * (one == THREE_BY_THREE[4]))
        found = Findings(bad).worst
        named += found is not None and found.condition == THREE_BY_THREE[4]
    spread = 3 * float(np.sqrt(0.8 * 0.2 / runs))
    assert seen / runs >= 0.8 - spread
    assert named / runs >= 0.7 - spread  # it must be the lowest of nine, and lie further below than a level


def test_the_table_has_a_row_for_each_and_nothing_where_nothing_varies() -> None:
    shown = what_it_shows(THREE_BY_THREE, 2, crossed=True)
    head, *lines = as_table(shown)
    assert "in points" in head
    assert lines[0].split() == ["replicates", "2", "3", "5", "10"]
    assert lines[-1].split()[:3] == ["one", "combination", "-"]
    assert as_table(what_it_shows([{"a": "x"}], 3, crossed=True)) == []
