"""What answers about pairs come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soundmill.preference import (
    ORDER_SD,
    STRENGTH_SD,
    TIE_SD,
    Standing,
    chances_of,
    fit,
    heard,
    next_pair,
    nothing_known,
    odds_of,
    share,
)


def counts_of(n: int, *answers: tuple[int, int, int, int]) -> Any:
    """Each: first, second, place of the answer, how often."""
    counts = np.zeros((n, n, 3))
    for first, second, answer, times in answers:
        counts[first, second, answer] += times
    return counts


def stand(counts: Any) -> Standing:
    """By one listener whose checks leave no doubt."""
    return fit(counts[..., None, :, :, :], np.full((*counts.shape[:-3], 1), 200.0))


def likelihood(at: Any, counts: Any) -> float:
    """By the model's own words, one answer after another."""
    n = len(counts)
    total = -(np.sum(at[:n] ** 2) / STRENGTH_SD**2 + at[n] ** 2 / ORDER_SD**2 + at[n + 1] ** 2 / TIE_SD**2) / 2
    for first in range(n):
        for second in range(n):
            half = (at[first] - at[second] + at[n]) / 2
            weights = np.exp([half, -half, at[n + 1]])
            total += counts[first, second] @ np.log(weights / weights.sum())
    return float(total)


SOME = counts_of(3, (0, 1, 0, 7), (1, 0, 1, 3), (1, 2, 0, 5), (2, 0, 2, 4), (0, 2, 0, 2), (2, 1, 0, 1))


