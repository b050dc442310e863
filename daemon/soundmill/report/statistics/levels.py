"""Report: what a factor does, level by level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from soundmill.report.statistics.compare import Pairs, all_pairs, compare, differences_of, estimable
from soundmill.report.statistics.design import Bools, Floats, Table
from soundmill.report.statistics.findings import Contrast, LevelMean, PassRate
from soundmill.report.statistics.intervals import pass_rate, t_quantile
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.scale import Scale
from soundmill.report.statistics.seeds import Adjusted, ErrorTerm

PAIRS_LISTED = 66  # those of 12 levels; of more, only the best level against each other one is listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """One factor's levels, and the pairs they were compared in, largest difference first."""

    means: tuple[LevelMean, ...]
    pairs: Pairs
    rows: Floats  # (levels, p)
    error: ErrorTerm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far two intervals of a mean reach to each side, see `LevelMean`."""

    overall: float
    paired: float


def compare_levels(model: Model, factor: int, scale: Scale, confidence: float) -> Levels:
    """Every pair of levels; one factor at a time: each level against the baseline."""
    table, rows = model.table, model.level_rows[factor]
    known = estimable(rows)
    error = model.error_for(differences_of(rows)) if known.sum() > 1 else model.error
    one, other = all_pairs(rows)
    if table.baseline is not None:
        against = (one == table.baseline[factor]) | (other == table.baseline[factor])
        one, other = one[against], other[against]
    means = np.where(known, model.value(rows), np.nan)
    reaches = mean_reaches(model.adjusted, model.variances(rows), error, confidence)
    members = [table.members(factor, level) for level in range(len(rows))]
    return Levels(
        means=tuple(
            level_mean(table, scale, confidence, label, chosen, float(mean), reach)
            for label, chosen, mean, reach in zip(table.factors[factor].levels, members, means, reaches, strict=True)
        ),
        pairs=compare(model, rows, (one, other), error, confidence),
        rows=rows,
        error=error,
    )


def level_mean(
    table: Table, scale: Scale, confidence: float, label: str, chosen: Bools, mean: float, reach: Reach
) -> LevelMean:
    """A level, or a bin of levels, for which the chosen conditions (C,) speak."""
    low, high = scale.interval(mean, reach.overall)
    paired_low, paired_high = scale.interval(mean, reach.paired)
    return LevelMean(
        level=label,
        mean=scale.clipped(mean),
        low=low,
        high=high,
        n=table.scored_in(chosen),
        pass_rate=passed_of(table, chosen, confidence),
        paired_low=paired_low,
        paired_high=paired_high,
    )


def passed_of(table: Table, chosen: Bools, confidence: float) -> PassRate:
    """Of all takes of the chosen conditions (C,)."""
    return pass_rate(int(table.passed_in[chosen].sum()), int(table.takes_in[chosen].sum()), confidence)


def mean_reaches(adjusted: Adjusted, shape: Floats, error: ErrorTerm | None, confidence: float) -> list[Reach]:
    """Of the intervals of means, nan where nothing says how sure they are.

    `shape` (q,) is the means' variance over the error's. What new seeds would bring is added to it, see
    docs/statistics.md, "Intervals of levels". With a single seed both intervals hold for that seed.
    """
    if error is None:
        return [Reach(overall=np.nan, paired=np.nan)] * len(shape)
    by_error, total, df = shape * error.variance, shape * error.variance, np.full_like(shape, error.df)
    if adjusted.paired:
        apart = np.maximum(shape - 1 / adjusted.counts.sum(), 0.0) * error.variance
        by_seeds = adjusted.seed_variance / adjusted.seeds
        total = apart + by_seeds
        terms = apart**2 / error.df + by_seeds**2 / (adjusted.seeds - 1)
        df = np.divide(total**2, terms, out=df, where=terms > 0)
    overall = special.stdtrit(df, (1 + confidence) / 2) * np.sqrt(total)
    paired = t_quantile(confidence, error.df) * np.sqrt(by_error)
    return [Reach(overall=float(o), paired=float(p)) for o, p in zip(overall, paired, strict=True)]


def contrasts_of(names: tuple[str, ...], pairs: Pairs, scale: Scale, level: float, *, matters: bool) -> list[Contrast]:
    """The pairs as findings, the largest difference first."""
    order = np.lexsort((pairs.second, pairs.first, -pairs.differences))
    if len(order) > PAIRS_LISTED:
        best = pairs.first[order[0]]
        order = order[(pairs.first[order] == best) | (pairs.second[order] == best)]
    return [_contrast(names, pairs, int(at), scale, level, matters=matters) for at in order]


def _contrast(names: tuple[str, ...], pairs: Pairs, at: int, scale: Scale, level: float, *, matters: bool) -> Contrast:
    p_value = float(pairs.p_values[at])
    return Contrast(
        better=names[pairs.first[at]],
        worse=names[pairs.second[at]],
        difference=min(float(pairs.differences[at]), scale.span),
        low=scale.clipped_difference(pairs.low[at]),
        high=scale.clipped_difference(pairs.high[at]),
        p_value=None if np.isnan(p_value) else p_value,
        significant=matters and p_value <= level,
    )
