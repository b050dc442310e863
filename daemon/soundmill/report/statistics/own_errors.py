"""Report: the error of each single comparison, by how much it varies itself.

Levels seldom vary alike: scores at the ceiling hardly do, and would lend a level that varies much an error too small.
So two levels, or two leads, are compared by what they themselves vary by and by nothing else: within seeds by the
comparison's own mean square with the seeds (of two levels, the paired t test), elsewhere by the variances of the
conditions that are compared (Welch). A comparison of which less than two degrees of freedom are its own has the common
error averaged in, see `averaged`; one with a condition that has a single take is judged by the common error.

docs/statistics.md, "The error of a single comparison", has the formulas, the sources, and what holds how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundmill.report.statistics.design import Floats, Ints
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.seeds import OWN_DF_ENOUGH, RESIDUAL_WEIGHT, Adjusted, ErrorTerm, averaged

Terms = Sequence[tuple[Ints, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Of m comparisons. `likely` are the likeliest sizes of the standard errors, for planning: more of the common error
    is averaged in. `by_common` are what they would be by that alone."""

    standard_errors: Floats
    df: Floats
    likely: Floats
    by_common: Floats


def errors_of(model: Model, rows: Floats, terms: Terms, common: ErrorTerm) -> Errors:
    """Of sums over `terms` of sign · row: each term has a place among `rows` (q, p) for each comparison, and a sign.

    No two rows have a condition in common where the model is of conditions. `common` judges where the comparisons have
    no error of their own: in models of main effects, which are judged by how far all conditions lie off them.
    """
    spread = np.maximum(quadratic(model.covariance(rows), terms), 0.0)
    shared = np.full_like(spread, common.variance), np.full_like(spread, common.df)
    adjusted, by_common = model.adjusted, np.sqrt(spread * common.variance)
    if not model.within or adjusted.error is None:
        return Errors(standard_errors=by_common, df=shared[1], likely=by_common, by_common=by_common)
    if adjusted.paired:
        found, likely = _by_seeds(adjusted, rows, terms, adjusted.error)
    else:
        found = likely = _by_takes(adjusted, rows, terms, spread, shared)
    return Errors(
        standard_errors=np.sqrt(spread * found[0]),
        df=found[1],
        likely=np.sqrt(spread * likely[0]),
        by_common=by_common,
    )


def quadratic(form: Floats, terms: Terms) -> Floats:
    """A quadratic form (q, q) of each comparison: (m,)."""
    at, signs = np.array([at for at, _ in terms]), np.array([sign for _, sign in terms])
    parts = np.multiply.outer(signs, signs)[..., None] * form[at[:, None], at]
    found: Floats = np.asarray(
        sum(parts.reshape(-1, at.shape[1])), dtype=np.float64
    )  # one by one: always in this order
    return found


def _by_seeds(
    adjusted: Adjusted, rows: Floats, terms: Terms, residual: ErrorTerm
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Error variances with their degrees of freedom, to judge by and to plan by."""
    projected = rows @ adjusted.residuals
    size = quadratic(rows @ rows.T, terms)
    df = np.clip(quadratic(adjusted.residual_form(rows), terms) / size, 0.0, residual.df)
    squares = quadratic(projected @ projected.T, terms) / size
    variance = np.maximum(np.divide(squares, df, out=np.zeros_like(df), where=df > 1e-9), adjusted.floor)
    return (
        averaged(variance, df, residual, np.maximum(OWN_DF_ENOUGH - df, 0.0)),
        averaged(variance, df, residual, np.full_like(df, RESIDUAL_WEIGHT)),
    )


def _by_takes(
    adjusted: Adjusted, rows: Floats, terms: Terms, spread: Floats, shared: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Error variances with Satterthwaite's degrees of freedom."""
    counts = adjusted.counts
    left = np.maximum(counts - 1, 1.0)
    of_means = np.maximum(adjusted.scatter / left, adjusted.floor) / np.maximum(counts, 1.0)
    total = quadratic((rows * of_means) @ rows.T, terms)
    of_rows = rows**4 @ (of_means**2 / left)
    alone = (rows != 0) @ (counts < 2)
    known = sum(alone[at] for at, _ in terms) == 0
    df = total**2 / sum(of_rows[at] for at, _ in terms)
    return np.where(known, total / spread, shared[0]), np.where(known, df, shared[1])
