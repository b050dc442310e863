"""Report: the conditions in order, and the settings that may be called the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from soundmill.report.statistics.compare import DECIMALS, Best, all_pairs, best_in, best_of, compare, differences_of
from soundmill.report.statistics.design import Bools, Floats, Ints
from soundmill.report.statistics.findings import BestForPrompt, ConditionRank, Contrast, Winner, WorstCondition
from soundmill.report.statistics.intervals import t_quantiles
from soundmill.report.statistics.levels import Reach, contrasts_of, mean_reaches, passed_of
from soundmill.report.statistics.model import Model, cell_rows
from soundmill.report.statistics.own_errors import MUCH_MORE, errors_of
from soundmill.report.statistics.scale import Scale
from soundmill.report.statistics.seeds import ErrorTerm

MOST_CELLS = 400  # of factors that interact: the pairs of more would take seconds


def rank_conditions(
    model: Model, scale: Scale, confidence: float, worst: WorstCondition | None
) -> tuple[ConditionRank, ...]:
    """Best first, those without a mean last.

    `tied_with_best` are multiple comparisons with the best (Hsu 1981): at this confidence, the best condition is among
    them. A condition is left out only where the t test of that pair alone, by its own error, agrees, or where its
    interval lies apart from the best one's, or where it is the `worst`: docs/statistics.md, "Ranking and the winner".
    """
    table, means, scored = model.table, np.round(model.adjusted.means, DECIMALS), model.table.has_score
    order = np.lexsort((np.arange(len(means)), np.nan_to_num(-means, nan=np.inf)))
    rows = np.eye(len(means))
    shape, error = _judged(model, rows)
    reaches = _reaches(model, shape, error, confidence)
    tied = scored.copy()
    if error is not None and scored.sum() > 1:
        behind = means[order[0]] - np.nan_to_num(means)
        tied &= behind <= _limits(model, int(order[0]), error, confidence)
        reach_of_both = np.array([reaches[order[0]].overall + reach.overall for reach in reaches])
        tied &= behind <= np.maximum(reach_of_both, model.rounding)
    ranking: list[ConditionRank] = []
    for place, condition in enumerate(order.tolist(), 1):
        chosen = np.arange(len(means)) == condition
        levels = {f.name: f.levels[at] for f, at in zip(table.factors, table.conditions[condition], strict=True)}
        mean = scale.clipped(means[condition])
        low, high = scale.interval(means[condition], reaches[condition].overall)
        paired_low, paired_high = scale.interval(means[condition], reaches[condition].paired)
        shared = bool(ranking) and mean is not None and ranking[-1].mean == mean
        ranking.append(
            ConditionRank(
                condition=levels,
                mean=mean,
                low=low,
                high=high,
                n=int(model.adjusted.counts[condition]),
                pass_rate=passed_of(table, chosen, confidence),
                rank=None if mean is None else ranking[-1].rank if shared else place,
                tied_with_best=bool(tied[condition]) and (worst is None or worst.condition != levels),
                paired_low=paired_low,
                paired_high=paired_high,
            )
        )
    return tuple(ranking)


def _reaches(model: Model, shape: Floats, error: ErrorTerm | None, confidence: float) -> list[Reach]:
    """Of the intervals of the conditions' means: by the common error, of one that varies much more by its own."""
    reaches = mean_reaches(model.adjusted, shape, error, confidence)
    if error is not None and model.within:
        variances, df = model.adjusted.apart
        for at in np.flatnonzero((df > 0) & (variances > MUCH_MORE * error.variance)):
            own = ErrorTerm(variance=float(variances[at]), df=max(float(df[at]), 1.0))
            reaches[at] = mean_reaches(model.adjusted, shape[[at]], own, confidence)[0]
    return reaches


def _limits(model: Model, best: int, error: ErrorTerm, confidence: float) -> Floats:
    """How far below the best condition's mean each other's (C,) may lie by chance."""
    scored = model.table.has_score
    rows = np.eye(len(scored))
    shape, _ = _judged(model, rows[best] - rows)
    each = 1 - (1 - confidence) / (scored.sum() - 1)
    limits: Floats = float(special.stdtrit(error.df, each)) * np.sqrt(shape * error.variance)
    if model.within:
        others = np.flatnonzero(scored & (np.arange(len(scored)) != best))
        alike = model.sphericity(differences_of(rows[scored]))
        own = errors_of(model, rows, ((np.full_like(others, best), 1.0), (others, -1.0)), error, alike)
        limits[others] = np.maximum(limits[others], t_quantiles(confidence, own.df) * own.standard_errors)
    return np.maximum(limits, model.rounding)


def _judged(model: Model, rows: Floats) -> tuple[Floats, ErrorTerm | None]:
    """Variances of combinations (q, C) of conditions over the error's, and that error: the one within conditions, or
    for want of replicates that between them."""
    if model.adjusted.error is not None:
        return np.maximum(model.adjusted.variances(rows), 0.0), model.adjusted.error
    return (rows**2).sum(axis=1), model.error


