"""Report: what a factor does whose values were sampled from a range: its trend, its values in quantile bins, and
whether a response that goes up and down again is best inside of the range.

A square term alone does not show that: a response that rises ever more slowly bends as well. So an optimum needs two
things: the interval of the parabola's top lies clear of both ends, and lines fitted apart on either side of the top
rise to it and fall from it. docs/statistics.md, "Trends and peaks", says how seldom that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundmill.report.statistics.compare import Coefficient, all_pairs, coefficient, compare, estimable
from soundmill.report.statistics.design import Bools, Floats, Ints
from soundmill.report.statistics.findings import Contrast, LevelMean, Trend
from soundmill.report.statistics.intervals import f_p, spearman, t_quantile
from soundmill.report.statistics.levels import level_mean, mean_reaches
from soundmill.report.statistics.model import Curve, Model, least_squares
from soundmill.report.statistics.scale import Scale

MOST_BINS = 5
CONDITIONS_PER_BIN = 4
FEWEST_BESIDE = 3  # conditions on each side of the top, for a line through them to be judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One sampled factor. `contrasts` (1 or 2, p), or none, are the coefficients that are 0 when it does nothing."""

    bins: tuple[LevelMean, ...]
    members: tuple[Bools, ...]  # of each bin, the conditions (C,)
    trend: Trend
    ends: Contrast  # significance is for the caller to say
    contrasts: Floats
    bent: bool  # the square term is significant: the ends do not tell how much the factor does
    best: int | None  # the bin whose fitted middle is higher than every other's, each difference significant


def follow(model: Model, factor: int, curve: Curve, scale: Scale, confidence: float) -> Sampled:
    """The trend over the range, the other factors held fixed. A square term is read only where it is significant, and
    an optimum inside the range only where `inner_peak` shows one."""
    level = 1 - confidence
    linear = coefficient(model, curve.linear, confidence)
    square = None if curve.square is None else coefficient(model, curve.square, confidence)
    bent = square is not None and square.p_value <= level
    peak = inner_peak(model, curve, confidence) if bent else None
    confounded = not estimable(model.level_rows[factor]).all()
    groups = _bins(curve.values)
    bins, members = _bin_means(model, factor, curve, groups, scale, confidence)
    return Sampled(
        bins=bins,
        members=members,
        trend=_trend(model, curve, linear, peak, confidence),
        ends=_ends(curve, linear, scale),
        contrasts=np.eye(len(model.estimates))[[] if confounded else curve.used],
        bent=bent,
        best=None if confounded else _best_bin(model, curve, groups, linear, peak, bent, level),
    )


def _trend(model: Model, curve: Curve, linear: Coefficient, peak: Peak | None, confidence: float) -> Trend:
    means = model.adjusted.means[model.table.has_score]
    correlation, rank_low, rank_high = spearman(curve.values, means, confidence)
    unit = math.log(2) / curve.half_range if curve.log else 1 / curve.half_range
    return Trend(
        slope=linear.value * unit,
        low=_known((linear.value - linear.reach) * unit),
        high=_known((linear.value + linear.reach) * unit),
        rank_correlation=correlation,
        rank_low=rank_low,
        rank_high=rank_high,
        peak=peak.at if peak else None,
        peak_low=peak.low if peak else None,
        peak_high=peak.high if peak else None,
        log=curve.log,
    )


def _ends(curve: Curve, linear: Coefficient, scale: Scale) -> Contrast:
    lowest, highest = f"{curve.values.min():.3g}", f"{curve.values.max():.3g}"
    return Contrast(
        better=highest if linear.value >= 0 else lowest,
        worse=lowest if linear.value >= 0 else highest,
        difference=min(2 * abs(linear.value), scale.span),
        low=scale.clipped_difference(2 * (abs(linear.value) - linear.reach)),
        high=scale.clipped_difference(2 * (abs(linear.value) + linear.reach)),
        p_value=_known(linear.p_value),
        significant=False,
    )


def _best_bin(
    model: Model,
    curve: Curve,
    groups: Sequence[Ints],
    linear: Coefficient,
    peak: Peak | None,
    bent: bool,
    level: float,
) -> int | None:
    """Along a line, the end it rises to once the slope is significant; on a curve, by Scheffé's test of each pair.

    A bin between others is only best where the optimum is.
    """
    if not bent:
        end = len(groups) - 1 if linear.value > 0 else 0
        return end if linear.p_value <= level and len(groups) > 1 else None
    error = model.error_for(np.eye(len(model.estimates))[curve.used])
    if error is None:
        return None
    rows = np.zeros((len(groups), len(model.estimates)))
    rows[:, 0] = 1.0
    middles = np.array([np.median(curve.values[group]) for group in groups])
    rows[:, curve.used] = curve.columns(middles)
    best = int(model.value(rows).argmax())
    if peak is None and 0 < best < len(groups) - 1:
        return None
    pairs = compare(model, rows, all_pairs(rows), error, 1 - level)
    if pairs.errors is None:
        return None
    involved = (pairs.first == best) | (pairs.second == best)
    t = pairs.differences[involved] / pairs.errors.standard_errors[involved]
    return best if all(f_p(float(one) ** 2 / 2, 2, error.df) <= level for one in t) else None


def _bins(values: Floats) -> list[Ints]:
    """Conditions by quantiles of the factor, in ascending order; equal values stay together."""
    wanted = int(np.clip(len(values) // CONDITIONS_PER_BIN, 2, MOST_BINS))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, wanted + 1)[1:-1]))
    which = np.searchsorted(edges, values, side="right")
    return [np.flatnonzero(which == at) for at in np.unique(which)]


def _bin_means(
    model: Model, factor: int, curve: Curve, groups: Sequence[Ints], scale: Scale, confidence: float
) -> tuple[tuple[LevelMean, ...], tuple[Bools, ...]]:
    """As measured, less what the other factors are fitted to have added; and each bin's conditions (C,)."""
    table = model.table
    scored = np.flatnonzero(table.has_score)
    others = np.setdiff1d(np.arange(1, len(model.estimates)), curve.used)
    columns = model.matrix[:, others]
    means = model.adjusted.means[scored] - (columns - columns.mean(axis=0)) @ model.estimates[others]
    reaches = mean_reaches(model.adjusted, np.array([1 / len(group) for group in groups]), model.error, confidence)
    bins, members = [], []
    for group, reach in zip(groups, reaches, strict=True):
        levels = table.conditions[scored[group], factor]
        low, high = f"{curve.values[group].min():.3g}", f"{curve.values[group].max():.3g}"
        chosen = (table.conditions[:, factor] >= levels.min()) & (table.conditions[:, factor] <= levels.max())
        label = low if low == high else f"{low} to {high}"
        bins.append(level_mean(table, scale, confidence, label, chosen, float(means[group].mean()), reach))
        members.append(chosen)
    return tuple(bins), tuple(members)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


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
