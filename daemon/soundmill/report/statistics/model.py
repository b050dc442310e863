"""Report: what the takes' design lets us estimate: linear models of the conditions' means, and their error.

Two of them share one shape, so that whatever compares levels need not know the design. `cell_means`, for replicated
factorials and one factor at a time, keeps every condition's mean and judges by the error within conditions. `additive`,
for sampled designs, single replicates and factorials with holes, has main effects only and judges by how far conditions
lie off them, so that interactions count as error and replicates of one condition do not pass for more conditions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundmill.report.statistics.design import Factor, Floats, Ints, Table
from soundmill.report.statistics.findings import Design
from soundmill.report.statistics.seeds import ALIKE, Adjusted, ErrorTerm

ENOUGH_DF = 4  # of the error within conditions, for it to be preferred whatever else there is
SPARE_DF_FOR_CURVES = 8  # what must be left over once every sampled factor has a square term


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Where a sampled factor's coefficients stand, and what they mean. `values` are the scored conditions' (N,).

    With z = (value - middle) / half_range, the columns are z and the part of z² that is neither constant nor z:
    z² - intercept - tilt · z. Where the design's scale is logarithmic, for value read its natural logarithm.
    """

    values: Floats
    linear: int
    square: int | None  # None: too few conditions for one
    middle: float
    half_range: float
    intercept: float
    tilt: float
    log: bool

    @property
    def used(self) -> list[int]:
        """Its columns' places in the model."""
        return [self.linear] if self.square is None else [self.linear, self.square]

    def z(self, values: Floats) -> Floats:
        """Where values of the factor stand in the range, -1 to 1."""
        found: Floats = (_on_scale(values, self.log) - self.middle) / self.half_range
        return found

    def value(self, z: float) -> float:
        """The factor's value at a place of the range."""
        on_scale = self.middle + z * self.half_range
        return math.exp(on_scale) if self.log else on_scale

    def columns(self, values: Floats) -> Floats:
        """The model's columns for values of the factor: (len(values), 1 or 2)."""
        z = self.z(values)
        if self.square is None:
            return z[:, None]
        return np.column_stack([z, z**2 - self.intercept - self.tilt * z])


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Estimates (p,) with what says how sure they are.

    `level_rows`: per factor (levels, p), the combination that is a level's mean, the other factors averaged out; all
    zero for a level that cannot be estimated. Sampled factors have a `Curve` instead.
    """

    table: Table
    adjusted: Adjusted
    estimates: Floats
    matrix: Floats  # (scored conditions, p): what makes the conditions' means of the estimates
    level_rows: tuple[Floats, ...]
    curves: tuple[Curve | None, ...]
    columns: tuple[tuple[int, ...], ...]  # per factor, of `additive`: its columns, without the square
    rounding: float  # the largest difference that rounding alone makes
    error: ErrorTerm | None
    within: bool  # the error is that within conditions
    scale: Floats | None = None  # (p, p) covariance over the error variance; None: the adjusted means'

    def covariance(self, rows: Floats) -> Floats:
        """Of linear combinations (q, p), over the error variance: (q, q)."""
        if self.scale is None:
            return self.adjusted.covariance(rows)
        found: Floats = rows @ self.scale @ rows.T
        return found

    def variances(self, rows: Floats) -> Floats:
        """The diagonal of `covariance`."""
        if self.scale is None:
            return self.adjusted.variances(rows)
        found: Floats = ((rows @ self.scale) * rows).sum(axis=1)
        return found

    def error_for(self, contrasts: Floats, alike: float = ALIKE) -> ErrorTerm | None:
        """What contrasts (q, p) are judged by; `alike` as in `Adjusted.error_for`.

        How far conditions lie off the main effects says nothing of seeds that suit one end of a range: all conditions
        have the same seeds. What such seeds add to an effect comes on top: docs/statistics.md, "Models of the
        conditions".
        """
        if self.within:
            return self.adjusted.error_for(contrasts, alike)
        inside, own = self.adjusted.error, self.adjusted.error_for(self._weights(contrasts), alike)
        if self.error is None or inside is None or own is None or own.variance <= inside.variance:
            return self.error
        seeds = self.adjusted.seeds
        variance = self.error.variance + (own.variance - inside.variance) / seeds
        parts = ((1.0, self.error), (1 / seeds, own), (1 / seeds, inside))
        df = variance**2 / sum((weight * part.variance) ** 2 / part.df for weight, part in parts)
        return ErrorTerm(variance=variance, df=max(df, min(own.df, self.error.df)))

    def sphericity(self, contrasts: Floats) -> float:
        """What the degrees of freedom of an F test of contrasts (q, p) are multiplied by, see `Adjusted.sphericity`."""
        return self.adjusted.sphericity(contrasts) if self.within else 1.0

    def _weights(self, rows: Floats) -> Floats:
        """What linear combinations (q, p) make of the conditions' means: (q, C)."""
        if self.scale is None:
            return rows
        weights = np.zeros((len(rows), len(self.table.has_score)))
        weights[:, self.table.has_score] = rows @ self.scale @ self.matrix.T
        return weights

    def value(self, rows: Floats) -> Floats:
        """The estimates of linear combinations (q, p)."""
        found: Floats = rows @ self.estimates
        return found


