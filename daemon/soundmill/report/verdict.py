"""Report: the findings in plain sentences.

No sentence claims more than its finding: a winner only where every rival is beaten, "no measurable difference" only
where the interval holds nothing worth knowing, and else what the takes cannot tell and what it would need.
"""

from __future__ import annotations

from collections.abc import Sequence

from soundmill.report.findings import FactorEffect, Interaction, InteractionCell, PassRate, Winner
from soundmill.report.voice import Voice, listed, p_text
from soundmill.report.words import count, percent, percents

NOTHING_VARIED = "No setting was varied, so there is nothing to compare."


def interaction_sentence(interaction: Interaction, voice: Voice) -> str:
    """What two factors do together."""
    a, b = interaction.factors
    if not interaction.matters:
        return f"No interaction between {a} and {b} was found ({p_text(interaction.p_value)})."
    found = _largest_change(interaction.cells)
    reach = 1.0 if interaction.small else 5.0
    effect = voice.units(voice.amount(interaction.effect, reach))
    start = f"{a} and {b} interact ({p_text(interaction.p_adjusted)})"
    if found is None:
        return f"{start}: differences change by up to {effect}."
    if interaction.small:
        start += f", but differences change by only {effect}"
    (one, other), (here, gap_here), (there, gap_there) = found
    gains = voice.units(voice.amount(gap_here, reach))
    turn = "loses by" if gap_there < 0 else "leads by only"
    elsewhere = voice.amount(abs(gap_there), reach)
    return (
        f"{start}: {a} {voice.level(a, one)} leads {voice.level(a, other)} by {gains} at {b} {voice.level(b, here)}, "
        f"but {turn} {elsewhere} at {voice.level(b, there)}."
    )


def _largest_change(
    cells: Sequence[InteractionCell],
) -> tuple[tuple[str, str], tuple[str, float], tuple[str, float]] | None:
    """The two levels of a whose difference changes most between two levels of b, first where it is larger."""
    means = {(cell.level_a, cell.level_b): cell.mean for cell in cells}
    of_a, of_b = (list(dict.fromkeys(names)) for names in zip(*means, strict=True))
    best: tuple[tuple[str, str], tuple[str, float], tuple[str, float]] | None = None
    for one in of_a:
        for other in of_a:
            gaps = []
            for at in of_b:
                mean, against = means.get((one, at)), means.get((other, at))
                if mean is None or against is None:
                    return None
                gaps.append((at, mean - against))
            here, there = max(gaps, key=lambda gap: gap[1]), min(gaps, key=lambda gap: gap[1])
            if here[1] >= -there[1] and (best is None or here[1] - there[1] > best[1][1] - best[2][1]):
                best = ((one, other), here, there)
    return best


def winner_sentence(winner: Winner, voice: Voice, *, little: bool) -> str:
    """The settings that won; `little`: nothing that decided makes a difference worth acting on."""
    start = f"Best settings, by under {voice.worth}" if little else "Best settings"
    settings = " with ".join(f"{name} {voice.level(name, level)}" for name, level in winner.settings.items())
    if winner.mean is None:
        return f"{start}: {settings}; each beats its alternatives, but they were never tried together."
    mean = voice.amount(winner.mean, 1.0)
    return f"{start}: {settings}, {voice.units(mean)} on average over {count(winner.n, 'take')}."


def no_winner_sentence(
    factors: Sequence[FactorEffect], interactions: Sequence[Interaction], voice: Voice, *, takes: int
) -> str:
    """Why no settings can be named best."""
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
        return f"No winner: these {count(voice.takes, 'take')} do not show that any setting matters."
    paired = {name for pair in pairs for name in pair.factors}
    large = {effect.name for effect in matter if not effect.small}
    large_pairs = [pair for pair in pairs if not pair.small or large.intersection(pair.factors)]
    alone = [effect for effect in matter if effect.name not in paired]
    if large or large_pairs:  # then what is small is left to its own sentence
        pairs, alone = large_pairs, [effect for effect in alone if not effect.small]
    reasons = [_depend(pairs, matter, voice)] if pairs else []
    if alone:
        reasons.append(_tie(alone, voice))
    return f"No winner: {'; '.join(reasons)}."


def _depend(pairs: Sequence[Interaction], matter: Sequence[FactorEffect], voice: Voice) -> str:
    """Why no combination of factors that interact is best."""
    if len(pairs) > 1:
        named = ", ".join(" with ".join(pair.factors) for pair in pairs)
        return f"settings depend on each other ({named}), and no combination beats all others yet"
    (pair,) = pairs
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
