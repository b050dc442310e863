"""Report: the error of each single comparison, by how much it varies itself.

Levels seldom vary alike: scores at the ceiling hardly do, and would lend a level that varies much an error too small.
So two levels, or two leads, are compared by what their own conditions vary by; within seeds as many times larger as the
effect's error is than the residual, or by the comparison's own mean square with the seeds where that is much larger
still. A comparison of which less than two degrees of freedom are its own has the common error averaged in, see
`averaged`; without shared seeds, one with a condition that has a single take is judged by the common error.

docs/statistics.md, "The error of a single comparison", has the formulas, the sources, and what holds how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundmill.report.statistics.design import Bools, Floats, Ints
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.seeds import OWN_DF_ENOUGH, RESIDUAL_WEIGHT, Adjusted, ErrorTerm, averaged

MUCH_MORE = 3.0  # than its conditions say, and a comparison differs from seed to seed by something of its own
Terms = Sequence[tuple[Ints, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Of m comparisons. `by_common` are what the standard errors would be by the common error alone."""

    standard_errors: Floats
    df: Floats
    by_common: Floats
    spread: Floats  # the comparisons' variances over the error's
    own: tuple[Floats, Floats] | None  # within seeds: the comparisons' own error variances, and degrees of freedom

    def likely(self, residual: ErrorTerm) -> Floats:
        """The likeliest sizes of the standard errors, for planning: more of the common error is averaged in."""
        if self.own is None:
            return self.standard_errors
        variance, df = self.own
        return np.sqrt(self.spread * averaged(variance, df, residual, np.full_like(df, RESIDUAL_WEIGHT))[0])


def errors_of(model: Model, rows: Floats, terms: Terms, common: ErrorTerm, alike: float) -> Errors:
    """Of sums over `terms` of sign · row: each term has a place among `rows` (q, p) for each comparison, and a sign.

    No two rows have a condition in common where the model is of conditions. `common` is what all these comparisons are
    judged by where they vary alike, and `alike` how much they do, see `Model.error_for` and `Model.sphericity`. It
    alone judges in models of main effects, which are judged by how far all conditions lie off them.
    """
    spread = np.maximum(quadratic(model.covariance(rows), terms), 0.0)
    shared = np.full_like(spread, common.variance), np.full_like(spread, common.df)
    adjusted = model.adjusted
    own = None
    if not model.within or adjusted.error is None:
        variance, df = shared
    elif adjusted.paired:
        own = _by_seeds(adjusted, rows, terms, adjusted.error)
        variance, df = _by_conditions(adjusted, rows, terms, own, common, alike)
    else:
        variance, df = _by_takes(adjusted, rows, terms, shared)
    return Errors(
        standard_errors=np.sqrt(spread * variance),
        df=df,
        by_common=np.sqrt(spread * common.variance),
        spread=spread,
        own=own,
    )


def quadratic(form: Floats, terms: Terms) -> Floats:
    """A quadratic form (q, q) of each comparison: (m,)."""
    at, signs = np.array([at for at, _ in terms]), np.array([sign for _, sign in terms])
    parts = np.multiply.outer(signs, signs)[..., None] * form[at[:, None], at]
    found: Floats = np.add.accumulate(parts.reshape(-1, at.shape[1]))[-1]  # one by one: always in this order
    return found


def _by_seeds(adjusted: Adjusted, rows: Floats, terms: Terms, residual: ErrorTerm) -> tuple[Floats, Floats]:
    """Error variances of the comparisons' own, with their degrees of freedom."""
    projected = rows @ adjusted.residuals
    size = quadratic(rows @ rows.T, terms)
    df = np.clip(quadratic(adjusted.residual_form(rows), terms) / size, 0.0, residual.df)
    squares = quadratic(projected @ projected.T, terms) / size
    return np.maximum(np.divide(squares, df, out=np.zeros_like(df), where=df > 1e-9), adjusted.floor), df


def _by_conditions(
    adjusted: Adjusted,
    rows: Floats,
    terms: Terms,
    own: tuple[Floats, Floats],
    common: ErrorTerm,
    alike: float,
) -> tuple[Floats, Floats]:
    """Error variances and degrees of freedom by what the compared conditions vary by, as many times larger as `common`
    is than the residual; by the comparisons' own mean squares where a condition does not say what it varies by, or
    where they are much larger."""
    assert adjusted.error is not None
    residual = adjusted.error
    variance, df, known = _of_takes(adjusted, rows, terms, spare=2)
    df = np.maximum(df, own[1])
    if common != residual:
        variance = variance * common.variance / residual.variance
        df = np.maximum(1 / (1 / (alike * common.df) + 1 / df - 1 / residual.df), own[1])
    alone = averaged(*own, residual, np.maximum(OWN_DF_ENOUGH - own[1], 0.0))
    trusted = known & (own[0] <= MUCH_MORE * variance)
    return np.where(trusted, variance, alone[0]), np.where(trusted, df, alone[1])


def _by_takes(adjusted: Adjusted, rows: Floats, terms: Terms, shared: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Error variances with Welch's degrees of freedom; the common error's for a condition with one take."""
    variance, df, known = _of_takes(adjusted, rows, terms, spare=0)
    return np.where(known, variance, shared[0]), np.where(known, df, shared[1])


def _of_takes(adjusted: Adjusted, rows: Floats, terms: Terms, spare: int) -> tuple[Floats, Floats, Bools]:
    """Error variances by what each of the compared conditions varies by, with Satterthwaite's degrees of freedom, and
    of which comparisons all conditions say so. With `spare` 2, not 0, fourth moments are without bias: the square of a
    variance of df degrees of freedom is too large by 2 / df of it, and so, in the numerator, is that of their sum."""
    variances, left = adjusted.apart
    of_means = variances * adjusted.inverse
    total = quadratic((rows * of_means) @ rows.T, terms)
    of_rows = rows**4 @ (of_means**2 / np.maximum(left + spare, 1e-9))
    involved = rows != 0
    most, unknown = involved @ left, involved @ (left <= 0)
    known = sum(unknown[at] for at, _ in terms) == 0
    df = np.clip(total**2 / sum(of_rows[at] for at, _ in terms) - spare, 1.0, sum(most[at] for at, _ in terms))
    return total / quadratic((rows * adjusted.inverse) @ rows.T, terms), df, known