def fit(table: Table, adjusted: Adjusted, *, rounding: float) -> Model:
    """The model that the design and the replicates allow. `rounding`: see `Scale`."""
    if table.design is Design.ONE_FACTOR_AT_A_TIME or not table.has_score.any():
        return _cell_means(table, adjusted, rounding)
    within_df = adjusted.error.df if adjusted.error and table.design is Design.FULL_FACTORIAL else 0
    if within_df >= ENOUGH_DF:
        return _cell_means(table, adjusted, rounding)
    main_effects = _additive(table, adjusted, rounding)
    lack_of_fit_df = main_effects.error.df if main_effects.error else 0
    return _cell_means(table, adjusted, rounding) if within_df > lack_of_fit_df else main_effects


def cell_rows(table: Table, factors: Sequence[int]) -> tuple[Ints, Floats]:
    """The combinations of levels of some factors that have a mean (m, len(factors)), and what averages it (m, C)."""
    scored = table.has_score
    combinations, which = np.unique(table.conditions[scored][:, list(factors)], axis=0, return_inverse=True)
    rows = np.zeros((len(combinations), len(scored)))
    rows[which.ravel(), np.flatnonzero(scored)] = 1.0
    return combinations, rows / rows.sum(axis=1, keepdims=True)


def _cell_means(table: Table, adjusted: Adjusted, rounding: float) -> Model:
    scored = table.has_score
    level_rows = []
    for index, factor in enumerate(table.factors):
        rows = np.zeros((len(factor.levels), len(scored)))
        for level in range(len(factor.levels)):
            members = table.members(index, level) & scored
            if members.any():
                rows[level] = members / members.sum()
        level_rows.append(rows)
    return Model(
        table=table,
        adjusted=adjusted,
        estimates=np.nan_to_num(adjusted.means),
        matrix=np.eye(len(scored))[scored],
        level_rows=tuple(level_rows),
        curves=(None,) * len(table.factors),
        columns=((),) * len(table.factors),
        rounding=rounding,
        error=adjusted.error,
        within=True,
    )


