"""Report: the error of each single comparison, by how much it varies itself.

Levels seldom vary alike: scores at the ceiling hardly do, and would lend a level that varies much an error too small.
So two levels, or two leads, are compared by what they themselves vary by and by nothing else:

- Where takes are compared within seeds, by the comparison's own mean square with the seeds. For two levels that is the
  paired t test, which is exact for normal errors however unequal the variances and correlations. That pairs need their
  own errors where those are unequal: S. E. Maxwell, Pairwise multiple comparisons in repeated measures designs,
  J. Educ. Statist. 5 (1980) 269-287; R. J. Boik, A priori tests in repeated measures designs, Psychometrika 46 (1981)
  241-255.
- Where they are not, by the variances of the conditions that are compared: B. L. Welch, The generalization of
  "Student's" problem when several different population variances are involved, Biometrika 34 (1947) 28-35. Pairs among
  many so: P. A. Games and J. F. Howell, J. Educ. Statist. 1 (1976) 113-125. A comparison with a condition that has a
  single take is judged by the common error.

A comparison of which less than two degrees of freedom are its own has the common error averaged in, see `averaged`.

Simulated were a level with a deviation of 12 points, a steady one (0.3) of the same mean and one to three steady ones
far worse; one factor at a time, 3 x 2 and 5 x 2 factorials; 3, 5, 8 and 20 replicates; 250 or 400 runs of each. 95 %
intervals of the first two levels hold the truth in 0.93 to 0.97 of cases with shared seeds and in 0.95 to 0.98 without
(by an error that all levels share in 0.70 to 0.89, and 0.81 to 0.97), and one of the two is said to beat the other in
0.07 of cases at most, 0.05 on average. Where all levels vary alike 0.94 to 0.99 and at most 0.06. The price is power
where levels do vary alike: intervals of three levels are 1.4 times as wide as by the shared error with 3 replicates and
1.2 times with 5. A level that leads two others by twice the noise in a 3 x 3 x 2 experiment is named the winner in 0.5,
0.9 and 0.97 of cases with 3, 4 and 5 replicates (0.8, 0.98 and 0.97 by the shared error). Weighing in any of the shared
error to win that back loses coverage where the other levels are steady.

What t intervals of few takes cannot hold is skew: takes that seldom fail, or pile up at the ceiling, may by luck all be
alike. Of a level whose takes score 99 or, two times in five, 44, against a steady one they hold the truth in 0.71 to
0.92 of cases with 3 replicates, 0.90 to 0.94 with 5 and 0.94 to 0.96 with 8; of one that falls exponentially from a
ceiling that a third of its takes reach, in 0.81 to 0.89, 0.87 to 0.91 and 0.82 to 0.91, and with 20 in 0.91 (by the
shared error 0.73 to 0.79, 0.79 to 0.85 and 0.76 to 0.82).
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
    found: Floats = np.asarray(
        sum(sign * against * form[at, opposite] for at, sign in terms for opposite, against in terms), dtype=np.float64
    )
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
