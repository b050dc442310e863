"""Report: comparing levels, whatever the design: F tests, pairs of levels, the cell that beats all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundmill.report.design import Bools, Floats, Ints
from soundmill.report.intervals import f_p, holm, t_quantile, two_sided_p
from soundmill.report.model import Model
from soundmill.report.seeds import ErrorTerm

DECIMALS = 9  # beyond which a difference is rounding error


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One coefficient with its interval's reach and its p value, nan where nothing says how sure it is."""

    value: float
    reach: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of rows compared, (m,) each; `first` has the higher estimate. Without an error to judge by, what an error
    is needed for is nan."""

    first: Ints
    second: Ints
    differences: Floats
    standard_errors: Floats
    low: Floats
    high: Floats
    p_values: Floats  # Holm-adjusted for all these pairs
    df: float


def compare(model: Model, rows: Floats, pairs: tuple[Ints, Ints], error: ErrorTerm | None, confidence: float) -> Pairs:
    """Differences between pairs of rows (q, p), judged by one error term. Pairs are of rows that can be estimated."""
    one, other = pairs
    values = model.value(rows)
    swap = values[other] > values[one]
    first, second = np.where(swap, other, one), np.where(swap, one, other)
    differences = np.round(values[first] - values[second], DECIMALS)
    if error is None:
        unknown = np.full(len(first), np.nan)
        return Pairs(
            first=first, second=second, differences=differences, standard_errors=unknown,
            low=unknown, high=unknown, p_values=unknown, df=0.0,
        )  # fmt: skip
    shape = model.covariance(rows)
    spread = np.diag(shape)[first] + np.diag(shape)[second] - 2 * shape[first, second]
    errors = np.sqrt(np.maximum(spread, 0.0) * error.variance)
    reach = t_quantile(confidence, error.df) * errors
    t = np.divide(differences, errors, out=np.zeros_like(errors), where=errors > 0)
    return Pairs(
        first=first,
        second=second,
        differences=differences,
        standard_errors=errors,
        low=differences - reach,
        high=differences + reach,
        p_values=holm(two_sided_p(t, error.df)),
        df=error.df,
    )


def coefficient(model: Model, at: int, confidence: float) -> Coefficient:
    """One of the model's own, by its place among them."""
    row = np.eye(len(model.estimates))[[at]]
    value = float(model.estimates[at])
    judged_by = model.error_for(row)
    if judged_by is None:
        return Coefficient(value=value, reach=np.nan, p_value=np.nan)
    error = float(np.sqrt(model.variances(row)[0] * judged_by.variance))
    t = np.array([value / error if error > 0 else 0.0])
    return Coefficient(
        value=value,
        reach=t_quantile(confidence, judged_by.df) * error,
        p_value=float(two_sided_p(t, judged_by.df)[0]),
    )


def estimable(rows: Floats) -> Bools:
    """Which rows (q, p) say anything: a mean has weights, what cannot be estimated has none."""
    found: Bools = np.count_nonzero(rows, axis=1) > 0
    return found


def all_pairs(rows: Floats) -> tuple[Ints, Ints]:
    """Every pair of rows that can be estimated."""
    usable = np.flatnonzero(estimable(rows))
    one, other = np.triu_indices(len(usable), k=1)
    return usable[one], usable[other]


def differences_of(rows: Floats) -> Floats:
    """What spans all differences between the rows that can be estimated: each less the first."""
    usable = rows[estimable(rows)]
    found: Floats = usable[1:] - usable[:1]
    return found


def f_test(model: Model, contrasts: Floats) -> float | None:
    """p that contrasts (q, p) are all zero; None without contrasts or an error to judge them by."""
    if len(contrasts) == 0:
        return None
    error = model.error_for(contrasts)
    if error is None:
        return None
    spreads, directions = np.linalg.eigh(model.covariance(contrasts))
    kept = spreads > 1e-10 * spreads.max()
    explained = float((((directions.T @ model.value(contrasts))[kept]) ** 2 / spreads[kept]).sum())
    rank = int(kept.sum())
    return f_p(explained / rank / error.variance, rank, error.df) if rank else None


def unbeaten(model: Model, rows: Floats, error: ErrorTerm | None, level: float) -> int | None:
    """The row whose estimate is higher than every other's, each difference significant; None if there is no such row.

    Adjusted for all pairs, not only those with the best, because which one is best was seen in the same takes.
    """
    pairs = compare(model, rows, all_pairs(rows), error, 1 - level)
    if len(pairs.first) == 0 or error is None:
        return None
    best = int(np.argmax(np.where(estimable(rows), model.value(rows), -np.inf)))
    involved = (pairs.first == best) | (pairs.second == best)
    return best if (pairs.p_values[involved] <= level).all() else None
