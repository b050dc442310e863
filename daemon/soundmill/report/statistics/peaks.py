"""Report: whether a response that goes up and down again over a sampled range is best inside of it.

A square term alone does not show that: a response that rises ever more slowly bends as well. So an optimum needs two
things: the interval of the parabola's top lies clear of both ends, and lines fitted apart on either side of the top
rise to it and fall from it. docs/statistics.md, "Trends and peaks", says how seldom that is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from soundmill.report.statistics.compare import coefficient
from soundmill.report.statistics.intervals import t_quantile
from soundmill.report.statistics.model import Curve, Model, least_squares

FEWEST_BESIDE = 3  # conditions on each side of the top, for a line through them to be judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Where the response is highest, in values of the factor."""

    at: float
    low: float
    high: float


def inner_peak(model: Model, curve: Curve, confidence: float) -> Peak | None:
    """The best value inside the range, or None where these conditions do not show one."""
    found = _top(model, curve, confidence)
    if found is None:
        return None
    top, low, high = found
    if not -1 < low <= high < 1 or not _rises_and_falls(model, curve, top, confidence):
        return None
    return Peak(at=curve.value(top), low=curve.value(low), high=curve.value(high))


def _top(model: Model, curve: Curve, confidence: float) -> tuple[float, float, float] | None:
    """The top of the parabola and its interval, as places of the range; None for one open upwards or without bounds.

    Where the derivative, linear + square · (2 z - tilt), is not told from 0 (Fieller 1954).
    """
    if curve.square is None:
        return None
    rows = np.eye(len(model.estimates))[[curve.linear, curve.square]]
    error = model.error_for(rows)
    if error is None:
        return None
    linear, square = model.value(rows)
    within = t_quantile(confidence, error.df) ** 2 * error.variance * model.covariance(rows)
    a, b, c = square**2 - within[1, 1], linear * square - within[0, 1], linear**2 - within[0, 0]
    if square >= 0 or a <= 0:
        return None
    reach = math.sqrt(max(b**2 - a * c, 0.0)) / a
    low, high = ((curve.tilt + slope) / 2 for slope in (-b / a - reach, -b / a + reach))
    return float(curve.tilt - linear / square) / 2, float(low), float(high)


def _rises_and_falls(model: Model, curve: Curve, top: float, confidence: float) -> bool:
    """Whether a line through the conditions below the top rises, and one through those above it falls.

    Simonsohn's two lines (2018).
    """
    z = curve.z(curve.values)
    above = z >= top
    if min(np.unique(z[above]).size, np.unique(z[~above]).size) < FEWEST_BESIDE:
        return False
    lines = np.column_stack([np.minimum(z - top, 0), np.maximum(z - top, 0), above])
    others = np.delete(model.matrix, curve.used, axis=1)
    matrix = np.hstack([lines, others])
    estimates, scale, error = least_squares(matrix, model.adjusted.means[model.table.has_score], model.adjusted.floor)
    bent = replace(model, estimates=estimates, matrix=matrix, scale=scale, error=error)
    before, after = (coefficient(bent, at, confidence) for at in (0, 1))
    return before.value - before.reach > 0 > after.value + after.reach
