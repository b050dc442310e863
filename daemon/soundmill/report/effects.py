"""Report: which settings are best, and how sure are we?

From takes to findings, in this order:
1. `design` reads the takes into arrays and sees what design they come from.
2. `seeds` compares conditions within seeds: takes of one replicate share theirs. An effect is judged by how much it
   differs from seed to seed.
3. `model` estimates levels, or trends of sampled ranges; `interplay` tests pairs of factors.
4. What matters is decided for all factors at once, and for all interactions at once (Holm), so that an experiment in
   which nothing matters names a factor, or a winner, in at most 1 - confidence of cases, and an interaction likewise.
5. `ranking` orders the conditions and names a winner where the takes support one; `verdict` says it in words.

The t and F statistics assume errors not too far from normal, but not that levels vary alike, see `own_errors`; with
bounded, skewed scores they hold well for means of a dozen takes, and for two or three takes nothing does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundmill.report.statistics.compare import differences_of, f_test
from soundmill.report.statistics.design import Table, read_table
from soundmill.report.statistics.findings import (
    Analysis,
    BestForPrompt,
    ConditionRank,
    Contrast,
    Design,
    FactorEffect,
    Interaction,
    InteractionCell,
    LeadChange,
    LevelMean,
    PassRate,
    Response,
    Take,
    Trend,
    Winner,
    clearest_first,
)
from soundmill.report.statistics.interplay import Tested, tested_pairs
from soundmill.report.statistics.intervals import holm, replicates_for
from soundmill.report.statistics.levels import Levels, compare_levels, contrasts_of, passed_of
from soundmill.report.statistics.model import Model, fit
from soundmill.report.statistics.ranking import best_for_prompts, decided_levels, rank_conditions, winner_of
from soundmill.report.statistics.scale import Scale, scale_of
from soundmill.report.statistics.seeds import adjust
from soundmill.report.statistics.trends import Sampled, follow
from soundmill.report.wording.caveats import caveats
from soundmill.report.wording.factor_sentences import factor_sentence
from soundmill.report.wording.naming import LONGEST_LEVEL, told_apart
from soundmill.report.wording.verdict import (
    NOTHING_VARIED,
    interaction_sentence,
    no_interaction_sentence,
    pass_sentence,
    verdict,
    winner_sentence,
)
from soundmill.report.wording.voice import Voice

__all__ = [
    "Analysis",
    "ConditionRank",
    "Contrast",
    "Design",
    "FactorEffect",
    "Interaction",
    "InteractionCell",
    "LeadChange",
    "LevelMean",
    "PassRate",
    "Response",
    "Take",
    "Trend",
    "Winner",
    "analyse",
]

PROMPT = "prompt"  # the factor that is given rather than chosen
FEWEST_DF_TO_PLAN = 5  # an error known less well than this says nothing of how many replicates are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A factor before it is known whether it matters."""

    levels: Levels | Sampled
    p_value: float | None


