"""Report: the findings in plain sentences.

No sentence claims more than its finding: a winner only where every rival is beaten, "no measurable difference" only
where the interval holds nothing worth knowing, and else what the takes cannot tell and what it would need.
"""

from __future__ import annotations

from collections.abc import Sequence

from soundmill.report.statistics.findings import (
    BestForPrompt,
    FactorEffect,
    Interaction,
    PassRate,
    Winner,
    WorstCondition,
)
from soundmill.report.wording.voice import Voice, p_text
from soundmill.words import count, listed, percent, percents

PROMPTS_NAMED = 3  # of those with a best level, and of those without
NOTHING_VARIED = "No setting was varied, so there is nothing to compare."


def interaction_sentence(interaction: Interaction, voice: Voice) -> str:
    """What two factors do together."""
    a, b = interaction.factors
    if not interaction.matters:
        return f"No interaction between {a} and {b} was found ({p_text(interaction.p_value)})."
    start, found = f"{a} and {b} interact ({p_text(interaction.p_adjusted)})", interaction.change
    if found is None:
        return f"{start}: a lead changes by up to {voice.units(voice.amount(interaction.effect, 5.0))}."
    reach = (found.high - found.low) / 2
    more, less = (voice.units(voice.amount(abs(lead), reach)) for lead in (found.lead_more, found.lead_less))
    turn = f"loses by {less}" if found.lead_less < 0 else f"leads by only {less}"
    leads = (
        f"{a} {voice.level(a, found.better)} leads {voice.level(a, found.worse)} by {more} where {b} is "
        f"{voice.level(b, found.more_at)}, but {turn} where it is {voice.level(b, found.less_at)}"
    )
    change = f"{voice.units(voice.amount(found.change, reach))} ({voice.interval(found.low, found.high)})"
    if interaction.small:
        along = "along the trend " if found.along_trend else ""
        return f"{start}, but {along}differences change by only {change}: {leads}."
    return f"{start}: {leads}; {'along the trend' if found.along_trend else 'so'} its lead changes by {change}."


def no_interaction_sentence(interactions: Sequence[Interaction], voice: Voice) -> str:
    """None of these pairs, of which there is one at least, interacts; and how much one still may."""
    few = " and ".join(interactions[0].factors) if len(interactions) == 1 else f"{len(interactions)} pairs of factors"
    bounds = [interaction.at_most for interaction in interactions if interaction.at_most is not None]
    none = f"No interaction was found {'between' if len(interactions) == 1 else 'among'} {few}"
    if not bounds:
        return f"{none}."
    each = "" if len(interactions) == 1 else " for each pair"
    return (
        f"{none}; if there is one, it changes a lead by at most {voice.units(voice.amount(max(bounds), 5.0))} "
        f"({voice.confidence_text}{each})."
    )


def winner_sentence(winner: Winner, voice: Voice) -> str:
    """The settings that won."""
    start = f"Best settings, by under {voice.worth}" if winner.small else "Best settings"
    settings = " with ".join(f"{name} {voice.level(name, level)}" for name, level in winner.settings.items())
    if winner.mean is None:
        return f"{start}: {settings}; each beats its alternatives, but they were never tried together."
    if winner.low is None or winner.high is None:
        average, interval = voice.amount(winner.mean, 1.0), ""
    else:
        average = voice.amount(winner.mean, (winner.high - winner.low) / 2)
        interval = f" ({voice.interval(winner.low, winner.high)})"
    return f"{start}: {settings}, {voice.units(average)} on average over {count(winner.n, 'take')}{interval}."


def worst_sentence(worst: WorstCondition, voice: Voice) -> str:
    """The one combination that is worse than the rest."""
    settings = " with ".join(f"{name} {voice.level(name, level)}" for name, level in worst.condition.items())
    return f"One combination is worse than the rest, {settings}: {voice.lead(worst)}."


def verdict(
    factors: Sequence[FactorEffect],
    interactions: Sequence[Interaction],
    winner: Winner | None,
    of_prompts: Sequence[BestForPrompt],
    voice: Voice,
    *,
    takes: int,
    worst: WorstCondition | None = None,
) -> str:
    """The settings that won, or why none can be named best; and which are best prompt by prompt, where that differs.

    `worst`: what was said before.
    """
    told = [one for one in of_prompts if one.lead is not None]
    if not told or (winner and told[0].factor in winner.settings and "prompt" not in winner.settings):
        return winner.sentence if winner else no_winner_sentence(factors, interactions, voice, takes=takes, worst=worst)
    if winner and not winner.settings.keys() <= {"prompt", told[0].factor}:
        start = winner.sentence
    else:  # a winner with one prompt is no more than the best of what is said prompt by prompt
        start = no_winner_sentence(factors, interactions, voice, takes=takes, prompts=True)
    return f"{start} {_of_prompts(of_prompts, voice)}"


