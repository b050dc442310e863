"""Report: what an analysis of takes is made from, and what it says. Plain data; `analysis.analyse` fills it.

Differences, means and intervals are in units of the response: points (0 to 100) for the score, stars (1 to 5) for
ratings. Intervals hold one statement at a time at the analysis's confidence; p values are adjusted where they say so.
None stands where the takes cannot say: no score at all, or nothing left to estimate the error from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Response(StrEnum):
    """Which judgement of a take is compared: the measured score or a person's stars."""

    SCORE = "score"
    STARS = "stars"


class Design(StrEnum):
    """How the conditions lie, read off the takes."""

    FULL_FACTORIAL = "full factorial"
    ONE_FACTOR_AT_A_TIME = "one factor at a time"
    SAMPLED = "sampled"  # Latin hypercube, Sobol, or a factorial with conditions missing
    NONE = "none"  # no factor has two levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One take of an experiment, or a job that failed. `condition` maps factor to level; takes of the same `replicate`
    share their seed."""

    condition: Mapping[str, str]
    replicate: int
    score: float | None  # 0 to 100; None: the job failed or nothing was measured
    passed: bool | None  # every quality check; None: the job failed, so there is no take
    stars: float | None = None  # 1 to 5, the mean of several people
    tried_again: bool = False  # its job has later takes, with other seeds
    kind: str | None = None  # whose limits judged it: music, sound_effects or custom


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """How many takes passed their checks, 0 to 1, with its Wilson score interval (takes counted as independent).

    Jobs that failed have no take and do not count.
    """

    passed: int
    takes: int  # with or without a score
    rate: float | None  # None: there are no takes
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMean:
    """The expected response at one level, the other factors averaged out (one factor at a time: at the baseline).

    `low` to `high` is for the mean over all seeds there could be. Where seeds differ much it is wide, and two levels
    may overlap in it and still differ clearly, because seeds are shared. `paired_low` to `paired_high` leaves out how
    seeds differ: for looking at levels side by side.
    Sampled numeric factors have quantile bins for levels: `level` reads "0.5 to 0.8".
    """

    level: str
    mean: float | None
    low: float | None
    high: float | None
    n: int  # takes that have the response
    pass_rate: PassRate
    paired_low: float | None = None
    paired_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Two levels compared within seeds. `difference` = better - worse, never negative; the interval may hold 0."""

    better: str
    worse: str
    difference: float
    low: float | None
    high: float | None
    p_value: float | None  # adjusted for the contrasts of this factor
    significant: bool  # p_value within 1 - confidence, and the factor matters


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How the response goes with a sampled numeric factor.

    `peak`: the value with the highest response, where the response is shown to rise before it and to fall after it;
    with the interval that the curve's top is in.
    """

    slope: float  # per unit of the factor, the other factors held fixed; on a logarithmic scale per doubling
    low: float | None
    high: float | None
    rank_correlation: float  # Spearman's, over conditions
    rank_low: float | None
    rank_high: float | None
    peak: float | None
    peak_low: float | None
    peak_high: float | None
    log: bool  # the factor was sampled on a logarithmic scale


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorEffect:
    """What one factor does.

    `contrasts`: every pair of levels, the largest difference first; of more than 12 levels, the best with each other
    one. One factor at a time: with the baseline only. Sampled numeric factors: the ends of the range, along the trend.
    """

    name: str
    levels: tuple[LevelMean, ...]
    contrasts: tuple[Contrast, ...]
    p_value: float | None  # that no level differs, this factor alone (F test)
    p_adjusted: float | None  # Holm-adjusted for the factors of the experiment
    matters: bool  # p_adjusted within 1 - confidence
    small: bool  # it matters, but by less than anyone would act on (`Scale.worth`), as sure as the intervals are
    sentence: str
    trend: Trend | None = None  # sampled numeric factors
    baseline: str | None = None  # one factor at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionCell:
    """The mean response where one level of each factor meets. Sampled numeric factors are split at their median."""

    level_a: str
    level_b: str
    mean: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadChange:
    """How much more one level of a factor leads another at one level of a second factor than at another.

    `change` = `lead_more` - `lead_less`, never negative; its interval may hold 0. The interval holds for all such
    changes of the two factors at once, so that it does no harm that the clearest was chosen. For a sampled range the
    levels are its ends, and the means are those along the trend.
    """

    better: str
    worse: str
    more_at: str
    less_at: str
    lead_more: float  # of better over worse at `more_at`, never negative
    lead_less: float  # at `less_at`; negative where it loses
    along_trend: bool  # one of the factors is a sampled range, so that no take need have these levels
    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Whether the effect of one factor depends on the level of another; only pairs that could be tested are listed.

    `change` is the clearest change of a lead of the first factor's levels, and `at_most` what none exceeds, at the
    confidence; None where there are too many to compare or the conditions cannot tell them apart.
    """

    factors: tuple[str, str]
    p_value: float
    p_adjusted: float  # Holm-adjusted for the pairs tested
    effect: float  # the size of `change`; without it, the most by which a lead changes
    change: LeadChange | None
    at_most: float | None
    matters: bool
    small: bool  # it matters, but `at_most` is less than anyone would act on (`Scale.worth`)
    cells: tuple[InteractionCell, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BestForPrompt:
    """Which level of a factor is best for one prompt, where what the factor does depends on the prompt.

    `lead`: over the next best level there; None where no level beats all others for this prompt.
    """

    factor: str
    prompt: str
    lead: Contrast | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRank:
    """One condition's place. `mean` is adjusted for seeds it has no take of; `tied_with_best`: it may be the best.

    The two intervals are as in `LevelMean`.
    """

    condition: Mapping[str, str]
    mean: float | None
    low: float | None
    high: float | None
    n: int
    pass_rate: PassRate
    rank: int | None  # from 1; equal means share a rank; None: without a mean, which come last
    tied_with_best: bool
    paired_low: float | None = None
    paired_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCondition:
    """The one combination of levels that is worse than the rest, where no level as a whole is; see `ranking`."""

    condition: Mapping[str, str]
    difference: float  # of the mean of all others over it
    low: float | None
    high: float | None
    p_value: float  # that nothing differs, of the worst of all conditions
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """The settings the takes support. Factors not named are not decided, by lack of effect or of evidence."""

    settings: Mapping[str, str]  # factor to level, or to the bin of a sampled numeric factor
    mean: float | None  # None: the levels won apart and no take has them together
    low: float | None
    high: float | None
    n: int  # takes with these settings
    sentence: str
    small: bool = False  # nothing that decided it makes a difference anyone would act on


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the takes of one experiment say. `sentences`: the verdict first, then factors, interactions, caveats.

    Where only the prompt varies there is no verdict: a prompt is not a setting to choose.
    """

    factors: tuple[FactorEffect, ...]  # in the order of their names
    interactions: tuple[Interaction, ...]
    conditions: tuple[ConditionRank, ...]  # best first
    winner: Winner | None
    worst: WorstCondition | None
    sentences: tuple[str, ...]
    takes: int  # without the jobs that failed
    scored: int  # takes that have the response
    replicates: int  # distinct seeds among them
    response: Response
    confidence: float
    design: Design


def clearest_first(factors: Sequence[FactorEffect]) -> list[FactorEffect]:
    """Those that matter, then those that matter little, then those not shown to; each by how sure that is."""
    return sorted(
        factors, key=lambda one: (not one.matters, one.small, 1.0 if one.p_adjusted is None else one.p_adjusted)
    )
