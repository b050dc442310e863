"""Report: what of a fitted model matters: its factors, its pairs of factors, and the settings that win.

Everything is decided for all factors at once and for all pairs at once (Holm). The findings are whole but for their
sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundmill.report.statistics.compare import Best, Pairs, differences_of, f_test
from soundmill.report.statistics.design import Table
from soundmill.report.statistics.findings import FactorEffect, Interaction, Winner
from soundmill.report.statistics.interplay import Tested, tested_pairs
from soundmill.report.statistics.intervals import holm, replicates_for
from soundmill.report.statistics.levels import Levels, compare_levels, contrasts_of
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.ranking import best_level, decided_levels, winner_of
from soundmill.report.statistics.scale import Scale
from soundmill.report.statistics.trends import Sampled, follow

FEWEST_DF_TO_PLAN = 5  # an error known less well than this says nothing of how many replicates are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFactor:
    """One factor, by its place among the table's: its levels or, sampled, its trend; and what they come to."""

    at: int
    measured: Levels | Sampled
    best: int | None  # the level that beats every other one, of one that is not sampled
    effect: FactorEffect


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPair:
    """One pair of factors that could be tested, by their places; and what the test comes to."""

    first: int
    second: int
    found: Interaction


def judge_factors(model: Model, scale: Scale, confidence: float) -> tuple[JudgedFactor, ...]:
    """Every factor of the model, in the order of the table.

    One matters where its levels differ, or where one of them is better than every other: decided for all factors at
    once. Which level of one that matters is best is decided for that factor alone.
    """
    places = range(len(model.table.factors))
    measured = [_measure(model, at, scale, confidence) for at in places]
    differ = _adjusted([p_value for _, p_value in measured])
    best = [None if p_value is None else best_level(model, at) for at, (_, p_value) in enumerate(measured)]
    leads = _adjusted([None if one is None else one.p_value for one in best])
    judged = []
    for at, (levels, p_value) in enumerate(measured):
        found, p_adjusted = best[at], min((p for p in (differ[at], leads[at]) if p is not None), default=None)
        matters = p_adjusted is not None and p_adjusted <= 1 - confidence
        ahead = found if matters and found is not None and found.p_value <= 1 - confidence else None
        effect = _effect(model, at, levels, p_value, p_adjusted, ahead, scale, confidence)
        judged.append(JudgedFactor(at=at, measured=levels, best=None if ahead is None else ahead.row, effect=effect))
    return tuple(judged)


def judge_pairs(model: Model, scale: Scale, confidence: float) -> tuple[JudgedPair, ...]:
    """Every pair that could be tested."""
    tested = tested_pairs(model, scale, confidence)
    adjusted = holm(np.array([one.p_value for one in tested])).tolist()
    return tuple(
        JudgedPair(
            first=one.first, second=one.second, found=_interaction(model.table, one, p_adjusted, scale, confidence)
        )
        for one, p_adjusted in zip(tested, adjusted, strict=True)
    )


def decided_together(
    factors: Sequence[JudgedFactor], pairs: Sequence[JudgedPair], confidence: float
) -> list[JudgedPair]:
    """The pairs whose levels are decided together: they interact, as sure as a winner has to be."""
    everything = len(factors) + len(pairs)
    return [
        pair
        for pair in pairs
        if pair.found.matters
        and (
            any(factors[at].effect.matters for at in (pair.first, pair.second))
            or everything * pair.found.p_value <= 1 - confidence
        )
    ]


def judge_winner(
    model: Model, factors: Sequence[JudgedFactor], joined: Sequence[JudgedPair], scale: Scale, confidence: float
) -> Winner | None:
    """The settings that beat their alternatives, of factors that matter alone or in the pairs that are `joined`."""
    table, places = model.table, [(pair.first, pair.second) for pair in joined]
    matter = [factor for factor in factors if factor.effect.matters]
    alone = {factor.at: factor.best for factor in matter if factor.best is not None}
    chosen = {
        factor: (table.factors[factor].levels[level], table.conditions[:, factor] == level)
        for factor, level in decided_levels(model, alone, places, 1 - confidence).items()
    }
    for factor in matter:
        levels = factor.measured
        if isinstance(levels, Sampled) and levels.best is not None and not any(factor.at in pair for pair in places):
            chosen[factor.at] = (levels.bins[levels.best].level, levels.members[levels.best])
    if not chosen:
        return None
    winner = winner_of(model, dict(sorted(chosen.items())), scale, confidence)
    deciding: list[FactorEffect | Interaction] = [factors[factor].effect for factor in chosen]
    deciding += [pair.found for pair in joined if pair.first in chosen or pair.second in chosen]
    return replace(winner, small=all(one.small or not one.matters for one in deciding))