def _of_prompts(of_prompts: Sequence[BestForPrompt], voice: Voice) -> str:
    """Which level is best for which prompt: the clearest first, and those that cannot be told last."""
    told = sorted(((one, one.lead) for one in of_prompts if one.lead is not None), key=lambda item: -item[1].difference)
    factor = of_prompts[0].factor
    parts = []
    for one, lead in told[:PROMPTS_NAMED]:
        rivals = "" if len(voice.names[factor]) == 2 else "every other level, the next best, "
        comma = "," if rivals else ""
        wins = f"{voice.level(factor, lead.better)} beats {rivals}{voice.level(factor, lead.worse)}{comma}"
        parts.append(f"for {voice.level('prompt', one.prompt)} {factor} {wins} {voice.lead(lead)}")
    if len(told) > PROMPTS_NAMED:
        parts.append(f"for {count(len(told) - PROMPTS_NAMED, 'more prompt')} one level beats every other too")
    still_open = [voice.level("prompt", one.prompt) for one in of_prompts if one.lead is None]
    if still_open:
        few = len(still_open) <= PROMPTS_NAMED
        where = listed(still_open) if few else count(len(still_open), "prompt")
        parts.append(f"for {where} the best level cannot be told yet")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def no_winner_sentence(
    factors: Sequence[FactorEffect],
    interactions: Sequence[Interaction],
    voice: Voice,
    *,
    takes: int,
    prompts: bool = False,
    worst: WorstCondition | None = None,
) -> str:
    """Why no settings can be named best; `prompts`: for all prompts, because what is best for some is said beside."""
    if all(len(effect.levels) < 2 for effect in factors):
        return NOTHING_VARIED
    if not voice.takes:
        return f"No winner: of {count(takes, 'take')} none has anything to compare."
    if all(effect.p_value is None for effect in factors):
        return (
            f"No winner: these {count(voice.takes, 'take')} leave nothing to judge differences by; run more replicates."
        )
    matter = [effect for effect in factors if effect.matters]
    pairs = [interaction for interaction in interactions if interaction.matters]
    if not matter and not pairs:
        if worst is not None:
            return f"No winner: beyond that, these {count(voice.takes, 'take')} do not show that any setting matters."
        listen = "" if voice.by_ear else " The checks cannot tell them apart: listen."
        return f"No winner: these {count(voice.takes, 'take')} do not show that any setting matters.{listen}"
    paired = {name for pair in pairs for name in pair.factors}
    large = {effect.name for effect in matter if not effect.small}
    large_pairs = [pair for pair in pairs if not pair.small or large.intersection(pair.factors)]
    alone = [effect for effect in matter if effect.name not in paired]
    if large or large_pairs:  # then what is small is left to its own sentence
        pairs, alone = large_pairs, [effect for effect in alone if not effect.small]
    reasons = [_depend(pairs, matter, voice, prompts=prompts)] if pairs else []
    if alone:
        reasons.append(_tie(alone, voice))
    return f"No winner{' for all prompts' if prompts else ''}: {'; '.join(reasons)}."


def _depend(pairs: Sequence[Interaction], matter: Sequence[FactorEffect], voice: Voice, *, prompts: bool) -> str:
    """Why no combination of factors that interact is best; `prompts` as in `no_winner_sentence`."""
    if len(pairs) > 1:
        named = ", ".join(" with ".join(pair.factors) for pair in pairs)
        return f"settings depend on each other ({named}), and no combination beats all others yet"
    (pair,) = pairs
    if prompts and "prompt" in pair.factors:
        return f"what {next(name for name in pair.factors if name != 'prompt')} does depends on prompt"
    first, second = sorted(pair.factors, key=lambda name: all(effect.name != name for effect in matter))
    one_matters = sum(effect.name in pair.factors and not effect.small for effect in matter) == 1
    does = f"{first} matters, but what it does" if one_matters else f"what {first} does"
    little = f", if only by {voice.units(voice.amount(pair.effect, 1.0))}," if pair.small and not one_matters else ""
    return f"{does} depends on {second}{little or ','} and no combination of the two beats all others yet"


def _tie(alone: Sequence[FactorEffect], voice: Voice) -> str:
    """Why no level of these factors is best."""
    names, one = listed([effect.name for effect in alone]), len(alone) == 1
    if all(effect.small for effect in alone):
        matters = f"{'makes' if one else 'make'} only a small difference, under {voice.worth}, and"
    else:
        matters = f"{'matters' if one else 'matter'}, but"
    return f"{names} {matters} {'its' if one else 'their'} best level cannot be told from all others yet"


def pass_sentence(rate: PassRate, voice: Voice, what: str) -> str:
    """How many takes passed, of one or more; `what` they are called."""
    return (
        f"{rate.passed} of {count(rate.takes, what)} passed their checks "
        f"({percent(rate.passed / rate.takes)}, {voice.confidence_text} {percents(rate.low, rate.high)})."
    )
