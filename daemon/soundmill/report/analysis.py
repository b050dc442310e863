"""Report: which settings are best, and how sure are we?

From takes to findings, in this order:
1. `design` reads the takes into arrays and sees what design they come from.
2. `seeds` compares conditions within seeds: takes of one replicate share theirs. An effect is judged by how much it
   differs from seed to seed.
3. `model` estimates levels, or trends of sampled ranges; `interplay` tests pairs of factors.
4. `judging` decides what matters, for all factors at once and for all interactions at once, and which settings win.
5. `ranking` orders the conditions, `worst` looks for one that is worse than the rest; `wording` says all of it in
   sentences.

docs/statistics.md says why, what is assumed, and how often it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from soundmill.report.statistics.design import read_table
from soundmill.report.statistics.findings import (
    Analysis,
    BestForPrompt,
    Design,
    FactorEffect,
    Interaction,
    Response,
    Take,
    Winner,
    WorstCondition,
    clearest_first,
)
from soundmill.report.statistics.judging import (
    JudgedFactor,
    decided_together,
    judge_factors,
    judge_pairs,
    judge_winner,
    replicates_needed,
    replicates_of,
)
from soundmill.report.statistics.levels import passed_of
from soundmill.report.statistics.model import Model, fit
from soundmill.report.statistics.ranking import best_for_prompts, rank_conditions
from soundmill.report.statistics.scale import scale_of
from soundmill.report.statistics.seeds import adjust
from soundmill.report.statistics.worst import worst_condition
from soundmill.report.wording.caveats import caveats
from soundmill.report.wording.factor_sentences import factor_sentence
from soundmill.report.wording.level_names import LONGEST_LEVEL, told_apart
from soundmill.report.wording.verdict import (
    NOTHING_VARIED,
    interaction_sentence,
    no_interaction_sentence,
    pass_sentence,
    verdict,
    winner_sentence,
    worst_sentence,
)
from soundmill.report.wording.voice import Voice

PROMPT = "prompt"  # the factor that is given rather than chosen


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
        factors=(), interactions=(), conditions=(), winner=None, worst=None, sentences=(NOTHING_VARIED,),
        takes=int(table.made.sum()), scored=voice.takes, replicates=len(np.unique(table.seed_of)),
        response=response, confidence=confidence, design=table.design,
    )  # fmt: skip
    if not len(table.response):
        return nothing
    model = fit(table, adjust(table, seeds_shared=seeds_shared, floor=scale.floor), rounding=scale.rounding)
    judged, pairs = judge_factors(model, scale, confidence), judge_pairs(model, scale, confidence)
    joined = decided_together(judged, pairs, confidence)
    prompt = next((at for at, factor in enumerate(table.factors) if factor.name == PROMPT), None)
    places = [(pair.first, pair.second) for pair in joined]
    of_prompts = () if prompt is None else best_for_prompts(model, prompt, places, scale, 1 - confidence)
    interactions = tuple(replace(one.found, sentence=interaction_sentence(one.found, voice)) for one in pairs)
    factors = tuple(_told(model, one, interactions, voice) for one in judged)
    winner = judge_winner(model, judged, joined, scale, confidence)
    if winner is not None:
        winner = replace(winner, sentence=winner_sentence(winner, voice))
    worst = worst_condition(model, scale, confidence, levels_differ=any(one.matters for one in factors))
    if worst is not None:
        worst = replace(worst, sentence=worst_sentence(worst, voice))
    return replace(
        nothing,
        factors=factors,
        interactions=interactions,
        conditions=rank_conditions(model, scale, confidence, worst),
        winner=winner,
        worst=worst,
        sentences=tuple(
            _sentences(model, factors, interactions, winner, worst, of_prompts, voice, takes, seeds_shared=seeds_shared)
        ),
    )


def _with_worst(told: str, worst: WorstCondition | None, *, first: bool) -> Iterator[str]:
    """The verdict, and the bad combination: `first` where nothing else is shown."""
    if worst is None:
        yield told
    else:
        yield from (worst.sentence, told) if first else (told, worst.sentence)


def _told(model: Model, judged: JudgedFactor, interactions: Sequence[Interaction], voice: Voice) -> FactorEffect:
    """The effect with its sentence."""
    effect = judged.effect
    sentence = factor_sentence(
        effect,
        voice,
        needed=replicates_needed(model, judged, voice.scale, voice.confidence),
        replicates=replicates_of(model),
        partners=[
            name
            for interaction in interactions
            if interaction.matters and effect.name in interaction.factors
            for name in interaction.factors
            if name != effect.name
        ],
    )
    return replace(effect, sentence=sentence)


def _sentences(
    model: Model,
    factors: Sequence[FactorEffect],
    interactions: Sequence[Interaction],
    winner: Winner | None,
    worst: WorstCondition | None,
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
        told = verdict(factors, interactions, winner, of_prompts, voice, takes=int(table.made.sum()), worst=worst)
        nothing_else = not (any(one.matters for one in factors) or any(one.matters for one in interactions))
        yield from _with_worst(told, worst, first=nothing_else)
    if table.design is not Design.NONE:  # else that nothing was varied is all there is to say of them
        yield from (effect.sentence for effect in clearest_first(factors))
    yield from (interaction.sentence for interaction in interactions if interaction.matters)
    if interactions and not any(interaction.matters for interaction in interactions):
        yield no_interaction_sentence(interactions, voice)
    passed = passed_of(table, np.ones(len(table.conditions), dtype=np.bool_), voice.confidence)
    if passed.takes:
        yield pass_sentence(passed, voice, "first take" if any(take.tried_again for take in takes) else "take")
    yield from caveats(model, takes, voice, seeds_shared=seeds_shared)
