"""Report: the one combination of levels that is worse than the rest, where no level as a whole is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import special

from soundmill.report.statistics.compare import DECIMALS
from soundmill.report.statistics.design import Floats, Ints
from soundmill.report.statistics.findings import Design, WorstCondition
from soundmill.report.statistics.intervals import t_quantile
from soundmill.report.statistics.model import Model
from soundmill.report.statistics.scale import Scale

FEWEST_SEEDS_TO_SCAN = 3
SHUFFLES, FEWEST_SHUFFLES = 1999, 199  # fewer where there are many takes
MOST_SHUFFLED = 2_000_000  # scores, for a scan to take well under a second
VARIES_MORE = 4.0  # times as much as the middle of all conditions, and it is one of several that do, for all we know
SEVERAL = 3.0
MOST_JOINED = 3  # levels of so many factors at once


def worst_condition(model: Model, scale: Scale, confidence: float, *, levels_differ: bool) -> WorstCondition | None:
    """The one combination that is worse than the rest, without its sentence; None where none is shown to be.

    Its mean is the lowest of all, and lower than that of all but a few of the experiments that come of giving each
    seed's scores to the conditions at random. It is worse than the rest by its own seeds too, so that one that varies
    is not named for it, and lies further below than any level. Where `levels_differ`, because a factor is shown to
    matter, it must also be worse than its own levels explain. docs/statistics.md, "The one bad combination", has what
    holds how often.
    """
    table, level = model.table, 1 - confidence
    if table.design is not Design.FULL_FACTORIAL or len(table.factors) < 2 or not model.adjusted.paired:
        return None
    scores = _complete_seeds(model)
    seeds, conditions = scores.shape
    if seeds < FEWEST_SEEDS_TO_SCAN or conditions < 4:
        return None
    scores = scores - scores.mean(axis=1, keepdims=True)
    means = scores.mean(axis=0)
    worst = int(means.argmin())
    leads = -scores[:, worst] * conditions / (conditions - 1)  # of the mean of the others, seed by seed
    difference, variance = float(leads.mean()), max(float(leads.var(ddof=1)), scale.floor)
    if difference < scale.worth or _lowest_of_several(table.conditions, means) < means[worst]:
        return None
    spreads = scores.var(axis=0, ddof=1)
    if _below(leads, scale.floor) * (SEVERAL if spreads[worst] > VARIES_MORE * np.median(spreads) else 1.0) > level:
        return None
    if levels_differ and _below(_by_levels(table.conditions, scores, worst) - scores[:, worst], scale.floor) > level:
        return None
    p_value = _share_as_low(scores, float(means[worst]))
    if p_value > level:
        return None
    reach = t_quantile(confidence, seeds - 1) * float(np.sqrt(variance / seeds))
    return WorstCondition(
        condition={f.name: f.levels[at] for f, at in zip(table.factors, table.conditions[worst], strict=True)},
        difference=difference,
        low=scale.clipped_difference(difference - reach),
        high=scale.clipped_difference(difference + reach),
        p_value=p_value,
        sentence="",
    )


def _complete_seeds(model: Model) -> Floats:
    """Scores of the seeds that every condition has one take of: (seeds, C)."""
    table = model.table
    kept = table.scored
    rows, columns = table.condition_of[kept], table.seed_of[kept]
    complete = (model.adjusted.together == 1).all(axis=0)
    found = np.zeros((len(complete), len(table.conditions)))
    found[columns, rows] = table.response[kept]
    whole: Floats = found[complete]
    return whole


def _below(leads: Floats, floor: float) -> float:
    """One-sided p that leads (seeds,) are 0 or less; their variance is `floor` at least."""
    error = float(np.sqrt(max(float(leads.var(ddof=1)), floor) / len(leads)))
    return float(special.stdtr(len(leads) - 1, -float(leads.mean()) / error))


def _by_levels(conditions: Ints, scores: Floats, condition: int) -> Floats:
    """What the levels of one condition make of it, seed by seed, as the main effects of all others have it."""
    columns = [column[:, None] == np.unique(column)[1:] for column in conditions.T]
    matrix = np.hstack([np.ones((len(conditions), 1)), *columns]).astype(np.float64)
    others = np.arange(len(conditions)) != condition
    weights = matrix[condition] @ np.linalg.pinv(matrix[others])
    found: Floats = scores[:, others] @ weights
    return found


def _lowest_of_several(conditions: Ints, means: Floats) -> float:
    """The lowest mean of any level, or of any combination of fewer levels than a condition has, over its standard
    deviation by chance where a single condition's is 1."""
    total, lowest, factors = len(means), 0.0, conditions.shape[1]
    for size in range(1, min(factors, MOST_JOINED + 1)):
        for chosen in combinations(range(factors), size):
            _, of_condition = np.unique(conditions[:, chosen], axis=0, return_inverse=True)
            count = np.bincount(of_condition.ravel())
            inside = (count > 1) & (count < total)
            of_mean = np.bincount(of_condition.ravel(), weights=means)[inside] / count[inside]
            chance = np.sqrt((1 / count[inside] - 1 / total) / (1 - 1 / total))
            lowest = min([lowest, *(of_mean / chance).tolist()])
    return lowest


def _share_as_low(scores: Floats, lowest: float) -> float:
    """How often the lowest mean is as low by chance: of shuffles within seeds, this experiment among them.

    The shuffles are always the same, so that a report says the same whenever it is made.
    """
    shuffles = max(min(SHUFFLES, MOST_SHUFFLED // scores.size), FEWEST_SHUFFLES)
    at_random = np.random.default_rng(0).permuted(np.broadcast_to(scores, (shuffles, *scores.shape)), axis=2)
    as_low = int((at_random.mean(axis=1).min(axis=1) <= lowest + 10.0**-DECIMALS).sum())
    return (1 + as_low) / (1 + shuffles)