def replicates_of(model: Model) -> int:
    """Seeds where takes are compared within them, else the usual number of takes of a condition."""
    counts = model.adjusted.counts
    return model.adjusted.seeds if model.adjusted.paired else int(np.median(counts[counts > 0])) if counts.any() else 0


def replicates_needed(model: Model, factor: JudgedFactor, scale: Scale, confidence: float) -> int | None:
    """In all, for the least certain pair to show a difference worth knowing; None where the error is hardly known.

    Only for replicated designs: elsewhere more conditions are needed, not more replicates.
    """
    if isinstance(factor.measured, Sampled) or not model.within:
        return None
    pairs = factor.measured.pairs
    if pairs.errors is None or model.error is None or model.error.df < FEWEST_DF_TO_PLAN:
        return None
    likely = pairs.errors.likely(model.error)
    least_certain = int(likely.argmax())
    return replicates_for(
        scale.worth,
        standard_error=float(likely[least_certain]),
        df=float(pairs.errors.df[least_certain]),
        replicates=replicates_of(model),
        level=(1 - confidence) / len(pairs.first),
    )


def _measure(model: Model, factor: int, scale: Scale, confidence: float) -> tuple[Levels | Sampled, float | None]:
    """What a factor does, and p that it does nothing, None where nothing says so."""
    curve = model.curves[factor]
    if curve is not None:
        sampled = follow(model, factor, curve, scale, confidence)
        return sampled, f_test(model, sampled.contrasts)
    levels = compare_levels(model, factor, scale, confidence)
    return levels, f_test(model, differences_of(levels.rows)) if len(levels.pairs.first) else None


def _adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm-adjusted among those that are known."""
    adjusted = iter(holm(np.array([p for p in p_values if p is not None], dtype=np.float64)).tolist())
    return [None if p is None else next(adjusted) for p in p_values]


def _effect(
    model: Model,
    factor: int,
    measured: Levels | Sampled,
    p_value: float | None,
    p_adjusted: float | None,
    ahead: Best | None,
    scale: Scale,
    confidence: float,
) -> FactorEffect:
    """`ahead`: the level that beats every other one."""
    table, level = model.table, 1 - confidence
    described = table.factors[factor]
    matters = p_adjusted is not None and p_adjusted <= level
    if isinstance(measured, Sampled):
        levels, trend, bent, ends = measured.bins, measured.trend, measured.bent, measured.ends
        clear = matters and ends.p_value is not None and ends.p_value <= level
        contrasts = [replace(ends, significant=clear)]
    else:
        levels, trend, bent = measured.means, None, False
        pairs = measured.pairs if ahead is None else _led(measured.pairs, ahead)
        contrasts = contrasts_of(described.levels, pairs, scale, level, matters=matters)
    return FactorEffect(
        name=described.name,
        levels=levels,
        contrasts=tuple(contrasts),
        p_value=p_value,
        p_adjusted=p_adjusted,
        matters=matters,
        small=matters and scale.too_small(contrasts) and not bent,
        sentence="",
        trend=trend,
        baseline=None if table.baseline is None else described.levels[table.baseline[factor]],
    )


def _led(pairs: Pairs, ahead: Best) -> Pairs:
    """The pairs of a level that beats every other one are all as sure as that."""
    involved = (pairs.first == ahead.row) | (pairs.second == ahead.row)
    return replace(pairs, p_values=np.where(involved, np.minimum(pairs.p_values, ahead.p_value), pairs.p_values))


def _interaction(table: Table, tested: Tested, p_adjusted: float, scale: Scale, confidence: float) -> Interaction:
    at_most, matters = tested.changes.at_most if tested.changes else None, p_adjusted <= 1 - confidence
    return Interaction(
        factors=(table.factors[tested.first].name, table.factors[tested.second].name),
        p_value=tested.p_value,
        p_adjusted=p_adjusted,
        effect=tested.effect,
        change=tested.changes.clearest if tested.changes else None,
        at_most=at_most,
        matters=matters,
        small=matters and at_most is not None and at_most <= scale.worth,
        cells=tested.cells,
        sentence="",
    )