def analyse(
    takes: Sequence[Take],
    *,
    confidence: float = 0.95,
    seeds_shared: bool = True,
    log: Collection[str] = (),
    response: Response = Response.SCORE,
    worth: float | None = None,
) -> Analysis:
    """What these takes say about the settings they were made with.

    `confidence` of intervals; 1 - confidence is the chance of a false claim. `seeds_shared`: takes of one replicate
    have the same seed, whatever their condition. `log`: factors that were sampled on a logarithmic scale. `worth`: the
    least difference anyone would act on, in units of the response (5 points, half a star). Takes without a condition
    are left out; the order of the takes is of no matter.

    Raises ValueError for a confidence outside 0.5 to 1 or a difference that is not positive.
    """
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be at least 0.5 and below 1, as in 0.95")
    if worth is not None and not worth > 0:
        raise ValueError(f"worth is {worth}; the least difference worth knowing must be above 0")
    takes = [take for take in takes if take.condition]
    table = read_table(takes, response, log)
    scale = scale_of(response, table.response, worth)
    voice = Voice(
        scale=scale,
        confidence=confidence,
        takes=int(table.scored.sum()),
        names={factor.name: told_apart(factor.levels, LONGEST_LEVEL) for factor in table.factors},
    )
    nothing = Analysis(
        factors=(), interactions=(), conditions=(), winner=None, sentences=(NOTHING_VARIED,),
        takes=int(table.made.sum()), scored=voice.takes, replicates=len(np.unique(table.seed_of)),
        response=response, confidence=confidence, design=table.design,
    )  # fmt: skip
    if not len(table.response):
        return nothing
    model = fit(table, adjust(table, seeds_shared=seeds_shared, floor=scale.floor), rounding=scale.rounding)
    measured = [_measure(model, index, scale, confidence) for index in range(len(table.factors))]
    tested = tested_pairs(model, scale, confidence)
    of_factors = _adjusted([one.p_value for one in measured])
    of_pairs = holm(np.array([one.p_value for one in tested])).tolist()
    factors = tuple(
        _effect(model, index, one, p, voice) for index, (one, p) in enumerate(zip(measured, of_factors, strict=True))
    )
    interactions = tuple(_interaction(table, one, p, voice) for one, p in zip(tested, of_pairs, strict=True))
    factors = tuple(
        _told(model, one, effect, interactions, voice) for one, effect in zip(measured, factors, strict=True)
    )
    joined = _joined(factors, tested, interactions, confidence)
    winner = _winner(model, measured, factors, tested, interactions, joined, voice)
    prompt = next((index for index, one in enumerate(table.factors) if one.name == PROMPT), None)
    of_prompts = () if prompt is None else best_for_prompts(model, prompt, joined, scale, 1 - confidence)
    return replace(
        nothing,
        factors=factors,
        interactions=interactions,
        conditions=rank_conditions(model, scale, confidence),
        winner=winner,
        sentences=tuple(
            _sentences(model, factors, interactions, winner, of_prompts, voice, takes, seeds_shared=seeds_shared)
        ),
    )


def _measure(model: Model, factor: int, scale: Scale, confidence: float) -> _Measured:
    curve = model.curves[factor]
    if curve is not None:
        sampled = follow(model, factor, curve, scale, confidence)
        return _Measured(levels=sampled, p_value=f_test(model, sampled.contrasts))
    levels = compare_levels(model, factor, scale, confidence)
    comparable = len(levels.pairs.first) > 0
    return _Measured(levels=levels, p_value=f_test(model, differences_of(levels.rows)) if comparable else None)