def _additive(table: Table, adjusted: Adjusted, rounding: float) -> Model:
    scored = np.flatnonzero(table.has_score)
    grid, means = table.conditions[scored], adjusted.means[scored]
    blocks: list[Floats] = [np.ones((len(scored), 1))]
    curves: list[Curve | None] = []
    codes: list[Floats] = []
    columns: list[tuple[int, ...]] = []
    squares = _room_for_squares(table.factors, grid)
    for factor, column in zip(table.factors, grid.T, strict=True):
        at = sum(block.shape[1] for block in blocks)
        if factor.sampled and factor.values is not None and len(np.unique(column)) > 1:
            curve = _curve(factor.values[column], at, square=squares, log=factor.log)
            curves.append(curve)
            codes.append(curve.columns(factor.values))
            columns.append((at,))
        else:
            curves.append(None)
            codes.append(_codes(len(factor.levels), column))
            columns.append(tuple(range(at, at + codes[-1].shape[1])))
        blocks.append(codes[-1][column])
    matrix = np.hstack(blocks)
    estimates, scale, error = least_squares(matrix, means, adjusted.floor)
    return Model(
        table=table,
        adjusted=adjusted,
        estimates=estimates,
        matrix=matrix,
        level_rows=_additive_rows(codes, scale @ matrix.T @ matrix),
        curves=tuple(curves),
        columns=tuple(columns),
        rounding=rounding,
        error=error,
        within=False,
        scale=scale,
    )


def least_squares(matrix: Floats, means: Floats, floor: float) -> tuple[Floats, Floats, ErrorTerm | None]:
    """Of the conditions' means (n,) on a matrix (n, p): estimates (p,), their covariance over the error variance
    (p, p), and the error, None where nothing is left to estimate it from."""
    normal = matrix.T @ matrix
    scale: Floats = np.linalg.pinv(normal, rcond=1e-10, hermitian=True).astype(np.float64)
    estimates = scale @ (matrix.T @ means)
    left = means - matrix @ estimates
    df = len(means) - round(float(np.trace(scale @ normal)))
    return estimates, scale, ErrorTerm(variance=max(float(left @ left) / df, floor), df=df) if df > 0 else None


def _room_for_squares(factors: Sequence[Factor], grid: Ints) -> bool:
    """Whether every sampled factor can have a square term and still leave an error to judge by."""
    linear = sum(1 if f.sampled else len(np.unique(column)) - 1 for f, column in zip(factors, grid.T, strict=True))
    return len(grid) - 1 - linear - sum(f.sampled for f in factors) >= SPARE_DF_FOR_CURVES


def _on_scale(values: Floats, log: bool) -> Floats:
    found: Floats = np.log(values) if log else values
    return found


def _curve(values: Floats, at: int, *, square: bool, log: bool) -> Curve:
    on_scale = _on_scale(values, log)
    middle, half_range = (on_scale.max() + on_scale.min()) / 2, (on_scale.max() - on_scale.min()) / 2
    z = (on_scale - middle) / half_range
    tilt, intercept = np.polyfit(z, z**2, 1)
    return Curve(
        values=values,
        linear=at,
        square=at + 1 if square and len(np.unique(z)) > 2 else None,
        middle=float(middle),
        half_range=float(half_range),
        intercept=float(intercept),
        tilt=float(tilt),
        log=log,
    )


def _codes(levels: int, column: Ints) -> Floats:
    """Indicators of all present levels but the first, less their share: (levels, present - 1), nan for absent ones.

    Less their share, so that leaving a factor's columns at 0 averages it out as the conditions have it.
    """
    present = np.unique(column)
    codes = np.full((levels, len(present) - 1), np.nan)
    codes[present] = np.eye(len(present))[:, 1:]
    centred: Floats = codes - codes[column].mean(axis=0)
    return centred


def _additive_rows(codes: Sequence[Floats], reach: Floats) -> tuple[Floats, ...]:
    """Per factor the rows that are its levels' means. `reach` projects onto what the conditions can estimate."""
    level_rows = []
    at = 1
    for code in codes:
        rows = np.zeros((len(code), len(reach)))
        rows[:, 0] = 1.0
        rows[:, at : at + code.shape[1]] = code
        estimable = np.abs(rows @ reach - rows).max(axis=1) < 1e-6  # neither absent nor confounded
        rows[~estimable] = 0.0
        at += code.shape[1]
        level_rows.append(rows)
    return tuple(level_rows)
