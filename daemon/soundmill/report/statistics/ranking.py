"""Report: the conditions in order, and the settings that may be called the winner."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy import special

from soundmill.report.statistics.compare import DECIMALS, all_pairs, clear_best, compare, differences_of, unbeaten
from soundmill.report.statistics.design import Bools, Floats, Ints
from soundmill.report.statistics.findings import BestForPrompt, ConditionRank, Contrast, Winner
from soundmill.report.statistics.intervals import t_quantiles
from soundmill.report.statistics.levels import contrasts_of, mean_reaches, passed_of
from soundmill.report.statistics.model import Model, cell_rows
from soundmill.report.statistics.own_errors import errors_of
from soundmill.report.statistics.scale import Scale
from soundmill.report.statistics.seeds import ErrorTerm

MOST_CELLS = 400  # of factors that interact: the pairs of more would take seconds


def rank_conditions(model: Model, scale: Scale, confidence: float) -> tuple[ConditionRank, ...]:
    """Best first, those without a mean last.

    `tied_with_best` are multiple comparisons with the best (Hsu 1981): at this confidence, the best condition is among
    them. A condition is left out only where the t test of that pair alone, by its own error, agrees:
    docs/statistics.md, "Ranking and the winner".
    """
    table, means, scored = model.table, np.round(model.adjusted.means, DECIMALS), model.table.has_score
    order = np.lexsort((np.arange(len(means)), np.nan_to_num(-means, nan=np.inf)))
    rows = np.eye(len(means))
    shape, error = _judged(model, rows)
    reaches = mean_reaches(model.adjusted, shape, error, confidence)
    tied = scored.copy()
    if error is not None and scored.sum() > 1:
        tied &= means[order[0]] - np.nan_to_num(means) <= _limits(model, int(order[0]), error, confidence)
    ranking: list[ConditionRank] = []
    for place, condition in enumerate(order.tolist(), 1):
        chosen = np.arange(len(means)) == condition
        mean = scale.clipped(means[condition])
        low, high = scale.interval(means[condition], reaches[condition].overall)
        paired_low, paired_high = scale.interval(means[condition], reaches[condition].paired)
        shared = bool(ranking) and mean is not None and ranking[-1].mean == mean
        ranking.append(
            ConditionRank(
                condition={
                    f.name: f.levels[at] for f, at in zip(table.factors, table.conditions[condition], strict=True)
                },
                mean=mean,
                low=low,
                high=high,
                n=int(model.adjusted.counts[condition]),
                pass_rate=passed_of(table, chosen, confidence),
                rank=None if mean is None else ranking[-1].rank if shared else place,
                tied_with_best=bool(tied[condition]),
                paired_low=paired_low,
                paired_high=paired_high,
            )
        )
    return tuple(ranking)


def _limits(model: Model, best: int, error: ErrorTerm, confidence: float) -> Floats:
    """How far below the best condition's mean each other's (C,) may lie by chance."""
    scored = model.table.has_score
    rows = np.eye(len(scored))
    shape, _ = _judged(model, rows[best] - rows)
    each = 1 - (1 - confidence) / (scored.sum() - 1)
    limits: Floats = float(special.stdtrit(error.df, each)) * np.sqrt(shape * error.variance)
    if model.within:
        others = np.flatnonzero(scored & (np.arange(len(scored)) != best))
        own = errors_of(model, rows, ((np.full_like(others, best), 1.0), (others, -1.0)), error)
        limits[others] = np.maximum(limits[others], t_quantiles(confidence, own.df) * own.standard_errors)
    return np.maximum(limits, model.rounding)


def _judged(model: Model, rows: Floats) -> tuple[Floats, ErrorTerm | None]:
    """Variances of combinations (q, C) of conditions over the error's, and that error: the one within conditions, or
    for want of replicates that between them."""
    if model.adjusted.error is not None:
        return np.maximum(model.adjusted.variances(rows), 0.0), model.adjusted.error
    return (rows**2).sum(axis=1), model.error


def decided_levels(
    model: Model, matter: Collection[int], interacting: Sequence[tuple[int, int]], level: float
) -> dict[int, int]:
    """Factor to the level that beats every other level of it; factors that interact are decided together, by cells.

    Only factors that matter, or whose interactions do, are asked; sampled ones have their trend instead.
    """
    decided: dict[int, int] = {}
    for group in _groups(matter, interacting):
        if any(model.curves[factor] is not None for factor in group):
            continue
        if len(group) == 1:
            rows = model.level_rows[group[0]]
            differences = differences_of(rows)
            error = model.error_for(differences) if len(differences) else None
            best = unbeaten(model, rows, error, level)
            if best is not None:
                decided[group[0]] = best
        elif model.within:
            cells, rows = cell_rows(model.table, group)
            if len(cells) > MOST_CELLS:
                continue
            best = unbeaten(model, rows, model.error, level)
            if best is not None:
                decided |= dict(zip(group, cells[best].tolist(), strict=True))
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
        best = unbeaten(model, rows[here], model.error, level / len(places))
        found.add(None if best is None else int(levels[here[best]]))
    return found.pop() if len(found) == 1 else None


def best_for_prompts(
    model: Model, prompt: int, interacting: Sequence[tuple[int, int]], scale: Scale, level: float
) -> tuple[BestForPrompt, ...]:
    """Prompt by prompt, which level of the one factor that interacts with the prompt beats its every other one.

    `level` is the chance of a false claim for any of the prompts. Empty where the prompt interacts with no factor or
    with several, and where the takes are not judged by the error within conditions.
    """
    group = next((group for group in _groups((), interacting) if prompt in group), ())
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
        if (best := clear_best(model, rows[here], pairs, level / len(prompts))) is not None:
            names = tuple(other.levels[at] for at in cells[here, 1 - place])
            contrasts = contrasts_of(names, pairs, scale, level, matters=True)
            lead = [contrast for contrast in contrasts if contrast.better == names[best]][-1]  # the least of its leads
        found.append(BestForPrompt(factor=other.name, prompt=model.table.factors[prompt].levels[one], lead=lead))
    return tuple(found)


def _groups(matter: Collection[int], interacting: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Factors joined where they interact."""
    groups = [{factor} for factor in sorted({*matter, *(f for pair in interacting for f in pair)})]
    for first, second in interacting:
        joined = [group for group in groups if first in group or second in group]
        groups = [group for group in groups if group not in joined] + [set().union(*joined)]
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
