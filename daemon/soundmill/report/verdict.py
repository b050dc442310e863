"""Report: the findings in plain sentences.

No sentence claims more than its finding: a winner only where every rival is beaten, "no measurable difference" only
where the interval holds nothing worth knowing, and else what the takes cannot tell and what it would need.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from soundmill.report.findings import Contrast, FactorEffect, Interaction, PassRate, Trend, Winner
from soundmill.report.scale import Scale
from soundmill.report.words import count, p_value, percent, shortened

NOTHING_VARIED = "No setting was varied, so there is nothing to compare."
LONGEST_LEVEL = 60  # characters
RANGE = re.compile(r"(up to |above )?-?[\d.e+-]+( to -?[\d.e+-]+)?")
LEVELS_SPELT_OUT = 3  # a level that beats more rivals than this is said to beat every other


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What every sentence needs to know."""

    scale: Scale
    confidence: float
    takes: int  # with the response

    @property
    def confidence_text(self) -> str:
        return f"{100 * self.confidence:g} % CI"

    def amount(self, value: float, reach: float) -> str:
        """A number with as many decimals as an interval of this reach allows."""
        decimals = 0 if reach >= 5 else 1 if reach >= 0.5 else 2
        if value != 0 and round(value, decimals) == 0:
            decimals = 2 if decimals == 0 and round(value, 1) == 0 else decimals + 1
        text = f"{value:.{decimals}f}"
        return "0" if float(text) == 0 else text.replace("-", "−")

    def units(self, text: str) -> str:
        return f"{text} {self.scale.unit[:-1] if text == '1' else self.scale.unit}"

    def interval(self, low: float, high: float) -> str:
        reach = (high - low) / 2
        return f"{self.confidence_text} {self.amount(low, reach)} to {self.amount(high, reach)}"

    def lead(self, contrast: Contrast, by: str = "by ") -> str:
        """`by 11 points (95 % CI 6 to 16)`."""
        if contrast.low is None or contrast.high is None:
            return f"{by}{self.units(self.amount(contrast.difference, 1.0))}"
        amount = self.amount(contrast.difference, (contrast.high - contrast.low) / 2)
        return f"{by}{self.units(amount)} ({self.interval(contrast.low, contrast.high)})"


def spoken(level: str) -> str:
    """A level as it stands in a sentence: a text of several words in quotation marks, a range of numbers plain."""
    plain = " " not in level or RANGE.fullmatch(level)
    return level if plain else f"“{shortened(level, LONGEST_LEVEL)}”"


def factor_sentence(effect: FactorEffect, voice: Voice, *, needed: int | None, replicates: int) -> str:
    """What one factor does. `needed`: replicates in all that would show a difference worth knowing, where known."""
    effect = replace(
        effect,
        levels=tuple(replace(level, level=spoken(level.level)) for level in effect.levels),
        contrasts=tuple(replace(c, better=spoken(c.better), worse=spoken(c.worse)) for c in effect.contrasts),
        baseline=None if effect.baseline is None else spoken(effect.baseline),
    )
    known = [level for level in effect.levels if level.mean is not None]
    if len(effect.levels) < 2:
        return f"{effect.name} has one level only, so there is nothing to compare."
    if len(known) < 2:
        return f"{effect.name}: fewer than two of its levels have a take with a response, so nothing can be compared."
    if not effect.contrasts:
        return f"{effect.name}: its levels cannot be compared in these takes."
    if effect.p_value is None:
        return f"{effect.name}: these takes leave nothing to judge a difference by; run more replicates."
    if effect.matters:
        return _trend(effect, voice) if effect.trend else _beaten(effect, voice)
    return _undecided(effect, voice, needed, replicates)


