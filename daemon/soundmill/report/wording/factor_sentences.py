"""Report: what a factor does, in a plain sentence.

No sentence claims more than its finding: a level beats another only where the difference is significant, and there is
"no measurable difference" only where the interval holds nothing worth knowing. A difference that is sure but smaller
than anyone would act on (`Scale.worth`) is called small.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from soundmill.report.statistics.findings import Contrast, FactorEffect, Trend
from soundmill.report.wording.voice import Voice, p_text
from soundmill.words import count, listed

LEVELS_SPELT_OUT = 3  # a level that beats more rivals than this is said to beat every other


def factor_sentence(
    effect: FactorEffect, voice: Voice, *, needed: int | None, replicates: int, partners: Sequence[str]
) -> str:
    """What one factor does. `needed`: replicates in all that would show a difference worth knowing, where known.
    `partners`: the factors that it interacts with."""
    known = [level for level in effect.levels if level.mean is not None]
    if len(effect.levels) < 2:
        return f"{effect.name} has one level only, so there is nothing to compare."
    if len(known) < 2:
        judged = "stars" if voice.scale.unit == "stars" else "a score"
        which = f"only {voice.level(effect.name, known[0].level)} has takes" if known else "no level has a take"
        return f"{effect.name}: {which} with {judged}, so there is nothing to compare."
    if not effect.contrasts:
        return f"{effect.name}: its levels cannot be compared in these takes."
    if effect.p_value is None:
        return f"{effect.name}: these takes leave nothing to judge a difference by; run more replicates."
    if not effect.matters:
        sentence = _undecided(effect, voice, needed, replicates)
    elif effect.trend:
        sentence = _trend(effect, voice)
    else:
        sentence = _beaten(effect, voice)
    if not partners:
        return sentence
    goes_on = sentence if sentence.startswith(effect.name) else f"{sentence[0].lower()}{sentence[1:]}"
    return f"On average over {listed(partners)}, {goes_on}"


def _beaten(effect: FactorEffect, voice: Voice) -> str:
    """A factor that matters: which levels beat which."""
    say = partial(voice.level, effect.name)
    start = f"{_small(effect, voice)}:" if effect.small else effect.name
    shown = [contrast for contrast in effect.contrasts if contrast.significant]
    if not shown:
        widest = effect.contrasts[0]
        matters = _small(effect, voice) if effect.small else f"{effect.name} matters"
        return (
            f"{matters} ({p_text(effect.p_adjusted)}), but no two of its levels can be told apart for "
            f"sure; {say(widest.better)} leads {say(widest.worse)} {voice.lead(widest)}."
        )
    if effect.baseline is not None:
        clauses = [_against_baseline(contrast, effect, voice) for contrast in shown]
        rest = [say(_rival(c, effect.baseline)) for c in effect.contrasts if not c.significant]
        open_ones = f"; {listed(rest)} cannot be told from it" if rest else ""
        return f"{start} {listed(clauses)}{open_ones}."
    best = effect.contrasts[0].better  # of the widest pair; means are cut where the scale ends and may be equal there
    beaten = [contrast for contrast in shown if contrast.better == best]
    if not beaten:
        first = shown[0]
        wins = f"{say(first.better)} beats {say(first.worse)} {voice.lead(first)}"
        return f"{start} {wins}, but which level is best is open."
    rivals = [c for c in effect.contrasts if best in (c.better, c.worse)]
    unbeaten = [say(_rival(contrast, best)) for contrast in rivals if contrast not in beaten]
    if len(beaten) <= LEVELS_SPELT_OUT:
        wins = listed([f"{say(contrast.worse)} {voice.lead(contrast)}" for contrast in beaten])
    elif unbeaten:
        wins = f"{len(beaten)} of the other {len(rivals)} levels, {say(beaten[0].worse)} {voice.lead(beaten[0])}"
    else:
        wins = f"every other level, the next best, {say(beaten[-1].worse)}, {voice.lead(beaten[-1])}"
    but = f", but cannot be told from {listed(unbeaten[:LEVELS_SPELT_OUT])}" if unbeaten else ""
    more = f" and {len(unbeaten) - LEVELS_SPELT_OUT} more" if len(unbeaten) > LEVELS_SPELT_OUT else ""
    return f"{start} {say(best)} beats {wins}{but}{more}."


def _small(effect: FactorEffect, voice: Voice) -> str:
    return f"{effect.name} makes a small difference, under {voice.worth}"


def _against_baseline(contrast: Contrast, effect: FactorEffect, voice: Voice) -> str:
    better, worse = voice.level(effect.name, contrast.better), voice.level(effect.name, contrast.worse)
    if contrast.worse == effect.baseline:
        return f"{better} beats the baseline {worse} {voice.lead(contrast)}"
    return f"{worse} loses to the baseline {better} {voice.lead(contrast)}"


def _trend(effect: FactorEffect, voice: Voice) -> str:
    """A sampled factor that matters: where it is best."""
    ends = effect.contrasts[0]
    low, high = _range(effect)
    if effect.trend is not None and effect.trend.peak is not None:
        return f"{effect.name} is best near {_peak(effect.trend, voice)}, of {low} to {high} that were tried."
    if ends.significant:
        side = "lower" if ends.better == low else "higher"
        start = _small(effect, voice) if effect.small else effect.name
        return f"{start}: {side} is better; {ends.better} beats {ends.worse} {voice.lead(ends)} along the trend."
    matters = _small(effect, voice) if effect.small else f"{effect.name} matters"
    return f"{matters} ({p_text(effect.p_adjusted)}), but these takes cannot say which values are best."


def _peak(trend: Trend, voice: Voice) -> str:
    """`0.95 (95 % CI 0.9 to 1.01)`."""
    return f"{trend.peak:.3g} ({voice.confidence_text} {trend.peak_low:.3g} to {trend.peak_high:.3g})"


def _undecided(effect: FactorEffect, voice: Voice, needed: int | None, replicates: int) -> str:
    """A factor that is not shown to matter: no difference worth knowing, or too few takes to say."""
    widest = effect.contrasts[0]
    better, worse = voice.level(effect.name, widest.better), voice.level(effect.name, widest.worse)
    over = f" over {' to '.join(_range(effect))}" if effect.trend else ""
    if effect.trend is None and all(contrast.difference == 0 for contrast in effect.contrasts):
        return f"{effect.name} makes no difference: every level scores the same."
    if widest.low is None or widest.high is None or widest.p_value is None:
        return f"{effect.name}: these takes leave nothing to judge a difference by; run more replicates."
    interval = voice.interval(widest.low, widest.high)
    pair = len(effect.contrasts) == 1
    too_small = voice.scale.too_small(effect.contrasts)
    if widest.low > 0 and too_small:
        most = f"a small difference at most, under {voice.worth}"
        return f"{effect.name} makes {most}: {better} leads {worse} {voice.lead(widest)}."
    if widest.low > 0:
        return (
            f"{effect.name} {better} looks better than {worse} {voice.lead(widest)}, but among all that "
            f"was compared chance may well do that ({p_text(max(widest.p_value, effect.p_adjusted or 0.0))})."
        )
    if too_small:
        if pair:
            return f"{effect.name} makes no measurable difference{over} ({interval} {voice.scale.unit})."
        return (
            f"{effect.name} makes no measurable difference: {better} leads {worse} by the most, "
            f"{voice.lead(widest, by='')}."
        )
    takes = count(voice.takes, "take")
    ahead = f"{better} leads {worse} {voice.lead(widest)}"
    if effect.trend is not None:
        return f"These {takes} show no trend with {effect.name}: {ahead}; more conditions would be needed."
    told = f"{effect.name} {better} from {worse}" if pair else f"the levels of {effect.name} apart"
    more = ""
    if needed is not None and needed > replicates:
        more = (
            f"; about {count(needed - replicates, 'more replicate')} would be needed to see a difference of "
            f"{voice.worth}"
        )
    return f"These {takes} cannot tell {told}: {ahead}{more}."


def _range(effect: FactorEffect) -> tuple[str, str]:
    """The ends of a sampled factor, lowest first."""
    ends = sorted((effect.contrasts[0].better, effect.contrasts[0].worse), key=float)
    return ends[0], ends[1]


def _rival(contrast: Contrast, level: str) -> str:
    return contrast.worse if contrast.better == level else contrast.better
