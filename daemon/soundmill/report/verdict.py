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
    effect = voice.units(voice.amount(interaction.effect, 5.0))
    if found is None:
        return f"{a} and {b} interact ({p_text(interaction.p_adjusted)}): differences change by up to {effect}."
    (one, other), (here, gap_here), (there, gap_there) = found
    gains = voice.units(voice.amount(gap_here, 5.0))
    turn = "loses by" if gap_there < 0 else "leads by only"
    elsewhere = voice.amount(abs(gap_there), 5.0)
    return (
        f"{a} and {b} interact ({p_text(interaction.p_adjusted)}): "
        f"{a} {voice.level(a, one)} leads {voice.level(a, other)} by {gains} at {b} {voice.level(b, here)}, "
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


def winner_sentence(winner: Winner, voice: Voice) -> str:
    """The settings that won."""
    settings = " with ".join(f"{name} {voice.level(name, level)}" for name, level in winner.settings.items())
    if winner.mean is None:
        return f"Best settings: {settings}; each beats its alternatives, but they were never tried together."
    mean = voice.amount(winner.mean, 1.0)
    return f"Best settings: {settings}, {voice.units(mean)} on average over {count(winner.n, 'take')}."


def no_winner_sentence(
    factors: Sequence[FactorEffect], interactions: Sequence[Interaction], voice: Voice, *, takes: int
) -> str:
    """Why no settings can be named best."""
    if all(len(effect.levels) < 2 for effect in factors):
        return NOTHING_VARIED
    if not voice.takes:
        return f"No winner: of {count(takes, 'take')} none has anything to compare."
    matter = [effect.name for effect in factors if effect.matters]
    together = [" and ".join(interaction.factors) for interaction in interactions if interaction.matters]
    if all(effect.p_value is None for effect in factors):
        return (
            f"No winner: these {count(voice.takes, 'take')} leave nothing to judge differences by; run more replicates."
        )
    if matter:
        verb = "matters, but its" if len(matter) == 1 else "matter, but their"
        return f"No winner: {listed(matter)} {verb} best level cannot be told from all others yet."
    if together:
        return f"No winner: {listed(together)} interact, but no combination beats all others yet."
    return f"No winner: these {count(voice.takes, 'take')} do not show that any setting matters."


def pass_sentence(rate: PassRate, voice: Voice, what: str) -> str:
    """How many takes passed, of one or more; `what` they are called."""
    return (
        f"{rate.passed} of {count(rate.takes, what)} passed their checks "
        f"({percent(rate.passed / rate.takes)}, {voice.confidence_text} {percents(rate.low, rate.high)})."
    )