def _beaten(effect: FactorEffect, voice: Voice) -> str:
    """A factor that matters: which levels beat which."""
    shown = [contrast for contrast in effect.contrasts if contrast.significant]
    if not shown:
        widest = effect.contrasts[0]
        return (
            f"{effect.name} matters ({_p(effect.p_adjusted)}), but no two of its levels can be told apart for sure; "
            f"{widest.better} leads {widest.worse} {voice.lead(widest)}."
        )
    if effect.baseline is not None:
        clauses = [_against_baseline(contrast, effect.baseline, voice) for contrast in shown]
        rest = [_rival(c, effect.baseline) for c in effect.contrasts if not c.significant]
        open_ones = f"; {_listed(rest)} cannot be told from it" if rest else ""
        return f"{effect.name} {_listed(clauses)}{open_ones}."
    best = max((level for level in effect.levels if level.mean is not None), key=lambda level: level.mean or 0.0).level
    beaten = [contrast for contrast in shown if contrast.better == best]
    if not beaten:
        first = shown[0]
        return f"{effect.name} {first.better} beats {first.worse} {voice.lead(first)}, but which level is best is open."
    rivals = [c for c in effect.contrasts if best in (c.better, c.worse)]
    unbeaten = [_rival(contrast, best) for contrast in rivals if contrast not in beaten]
    if len(beaten) <= LEVELS_SPELT_OUT:
        wins = _listed([f"{contrast.worse} {voice.lead(contrast)}" for contrast in beaten])
    elif unbeaten:
        wins = f"{len(beaten)} of the other {len(rivals)} levels, {beaten[0].worse} {voice.lead(beaten[0])}"
    else:
        wins = f"every other level, the next best, {beaten[-1].worse}, {voice.lead(beaten[-1])}"
    but = f", but cannot be told from {_listed(unbeaten[:LEVELS_SPELT_OUT])}" if unbeaten else ""
    more = f" and {len(unbeaten) - LEVELS_SPELT_OUT} more" if len(unbeaten) > LEVELS_SPELT_OUT else ""
    return f"{effect.name} {best} beats {wins}{but}{more}."


def _against_baseline(contrast: Contrast, baseline: str, voice: Voice) -> str:
    if contrast.worse == baseline:
        return f"{contrast.better} beats the baseline {baseline} {voice.lead(contrast)}"
    return f"{contrast.worse} loses to the baseline {baseline} {voice.lead(contrast)}"


def _trend(effect: FactorEffect, voice: Voice) -> str:
    """A sampled factor that matters: where it is best."""
    ends = effect.contrasts[0]
    low, high = _range(effect)
    if effect.trend is not None and effect.trend.peak is not None:
        return f"{effect.name} is best near {_peak(effect.trend, voice)}, of {low} to {high} that were tried."
    if ends.significant:
        side = "lower" if ends.better == low else "higher"
        return f"{effect.name}: {side} is better; {ends.better} beats {ends.worse} {voice.lead(ends)} along the trend."
    return f"{effect.name} matters ({_p(effect.p_adjusted)}), but these takes cannot say which values are best."


def _peak(trend: Trend, voice: Voice) -> str:
    """`0.95 (95 % CI 0.9 to 1.01)`."""
    return f"{trend.peak:.3g} ({voice.confidence_text} {trend.peak_low:.3g} to {trend.peak_high:.3g})"


