"""Report: comparing levels, whatever the design: F tests, pairs of levels, the cell that beats all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundmill.report.statistics.design import Bools, Floats, Ints
from soundmill.report.statistics.intervals import f_p, holm, shaffer, t_quantile, t_quantiles, two_sided_p
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.own_errors import Errors, errors_of
from soundmill.report.statistics.seeds import ALIKE_TO_TEST, ErrorTerm

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
    errors: Errors | None
    low: Floats
    high: Floats
    p_each: Floats  # of each pair alone
    p_values: Floats  # adjusted for all these pairs


def compare(model: Model, rows: Floats, pairs: tuple[Ints, Ints], error: ErrorTerm | None, confidence: float) -> Pairs:
    """Differences between pairs of rows (q, p) that can be estimated, each judged by its own error, see `own_errors`.

    `error` is what they have in common. A difference of one step of rounding is none: takes that hardly vary are all
    rounded alike.
    """
    one, other = pairs
    values = model.value(rows)
    swap = values[other] > values[one]
    first, second = np.where(swap, other, one), np.where(swap, one, other)
    differences = np.round(values[first] - values[second], DECIMALS)
    if error is None or len(first) == 0:
        unknown = np.full(len(first), np.nan)
        return Pairs(
            first=first, second=second, differences=differences, errors=None,
            low=unknown, high=unknown, p_each=unknown, p_values=unknown,
        )  # fmt: skip
    alike = model.sphericity(differences_of(rows))
    errors = errors_of(model, rows, ((first, 1.0), (second, -1.0)), error, alike)
    reach = np.maximum(t_quantiles(confidence, errors.df) * errors.standard_errors, model.rounding)
    t = np.divide(differences, errors.standard_errors, out=np.zeros_like(reach), where=errors.standard_errors > 0)
    p_values = np.where(differences <= model.rounding, 1.0, two_sided_p(t, errors.df))
    compared = len(np.union1d(first, second))
    complete = len(first) == compared * (compared - 1) // 2
    return Pairs(
        first=first,
        second=second,
        differences=differences,
        errors=errors,
        low=differences - reach,
        high=differences + reach,
        p_each=p_values,
        p_values=shaffer(p_values, compared) if complete else holm(p_values),
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
    error = model.error_for(contrasts, ALIKE_TO_TEST)
    if error is None:
        return None
    spreads, directions = np.linalg.eigh(model.covariance(contrasts))
    kept = spreads > 1e-10 * spreads.max()
    explained = float((((directions.T @ model.value(contrasts))[kept]) ** 2 / spreads[kept]).sum())
    rank = int(kept.sum())
    alike = model.sphericity(contrasts)
    return f_p(explained / rank / error.variance, alike * rank, alike * error.df) if rank else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The row with the highest estimate, and p that no row is better than every other."""

    row: int
    p_value: float


def best_of(model: Model, rows: Floats, error: ErrorTerm | None) -> Best | None:
    """Of rows (q, p); None where there are less than two, or nothing says how sure they are."""
    return best_in(model, rows, compare(model, rows, all_pairs(rows), error, 0.95))


def best_in(model: Model, rows: Floats, pairs: Pairs) -> Best | None:
    """The same of pairs that are all pairs of these rows, already compared.

    That one is better than every other is claimed only where it is in each of its pairs, so each is tested at the
    whole level: S. Gutmann and Z. Maymin, Is the selected population the best?, Ann. Statist. 15 (1987) 456-461.
    """
    if len(pairs.first) == 0 or pairs.errors is None:
        return None
    best = int(np.argmax(np.where(estimable(rows), model.value(rows), -np.inf)))
    involved = (pairs.first == best) | (pairs.second == best)
    return Best(row=best, p_value=float(pairs.p_each[involved].max()))