def _adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm-adjusted among those that are known."""
    known = [at for at, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    for at, p in zip(known, holm(np.array([p_values[at] for at in known], dtype=np.float64)), strict=True):
        adjusted[at] = float(p)
    return adjusted


def _effect(model: Model, factor: int, found: _Measured, p_adjusted: float | None, voice: Voice) -> FactorEffect:
    table, level = model.table, 1 - voice.confidence
    described = table.factors[factor]
    matters = p_adjusted is not None and p_adjusted <= level
    if isinstance(found.levels, Sampled):
        levels, trend, bent, ends = found.levels.bins, found.levels.trend, found.levels.bent, found.levels.ends
        clear = matters and ends.p_value is not None and ends.p_value <= level
        contrasts = [replace(ends, significant=clear)]
    else:
        levels, trend, bent = found.levels.means, None, False
        contrasts = contrasts_of(described.levels, found.levels.pairs, voice.scale, level, matters=matters)
    return FactorEffect(
        name=described.name,
        levels=levels,
        contrasts=tuple(contrasts),
        p_value=found.p_value,
        p_adjusted=p_adjusted,
        matters=matters,
        small=matters and voice.scale.too_small(contrasts) and not bent,
        sentence="",
        trend=trend,
        baseline=None if table.baseline is None else described.levels[table.baseline[factor]],
    )


def _told(
    model: Model, found: _Measured, effect: FactorEffect, interactions: Sequence[Interaction], voice: Voice
) -> FactorEffect:
    """The effect with its sentence."""
    sentence = factor_sentence(
        effect,
        voice,
        needed=None if isinstance(found.levels, Sampled) else _replicates_needed(model, found.levels, voice),
        replicates=_replicates(model),
        partners=[
            name
            for interaction in interactions
            if interaction.matters and effect.name in interaction.factors
            for name in interaction.factors
            if name != effect.name
        ],
    )
    return replace(effect, sentence=sentence)


def _replicates(model: Model) -> int:
    """Seeds where takes are compared within them, else the usual number of takes of a condition."""
    counts = model.adjusted.counts
    return model.adjusted.seeds if model.adjusted.paired else int(np.median(counts[counts > 0])) if counts.any() else 0


def _replicates_needed(model: Model, levels: Levels, voice: Voice) -> int | None:
    """In all, for the least certain pair to show a difference worth knowing; None where the error is hardly known.

    Only for replicated designs: elsewhere more conditions are needed, not more replicates.
    """
    pairs = levels.pairs
    if not model.within or pairs.errors is None or model.error is None or model.error.df < FEWEST_DF_TO_PLAN:
        return None
    least_certain = int(pairs.errors.likely.argmax())
    return replicates_for(
        voice.scale.worth,
        standard_error=float(pairs.errors.likely[least_certain]),
        df=float(pairs.errors.df[least_certain]),
        replicates=_replicates(model),
        level=(1 - voice.confidence) / len(pairs.first),
    )


def _interaction(table: Table, found: Tested, p_adjusted: float, voice: Voice) -> Interaction:
    at_most, matters = found.changes.at_most if found.changes else None, p_adjusted <= 1 - voice.confidence
    interaction = Interaction(
        factors=(table.factors[found.first].name, table.factors[found.second].name),
        p_value=found.p_value,
        p_adjusted=p_adjusted,
        effect=found.effect,
        change=found.changes.clearest if found.changes else None,
        at_most=at_most,
        matters=matters,
        small=matters and at_most is not None and at_most <= voice.scale.worth,
        cells=found.cells,
        sentence="",
    )
    return replace(interaction, sentence=interaction_sentence(interaction, voice))


def _joined(
    factors: Sequence[FactorEffect], tested: Sequence[Tested], interactions: Sequence[Interaction], confidence: float
) -> list[tuple[int, int]]:
    """The pairs whose levels are decided together: they interact, as sure as a winner has to be."""
    everything = len(factors) + len(tested)
    return [
        (one.first, one.second)
        for one, found in zip(tested, interactions, strict=True)
        if found.matters
        and (factors[one.first].matters or factors[one.second].matters or everything * one.p_value <= 1 - confidence)
    ]


def _winner(
    model: Model,
    measured: Sequence[_Measured],
    factors: Sequence[FactorEffect],
    tested: Sequence[Tested],
    interactions: Sequence[Interaction],
    joined: Sequence[tuple[int, int]],
    voice: Voice,
) -> Winner | None:
    table = model.table
    matter = [index for index, effect in enumerate(factors) if effect.matters]
    chosen = {
        factor: (table.factors[factor].levels[level], table.conditions[:, factor] == level)
        for factor, level in decided_levels(model, matter, joined, 1 - voice.confidence).items()
    }
    alone = [factor for factor in matter if not any(factor in pair for pair in joined)]
    for factor in alone:
        levels = measured[factor].levels
        if isinstance(levels, Sampled) and levels.best is not None:
            chosen[factor] = (levels.bins[levels.best].level, levels.members[levels.best])
    if not chosen:
        return None
    winner = winner_of(model, dict(sorted(chosen.items())), voice.scale, voice.confidence)
    deciding = [factors[factor] for factor in chosen] + [
        found
        for one, found in zip(tested, interactions, strict=True)
        if (one.first, one.second) in joined and (one.first in chosen or one.second in chosen)
    ]
    little = all(one.small or not one.matters for one in deciding)
    return replace(winner, sentence=winner_sentence(winner, voice, little=little))


def _sentences(
    model: Model,
    factors: Sequence[FactorEffect],
    interactions: Sequence[Interaction],
    winner: Winner | None,
    of_prompts: Sequence[BestForPrompt],
    voice: Voice,
    takes: Sequence[Take],
    *,
    seeds_shared: bool,
) -> Iterator[str]:
    """The verdict, where there are settings to choose; then every factor, those that matter first, the interactions
    that matter, how many takes passed, and what to keep in mind."""
    table = model.table
    if [effect.name for effect in factors if len(effect.levels) > 1] != [PROMPT]:
        yield verdict(factors, interactions, winner, of_prompts, voice, takes=int(table.made.sum()))
    if table.design is not Design.NONE:  # else that nothing was varied is all there is to say of them
        yield from (effect.sentence for effect in clearest_first(factors))
    yield from (interaction.sentence for interaction in interactions if interaction.matters)
    if interactions and not any(interaction.matters for interaction in interactions):
        yield no_interaction_sentence(interactions, voice)
    passed = passed_of(table, np.ones(len(table.conditions), dtype=np.bool_), voice.confidence)
    if passed.takes:
        yield pass_sentence(passed, voice, "first take" if any(take.tried_again for take in takes) else "take")
    yield from caveats(model, takes, voice, seeds_shared=seeds_shared)
