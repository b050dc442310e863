"""Report: the mean of every condition, freed of the luck of the seeds, and how sure it is.

The same replicate uses the same seed in every condition, so seeds are the blocks of a randomized block design: the
response is modelled as condition + seed + error and conditions are compared within seeds, also where takes are missing.
Derived in docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from soundmill.report.statistics.design import Bools, Floats, Table

OWN_DF_ENOUGH = 2.0  # of an effect's own mean square, to be judged by that alone
RESIDUAL_WEIGHT = 2.0  # of the common residual, in degrees of freedom, beside it when the error is only guessed at
# How many times the rest of the residual an effect's own mean square may be for seeds to be taken to add and no more:
# where pairs are compared, which is also by what they alone vary by; and in F tests. Never of an effect that is known
# from so few degrees of freedom that it is often that small by luck.
ALIKE, ALIKE_TO_TEST = 1.4, 0.8
HARDLY_KNOWN_DF = 3.5
LEAST_SHARE = 0.1  # of a condition's mean square, that is its own whatever its neighbours lend it


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTerm:
    """An estimate of the error variance, in squared units of the response, and its degrees of freedom."""

    variance: float
    df: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """Least squares of condition + seed. C conditions, R seeds.

    The covariance of `means` over error variance is diag(1 / takes) + spread · seed_information · spreadᵀ.
    """

    means: Floats  # (C,), at the average seed; nan where no take has the response
    counts: Floats  # (C,) takes with the response
    inverse: Floats  # (C,) 1 / counts, 0 for none
    spread: Floats  # (C, R)
    seed_information: Floats  # (R, R) pseudo-inverse of the seeds' normal equations
    together: Floats  # (C, R) takes of each condition and seed; 0 where takes are not compared within seeds
    residuals: Floats  # (C, R), 0 where there is no take; sums where there are several, over the root of their number
    apart: tuple[Floats, Floats]  # what each condition's own takes vary by, see `_apart`
    error: ErrorTerm | None  # None: nothing left over to estimate it from
    seed_variance: float  # of the seeds' estimated effects, on seeds - 1 degrees of freedom; 0 for a single seed
    seeds: int  # R; 1 when seeds are not shared
    paired: bool  # takes are compared within seeds
    floor: float  # the least error variance, see `Scale`
    # What was said of contrasts, which the tests and the intervals of an effect both ask.
    _judged: dict[tuple[int, bytes, float], ErrorTerm | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _bases: dict[tuple[int, bytes], Floats] = field(default_factory=dict, init=False, repr=False, compare=False)

    def covariance(self, rows: Floats) -> Floats:
        """Of linear combinations (q, C) of the means, over the error variance: (q, q)."""
        loaded = rows @ self.spread
        found: Floats = (rows * self.inverse) @ rows.T + loaded @ self.seed_information @ loaded.T
        return found

    def variances(self, rows: Floats) -> Floats:
        """The diagonal of `covariance`: (q,)."""
        loaded = rows @ self.spread
        found: Floats = rows**2 @ self.inverse + ((loaded @ self.seed_information) * loaded).sum(axis=1)
        return found

    def error_for(self, contrasts: Floats, alike: float = ALIKE) -> ErrorTerm | None:
        """The error that contrasts (q, C) between conditions are judged by: the residual, or, where they differ from
        seed to seed by more than that, their own mean square with the seeds.

        Less than two degrees of freedom of their own would show nothing, so there the residual is averaged in. Why,
        and how often it holds: docs/statistics.md, "The error of an effect".
        """
        asked = len(contrasts), contrasts.tobytes(), alike
        if asked not in self._judged:
            self._judged[asked] = self._error_for(contrasts, alike)
        return self._judged[asked]

    def _error_for(self, contrasts: Floats, alike: float) -> ErrorTerm | None:
        own = self.own_error(contrasts)
        if own is None or self.error is None:
            return self.error
        if own.df > HARDLY_KNOWN_DF and own.variance <= alike * self._rest(own):
            return self.error
        variance, df = averaged(
            np.array([own.variance]),
            np.array([own.df]),
            self.error,
            np.array([max(OWN_DF_ENOUGH - own.df, 0.0)]),
        )
        return ErrorTerm(variance=float(variance[0]), df=float(df[0]))

    def _rest(self, own: ErrorTerm) -> float:
        """The mean square of what else is in the residual."""
        assert self.error is not None
        left = self.error.variance * self.error.df - own.variance * own.df
        return max(left / (self.error.df - own.df), self.floor)

    def sphericity(self, contrasts: Floats) -> float:
        """How alike contrasts (q, C) vary: 1 where they do, 1 / their rank where one alone varies. The factor of F's
        degrees of freedom (Box's epsilon), from what the conditions vary by, see `apart`.
        """
        variances, df = self.apart
        if not self.paired or not (df > 0).any():
            return 1.0
        basis = self._basis(contrasts)
        of_means = variances * self.inverse
        by_contrast = (basis.T * of_means) @ basis
        rank = basis.shape[1]
        # Squares of estimates are too large by their own variances.
        excess = float(((basis**2).sum(axis=1) ** 2 * of_means**2 * 2 / (df + 2))[df > 0].sum())
        squares = float((by_contrast**2).sum()) - excess
        total = float(np.trace(by_contrast)) ** 2 - excess
        return float(np.clip(total / (rank * squares), 1 / rank, 1.0)) if squares > 0 else 1 / rank

    def residual_form(self, rows: Floats) -> Floats:
        """Expectation of (rows @ residuals)(rows @ residuals)ᵀ over the error variance, errors being alike: (q, q).

        Over the contrasts' own size that is degrees of freedom: (seeds - 1) each, less where takes are missing.
        """
        found = np.zeros((len(rows), len(rows)))
        unlike = (self.together[:, 1:] != self.together[:, :-1]).any(axis=0)
        for start, end in pairwise([0, *(np.flatnonzero(unlike) + 1).tolist(), self.together.shape[1]]):
            # Seeds alike in what they have takes of are summed at once: where no take is missing, all of them.
            takes, information = self.together[:, start], self.seed_information[start:end]
            here = rows * np.sqrt(takes)  # residuals are sums over the root of the number of takes
            total, loaded = here.sum(axis=1), here @ self.spread
            inside = (rows * (takes > 0)) @ rows.T - (here * self.inverse) @ here.T
            shared = loaded @ self.seed_information @ loaded.T
            of_seeds = np.multiply.outer(total, loaded @ information.sum(axis=0))
            found += (end - start) * (inside - shared) + of_seeds + of_seeds.T
            found -= float(np.trace(information[:, start:end])) * np.multiply.outer(total, total)
        return found

    def own_error(self, contrasts: Floats) -> ErrorTerm | None:
        """The contrasts × seed mean square; None where takes are not compared within seeds, or it is the residual."""
        everything = len(contrasts) >= (self.counts > 0).sum() - 1
        if self.error is None or not self.paired or everything:
            return None
        basis = self._basis(contrasts)
        df = float(np.trace(self.residual_form(basis.T)))
        if df <= 0 or self.error.df - df <= 1e-9:
            return None
        return ErrorTerm(variance=max(float(((basis.T @ self.residuals) ** 2).sum()) / df, self.floor), df=df)

    def _basis(self, contrasts: Floats) -> Floats:
        """Orthonormal columns that span what contrasts (q, C) do: (C, rank)."""
        asked = len(contrasts), contrasts.tobytes()
        if asked not in self._bases:
            basis, triangle = np.linalg.qr(contrasts.T)
            self._bases[asked] = basis[:, np.abs(np.diag(triangle)) > 1e-9 * np.abs(triangle).max()]
        return self._bases[asked]


def averaged(variance: Floats, df: Floats, residual: ErrorTerm, residual_weight: Floats) -> tuple[Floats, Floats]:
    """Effects' own mean squares (m,) and what else is in the residual, by degrees of freedom to `residual_weight`.

    The degrees of freedom are Satterthwaite's, or what they would be were both the same, whichever are fewer: a mean
    square small by luck must not add to them. An effect that is all of the residual is left as it is.
    """
    rest_df = np.maximum(residual.df - df, 1e-9)
    rest = np.maximum(residual.variance * residual.df - variance * df, 0.0) / rest_df
    some = (residual_weight > 0) & (residual.df - df > 1e-9)
    weight = np.where(some, df / np.where(some, df + residual_weight, 1.0), 1.0)
    of_own = weight + (1 - weight) * df / residual.df
    own_part, rest_part = of_own * variance, (1 - of_own) * rest
    own_df = np.maximum(df, 1e-9)
    if_alike = 1 / (of_own**2 / own_df + (1 - of_own) ** 2 / rest_df)
    found = (own_part + rest_part) ** 2 / (own_part**2 / own_df + rest_part**2 / rest_df)
    return own_part + rest_part, np.minimum(found, if_alike)


def adjust(table: Table, *, seeds_shared: bool, floor: float) -> Adjusted:
    """Means of conditions adjusted for seeds. `floor`: the least error variance, see `Scale`.

    Where the seeds do not link all conditions (a condition has only seeds that no other has), they cannot be adjusted
    for and their effects count as error.
    """
    kept = table.scored
    rows, seeds, values = table.condition_of[kept], table.seed_of[kept], table.response[kept]
    conditions, replicates = len(table.conditions), int(table.seed_of.max(initial=-1)) + 1
    counts = np.bincount(rows, minlength=conditions).astype(np.float64)
    inverse = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
    together = np.zeros((conditions, replicates))
    np.add.at(together, (rows, seeds), 1.0)
    used = together.sum(axis=0) > 0
    together = together[:, used]
    column = np.cumsum(used) - 1
    paired = seeds_shared and _linked(together)
    if not paired:
        together, column = np.zeros((conditions, 1)), np.zeros_like(column)
    totals = np.bincount(rows, weights=values, minlength=conditions)
    spread = together * inverse[:, None]
    if paired:
        of_seeds = np.bincount(column[seeds], weights=values, minlength=together.shape[1])
        normal = np.diag(together.sum(axis=0)) - together.T @ spread
        information: Floats = np.linalg.pinv(normal, rcond=1e-10, hermitian=True).astype(np.float64)
        effects = information @ (of_seeds - spread.T @ totals)
    else:
        information, effects = np.zeros((1, 1)), np.zeros(1)
    means = np.where(counts > 0, inverse * totals - spread @ effects, np.nan)
    left = values - means[rows] - effects[column[seeds]]
    df = len(values) - int((counts > 0).sum()) - (len(effects) - 1)
    error = ErrorTerm(variance=max(float(left @ left) / df, floor), df=df) if df > 0 else None
    scatter = np.bincount(rows, weights=left**2, minlength=conditions).astype(np.float64)
    is_paired = paired and len(effects) > 1
    residuals = np.zeros_like(together)
    np.add.at(residuals, (rows, column[seeds]), left)
    residuals /= np.sqrt(np.maximum(together, 1.0))
    return Adjusted(
        means=means,
        counts=counts,
        inverse=inverse,
        spread=spread,
        seed_information=information,
        together=together,
        residuals=residuals,
        apart=_apart(scatter, counts, floor, paired=is_paired),
        error=error,
        seed_variance=float(effects @ effects) / max(len(effects) - 1, 1),
        seeds=len(effects),
        paired=is_paired,
        floor=floor,
    )


def _apart(scatter: Floats, counts: Floats, floor: float, *, paired: bool) -> tuple[Floats, Floats]:
    """Of the sums of each condition's squared residuals (C,): error variances, and their degrees of freedom, 0 where
    a condition has a single take or two conditions cannot be told apart.

    Within seeds a residual holds a part of every other condition's error, by way of the seed's estimate. That is taken
    out again, as of instruments that measure the same things: F. E. Grubbs, On estimating precision of measuring
    instruments and product variability, J. Amer. Statist. Assoc. 43 (1948) 243-264.
    """
    df = np.maximum(counts - 1, 0.0)
    found = np.divide(scatter, df, out=np.zeros_like(df), where=df > 0)
    conditions = int((counts > 0).sum())
    if not paired:
        return np.maximum(found, floor), df
    if conditions < 3:
        return np.maximum(found, floor), np.zeros_like(df)
    total = float(found[df > 0].mean()) * conditions / (1 - 1 / conditions) if (df > 0).any() else 0.0
    alone = (found - total / conditions**2) / (1 - 2 / conditions)
    return (
        np.maximum(np.maximum(alone, LEAST_SHARE * found), floor),
        df * ((conditions - 2) / (conditions - 1)) ** 2,
    )


def _linked(together: Floats) -> bool:
    """Whether every condition is tied to every other by a chain of shared seeds."""
    present: Bools = together > 0
    present = present[present.any(axis=1)]
    if len(present) == 0:
        return False
    reached = present[0]
    while True:
        grown = present[(present & reached).any(axis=1)].any(axis=0)
        if (grown == reached).all():
            return bool(reached.all())
        reached = grown
