"""Report: intervals and p values, from numbers alone."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from soundmill.report.statistics.design import Floats
from soundmill.report.statistics.findings import PassRate

MOST_GROUPED = 24  # levels; of more, what can be true together takes long to count and gains little


def wilson(passed: int, takes: int, confidence: float) -> tuple[float, float]:
    """The score interval of a proportion, 0 to 1; (0, 1) for no takes.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
    """
    if takes == 0:
        return 0.0, 1.0
    z = float(special.ndtri((1 + confidence) / 2))
    rate = passed / takes
    middle = rate + z**2 / (2 * takes)
    reach = z * math.sqrt(rate * (1 - rate) / takes + z**2 / (4 * takes**2))
    low, high = ((middle - reach) / (1 + z**2 / takes), (middle + reach) / (1 + z**2 / takes))
    return (0.0 if passed == 0 else low), (1.0 if passed == takes else high)


def pass_rate(passed: int, takes: int, confidence: float) -> PassRate:
    low, high = wilson(passed, takes, confidence)
    return PassRate(passed=passed, takes=takes, rate=passed / takes if takes else None, low=low, high=high)


def holm(p_values: Floats) -> Floats:
    """p values adjusted so that the chance of any false claim stays below the level they are compared with.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979) 65-70.
    """
    order = np.argsort(p_values, kind="stable")
    left = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(left * p_values[order]), 1.0)
    return adjusted


def shaffer(p_values: Floats, levels: int) -> Floats:
    """p values of all pairs of some levels, adjusted as by Holm, but multiplied by no more than can be true together.

    Where two of three levels differ, at most one of the three equalities holds. J. P. Shaffer, Modified sequentially
    rejective multiple test procedures, J. Amer. Statist. Assoc. 81 (1986) 826-831, her first procedure.
    """
    if levels > MOST_GROUPED:
        return holm(p_values)
    order = np.argsort(p_values, kind="stable")
    possible = np.array(sorted(_equalities(levels)))
    left = np.arange(len(p_values), 0, -1)
    most = possible[np.searchsorted(possible, left, side="right") - 1]
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(most * p_values[order]), 1.0)
    return adjusted


def _equalities(levels: int) -> set[int]:
    """How many pairs of levels can be equal: levels fall into groups, within which all are."""
    found: list[set[int]] = [{0}]
    for size in range(1, levels + 1):
        found.append({math.comb(group, 2) + rest for group in range(1, size + 1) for rest in found[size - group]})
    return found[levels]


def t_quantiles(confidence: float, df: Floats) -> Floats:
    """`t_quantile` of each."""
    found: Floats = special.stdtrit(df, (1 + confidence) / 2)
    return found


def t_quantile(confidence: float, df: float) -> float:
    """How many standard errors a two-sided interval reaches to each side."""
    return float(special.stdtrit(df, (1 + confidence) / 2))


def two_sided_p(t: Floats, df: Floats | float) -> Floats:
    """Of Student's t statistics."""
    found: Floats = 2 * special.stdtr(df, -np.abs(t))
    return found


def f_p(statistic: float, df: float, error_df: float) -> float:
    """The chance of an F statistic at least this large."""
    return float(special.fdtrc(df, error_df, statistic))


def spearman(x: Floats, y: Floats, confidence: float) -> tuple[float, float | None, float | None]:
    """Rank correlation and its interval, by Fisher's z with the standard error √((1 + r²/2) / (n - 3)).

    D. G. Bonett and T. A. Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations,
    Psychometrika 65 (2000) 23-28. No interval for fewer than five pairs or a perfect order.
    """
    r = _correlation(ranks(x), ranks(y))
    if len(x) < 5 or abs(r) > 1 - 1e-12:
        return r, None, None
    reach = float(special.ndtri((1 + confidence) / 2)) * math.sqrt((1 + r**2 / 2) / (len(x) - 3))
    return r, math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def ranks(values: Floats) -> Floats:
    """From 1; equal values share their mean rank."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum().astype(np.float64)
    found: Floats = (last - (counts - 1) / 2)[which]
    return found


def _correlation(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return min(max(float(x @ y) / size, -1.0), 1.0) if size > 0 else 0.0


def least_difference(*, standard_error: float, df: float, level: float, power: float = 0.8) -> float:
    """What a true difference has to be to be shown at a two-sided level with this power: (t(1 - level/2) + t(power)) s,
    the usual normal-theory sample size with t quantiles."""
    return float(special.stdtrit(df, 1 - level / 2) + special.stdtrit(df, power)) * standard_error


def replicates_for(
    difference: float, *, standard_error: float, df: float, replicates: int, level: float, power: float = 0.8
) -> int:
    """How many replicates in all would show a difference at a two-sided level with this power.

    From R replicates' standard error s, which goes with 1/√R, and degrees of freedom, which go with R - 1: the least R
    whose `least_difference` is no larger.
    """

    def enough(wanted: int) -> bool:
        grown = max(df * (wanted - 1) / max(replicates - 1, 1), 1.0)
        reach = standard_error * math.sqrt(replicates / wanted)
        return least_difference(standard_error=reach, df=grown, level=level, power=power) <= difference

    too_few, needed = 1, 2
    while not enough(needed):
        too_few, needed = needed, 2 * needed
    while needed - too_few > 1:
        middle = (needed + too_few) // 2
        too_few, needed = (too_few, middle) if enough(middle) else (middle, needed)
    return needed