def _undecided(effect: FactorEffect, voice: Voice, needed: int | None, replicates: int) -> str:
    """A factor that is not shown to matter: no difference worth knowing, or too few takes to say."""
    widest = effect.contrasts[0]
    over = f" over {' to '.join(_range(effect))}" if effect.trend else ""
    bounds = [abs(bound) for c in effect.contrasts for bound in (c.low, c.high) if bound is not None]
    if effect.trend is None and all(contrast.difference == 0 for contrast in effect.contrasts):
        return f"{effect.name} makes no difference: every level scores the same."
    if widest.low is None or widest.high is None or widest.p_value is None:
        return f"{effect.name}: these takes leave nothing to judge a difference by; run more replicates."
    interval = voice.interval(widest.low, widest.high)
    pair = len(effect.contrasts) == 1
    if widest.low > 0:
        return (
            f"{effect.name} {widest.better} looks better than {widest.worse} {voice.lead(widest)}, but among all that "
            f"was compared chance may well do that ({_p(max(widest.p_value, effect.p_adjusted or 0.0))})."
        )
    if max(bounds) <= voice.scale.worth:
        if pair:
            return f"{effect.name} makes no measurable difference{over} ({interval} {voice.scale.unit})."
        return (
            f"{effect.name} makes no measurable difference: {widest.better} leads {widest.worse} by the most, "
            f"{voice.lead(widest, by='')}."
        )
    ahead = f"{widest.better} leads {widest.worse} {voice.lead(widest)}"
    if effect.trend is not None:
        return f"These {voice.takes} takes show no trend with {effect.name}: {ahead}; more conditions would be needed."
    told = f"{effect.name} {widest.better} from {widest.worse}" if pair else f"the levels of {effect.name} apart"
    more = ""
    if needed is not None and needed > replicates:
        worth = voice.amount(voice.scale.worth, 5 if voice.scale.worth.is_integer() else 1)
        more = (
            f"; about {count(needed - replicates, 'more replicate')} would be needed to see a difference of "
            f"{voice.units(worth)}"
        )
    return f"These {voice.takes} takes cannot tell {told}: {ahead}{more}."


def interaction_sentence(interaction: Interaction, voice: Voice) -> str:
    """What two factors do together."""
    a, b = interaction.factors
    if not interaction.matters:
        return f"No interaction between {a} and {b} was found ({_p(interaction.p_value)})."
    start, found = f"{a} and {b} interact ({_p(interaction.p_adjusted)})", interaction.change
    if found is None:
        return f"{start}: a lead changes by up to {voice.units(voice.amount(interaction.effect, 5.0))}."
    reach = (found.high - found.low) / 2
    more, less = (voice.units(voice.amount(abs(lead), reach)) for lead in (found.lead_more, found.lead_less))
    turn = f"loses by {less}" if found.lead_less < 0 else f"leads by only {less}"
    change = voice.units(voice.amount(found.change, reach))
    so = "along the trend" if found.along_trend else "so"
    return (
        f"{start}: {a} {spoken(found.better)} leads {spoken(found.worse)} by {more} where {b} is "
        f"{spoken(found.more_at)}, but {turn} where it is {spoken(found.less_at)}; "
        f"{so} its lead changes by {change} ({voice.interval(found.low, found.high)})."
    )


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
    settings = " with ".join(f"{name} {spoken(level)}" for name, level in winner.settings.items())
    if winner.mean is None:
        return f"Best settings: {settings}; each beats its alternatives, but they were never tried together."
    if winner.low is None or winner.high is None:
        average, interval = voice.amount(winner.mean, 1.0), ""
    else:
        average = voice.amount(winner.mean, (winner.high - winner.low) / 2)
        interval = f" ({voice.interval(winner.low, winner.high)})"
    return f"Best settings: {settings}, {voice.units(average)} on average over {count(winner.n, 'take')}{interval}."


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
        return f"No winner: {_listed(matter)} {verb} best level cannot be told from all others yet."
    if together:
        return f"No winner: {_listed(together)} interact, but no combination beats all others yet."
    return f"No winner: these {count(voice.takes, 'take')} do not show that any setting matters."


def pass_sentence(rate: PassRate, voice: Voice) -> str:
    """How many takes passed."""
    return (
        f"{rate.passed} of {count(rate.takes, 'take')} passed their checks "
        f"({percent(rate.rate)}, {voice.confidence_text} {100 * rate.low:.0f} to {100 * rate.high:.0f} %)."
    )


def _range(effect: FactorEffect) -> tuple[str, str]:
    """The ends of a sampled factor, lowest first."""
    ends = sorted((effect.contrasts[0].better, effect.contrasts[0].worse), key=float)
    return ends[0], ends[1]


def _rival(contrast: Contrast, level: str) -> str:
    return contrast.worse if contrast.better == level else contrast.better


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _p(value: float | None) -> str:
    if value is None:
        return "p unknown"
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