def test_the_standing_is_where_the_likelihood_is_highest_and_its_covariance_the_curvature_there() -> None:
    from scipy.optimize import minimize

    standing = stand(SOME)
    found = minimize(lambda at: -likelihood(at, SOME), np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    assert standing.strengths == pytest.approx(found[:3] - found[:3].mean(), abs=1e-5)
    assert (float(standing.order), float(standing.tie)) == pytest.approx((found[3], found[4]), abs=1e-5)
    step, eye = 1e-4, np.eye(5)
    curvature = np.array(
        [
            [
                sum(
                    sign * likelihood(found + step * (a * eye[i] + b * eye[j]), SOME)
                    for a, b, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
                )
                / (4 * step**2)
                for j in range(5)
            ]
            for i in range(5)
        ]
    )
    inverse = np.linalg.inv(-curvature)[:3, :3]
    centre = np.eye(3) - 1 / 3
    assert standing.covariance == pytest.approx(centre @ inverse @ centre, abs=1e-4)


def test_nobody_asked_is_nothing_known() -> None:
    standing = nothing_known(4)
    assert standing.strengths == pytest.approx(0)
    assert standing.errors == pytest.approx(STRENGTH_SD * np.sqrt(3 / 4))
    assert float(standing.surety) == 0.0


def test_always_preferred_is_finite_and_sure() -> None:
    standing = stand(counts_of(2, (0, 1, 0, 40), (1, 0, 1, 40)))
    assert np.isfinite(standing.strengths).all()
    assert int(standing.best) == 0
    assert float(standing.surety) > 0.99


def test_being_heard_first_is_not_taken_for_being_better() -> None:
    standing = stand(counts_of(2, (0, 1, 0, 30), (0, 1, 1, 10), (1, 0, 0, 30), (1, 0, 1, 10)))
    assert standing.strengths == pytest.approx(0, abs=1e-9)
    assert float(standing.order) > 0.5


def test_only_ties_leave_all_equal() -> None:
    standing = stand(counts_of(3, (0, 1, 2, 20), (1, 2, 2, 20), (2, 0, 2, 20)))
    assert standing.strengths == pytest.approx(0, abs=1e-9)
    assert float(standing.tie) > 1


def test_juries_side_by_side_are_as_each_alone() -> None:
    other = counts_of(3, (2, 1, 0, 9))
    both = stand(np.stack([SOME, other]))
    for at, counts in enumerate((SOME, other)):
        alone = stand(counts)
        assert both.strengths[at] == pytest.approx(alone.strengths, abs=1e-3)
        assert both.covariance[at] == pytest.approx(alone.covariance, abs=1e-3)
        assert float(both.surety[at]) == pytest.approx(float(alone.surety), abs=1e-3)


@pytest.mark.parametrize("listens", [0.3, 0.7, 0.95])
def test_who_may_be_clicking_pulls_strengths_neither_together_nor_apart(listens: float) -> None:
    """Counts just as expected of somebody who listens with that chance: the truth comes back."""
    truth, order, tie = np.array([1.2, 0.1, -1.3]), 0.3, -0.4
    said = listens * chances_of(truth, np.array(order), np.array(tie)) + (1 - listens) / 3
    counts = 1e6 * said * (1 - np.eye(3))[..., None]
    standing = fit(counts[None], np.array([np.log(listens / (1 - listens)) - np.log(0.85 / 0.15)]))
    assert float(standing.listening[0]) == pytest.approx(listens)
    assert standing.strengths == pytest.approx(truth, abs=1e-3)
    assert (float(standing.order), float(standing.tie)) == pytest.approx((order, tie), abs=1e-3)
    alone = fit(counts[None], np.array([200.0]))
    assert abs(float(alone.strengths[0])) < abs(truth[0]) - 0.02


def test_chances_add_up_to_one() -> None:
    standing = stand(SOME)
    assert chances_of(standing.strengths, standing.order, standing.tie).sum(axis=-1) == pytest.approx(1)
    assert share(0.0) == 0.5


def test_the_next_question_is_mostly_about_those_that_may_be_the_best() -> None:
    standing = Standing(
        strengths=np.array([1.6, 1.5, -0.6, -1.2, -1.3]),
        covariance=np.diag(np.full(5, 0.04)),
        order=np.zeros(()),
        tie=np.zeros(()),
        listening=np.zeros(0),
    )
    random = np.random.default_rng(5)
    pairs = [next_pair(standing, random) for _ in range(400)]
    assert all(first != second for first, second in pairs)
    assert sum({first, second} == {0, 1} for first, second in pairs) > 240
    heard_first = sum(first == 0 for first, second in pairs if {first, second} == {0, 1})
    assert 0.4 < heard_first / sum({first, second} == {0, 1} for first, second in pairs) < 0.6


def test_checks_tell_who_clicks_at_random_from_who_listens() -> None:
    assert odds_of([]) == 0
    assert odds_of([("first", "first"), ("second", "second"), ("tie", "first")]) > 1
    assert odds_of([("first", "tie"), ("second", "first"), ("tie", "tie")]) < -1


def test_answers_count_by_how_well_somebody_listens() -> None:
    counts = np.stack([counts_of(2, (0, 1, 0, 9)), counts_of(2, (0, 1, 1, 30))])
    standing = fit(counts, np.array([3.0, -8.0]))
    assert standing.listening == pytest.approx([0.9912, 0.0019], abs=1e-4)
    assert int(standing.best) == 0


def row(who: str, first: int, second: int, answer: str, expected: str | None = None) -> dict[str, Any]:
    return {
        "who": who, "first_output_id": first, "second_output_id": second, "answer": answer,
        "attention": int(expected is not None), "expected": expected,
    }  # fmt: skip


def test_rows_of_the_catalogue_come_to_a_standing() -> None:
    rows = [row("ann", 7, 9, "first")] * 20 + [row("ann", 9, 7, "tie"), row("ann", 7, 7, "first", "first")]
    rows += [row("bob", 9, 7, "first")] * 30 + [row("bob", 7, 7, "second", "first")] * 3
    found = heard(rows)
    assert found is not None
    assert (found.takes, found.answers, found.total) == ((7, 9), (21, 21), 21)
    assert (found.listeners, found.left_out, found.winner) == (("ann",), ("bob",), 7)
    among = heard(rows, (7, 8, 9))
    assert among is not None
    assert (among.takes, among.answers[1]) == ((7, 8, 9), 0)
    assert heard(rows, (1, 2)) is None
    assert heard([row("bob", 9, 7, "first"), *[row("bob", 7, 7, "second", "first")] * 3]) is None