def best_level(model: Model, factor: int) -> Best | None:
    """The level of a factor, not of a sampled one, that looks best, and p that it is not better than every other."""
    rows = model.level_rows[factor]
    differences = differences_of(rows)
    if model.curves[factor] is not None or len(differences) == 0:
        return None
    return best_of(model, rows, model.error_for(differences))


def decided_levels(
    model: Model, alone: Mapping[int, int], interacting: Sequence[tuple[int, int]], level: float
) -> dict[int, int]:
    """Factor to the level that beats every other level of it; factors that interact are decided together, by cells.

    `alone`: what the factors' own levels say, which stands for those that do not interact. Sampled factors have their
    trend instead.
    """
    together = {factor for pair in interacting for factor in pair}
    decided = {factor: best for factor, best in alone.items() if factor not in together}
    for group in _groups(interacting):
        if any(model.curves[factor] is not None for factor in group) or not model.within:
            continue
        cells, rows = cell_rows(model.table, group)
        if len(cells) > MOST_CELLS:
            continue
        best = best_of(model, rows, model.error)
        if best is not None and best.p_value <= level:
            decided |= dict(zip(group, cells[best.row].tolist(), strict=True))
            continue
        for column, factor in enumerate(group):
            everywhere = _best_everywhere(model, np.delete(cells, column, axis=1), cells[:, column], rows, level)
            if everywhere is not None:
                decided[factor] = everywhere
    return decided


def _best_everywhere(model: Model, elsewhere: Ints, levels: Ints, rows: Floats, level: float) -> int | None:
    """The level of a factor that beats its every other one wherever the factors it interacts with stand, if any.

    `elsewhere` (cells, others) and `levels` (cells,) say what each row of `rows` is the mean of.
    """
    places, which = np.unique(elsewhere, axis=0, return_inverse=True)
    found = set()
    for place in range(len(places)):
        here = np.flatnonzero(which.ravel() == place)
        best = best_of(model, rows[here], model.error)
        found.add(None if best is None or best.p_value > level else int(levels[here[best.row]]))
    return found.pop() if len(found) == 1 else None


def best_for_prompts(
    model: Model, prompt: int, interacting: Sequence[tuple[int, int]], scale: Scale, level: float
) -> tuple[BestForPrompt, ...]:
    """Prompt by prompt, which level of the one factor that interacts with the prompt beats its every other one.

    `level` is the chance of a false claim for any of the prompts. Empty where the prompt interacts with no factor or
    with several, and where the takes are not judged by the error within conditions.
    """
    group = next((group for group in _groups(interacting) if prompt in group), ())
    if len(group) != 2 or not model.within:
        return ()
    cells, rows = cell_rows(model.table, group)
    if len(cells) > MOST_CELLS:
        return ()
    place = group.index(prompt)
    other = model.table.factors[group[1 - place]]
    prompts = np.unique(cells[:, place])
    found = []
    for one in prompts.tolist():
        here = np.flatnonzero(cells[:, place] == one)
        lead: Contrast | None = None
        pairs = compare(model, rows[here], all_pairs(rows[here]), model.error, 1 - level)
        best = best_in(model, rows[here], pairs)
        if best is not None and best.p_value <= level / len(prompts):
            names = tuple(other.levels[at] for at in cells[here, 1 - place])
            contrasts = contrasts_of(names, pairs, scale, level, matters=True)
            lead = [one for one in contrasts if one.better == names[best.row]][-1]  # the least of its leads
        found.append(BestForPrompt(factor=other.name, prompt=model.table.factors[prompt].levels[one], lead=lead))
    return tuple(found)


def _groups(interacting: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Factors joined where they interact."""
    groups: list[set[int]] = []
    for first, second in interacting:
        joined = [group for group in groups if first in group or second in group]
        groups = [group for group in groups if group not in joined] + [{first, second}.union(*joined)]
    return sorted(tuple(sorted(group)) for group in groups)


def winner_of(model: Model, chosen_levels: Mapping[int, tuple[str, Bools]], scale: Scale, confidence: float) -> Winner:
    """The named levels with what the conditions (C,) that have all of them score on average; without its sentence."""
    table, adjusted = model.table, model.adjusted
    chosen = np.ones(len(table.conditions), dtype=np.bool_)
    for _, members in chosen_levels.values():
        chosen &= members
    scored = chosen & table.has_score
    names = {table.factors[factor].name: label for factor, (label, _) in chosen_levels.items()}
    if not scored.any():
        return Winner(settings=names, mean=None, low=None, high=None, n=0, sentence="")
    mean = float(adjusted.means[scored].mean())
    row = (scored / scored.sum())[None, :]
    if model.within:
        shape, error = adjusted.variances(row), adjusted.error_for(row - table.has_score / table.has_score.sum())
    else:
        shape, error = (row**2).sum(axis=1), model.error
    low, high = scale.interval(mean, mean_reaches(adjusted, shape, error, confidence)[0].overall)
    return Winner(
        settings=names,
        mean=scale.clipped(mean),
        low=low,
        high=high,
        n=int(adjusted.counts[scored].sum()),
        sentence="",
    )
