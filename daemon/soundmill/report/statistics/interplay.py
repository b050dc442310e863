"""Report: interactions — whether what one factor does depends on the level of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from soundmill.report.statistics.changes import Changes, Meetings, changes_of
from soundmill.report.statistics.compare import f_test
from soundmill.report.statistics.design import Bools, Floats
from soundmill.report.statistics.findings import Design, InteractionCell
from soundmill.report.statistics.model import Model, cell_rows, least_squares
from soundmill.report.statistics.scale import Scale

FEWEST_DF = 3  # that a test of a pair must leave for the error, where interactions are judged by the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One pair of factors, by their indices. `effect`: how much a lead changes, see `Interaction`."""

    first: int
    second: int
    p_value: float
    effect: float
    changes: Changes | None
    cells: tuple[InteractionCell, ...]


def tested_pairs(model: Model, scale: Scale, confidence: float) -> list[Tested]:
    """Every pair the design and the takes can say something of. One factor at a time says nothing of any."""
    if model.table.design in (Design.ONE_FACTOR_AT_A_TIME, Design.NONE):
        return []
    grid = model.table.conditions[model.table.has_score]
    varied = [index for index, column in enumerate(grid.T) if len(np.unique(column)) > 1]
    asked = (tested_pair(model, first, second, scale, confidence) for first, second in combinations(varied, 2))
    return [tested for tested in asked if tested is not None]


def tested_pair(model: Model, first: int, second: int, scale: Scale, confidence: float) -> Tested | None:
    """One pair of factors that both vary; None where nothing can be said of it."""
    asked = _within(model, first, second) if model.within else _beside_main_effects(model, first, second)
    if asked is None:
        return None
    meetings, contrasts = asked
    p_value, error = f_test(meetings.model, contrasts), meetings.model.error_for(contrasts)
    if p_value is None or error is None:
        return None
    changes = changes_of(meetings, contrasts, error, scale, confidence)
    return Tested(
        first=first,
        second=second,
        p_value=p_value,
        effect=changes.clearest.change if changes else scale.clipped_change(_effect(meetings.means)),
        changes=changes,
        cells=tuple(_cells(model, first, second, scale)),
    )


def _within(model: Model, first: int, second: int) -> tuple[Meetings, Floats] | None:
    """The cells of a complete factorial, and differences of differences between them, judged by the error within
    conditions."""
    combos, rows = cell_rows(model.table, (first, second))
    across = len(np.unique(combos[:, 1]))
    square = rows.reshape(-1, across, rows.shape[1])
    contrasts = (square[1:, 1:] - square[:1, 1:] - square[1:, :1] + square[:1, :1]).reshape(-1, rows.shape[1])
    meetings = Meetings(
        model=model,
        rows=square,
        unknown=np.zeros((*square.shape[:2], 0)),
        levels=(_names(model, first), _names(model, second)),
        along_trend=False,
    )
    return meetings, contrasts


def _beside_main_effects(model: Model, first: int, second: int) -> tuple[Meetings, Floats] | None:
    """A model with the products of two factors' columns beyond all main effects, and those products' coefficients.

    Of sampled ranges only the straight parts, from end to end.
    """
    matrix, one, other = model.matrix, list(model.columns[first]), list(model.columns[second])
    products = (matrix[:, one, None] * matrix[:, None, other]).reshape(len(matrix), -1)
    by_main_effects = np.linalg.lstsq(matrix, products, rcond=1e-9)[0]
    beyond = products - matrix @ by_main_effects
    wider = np.hstack([matrix, beyond])
    estimates, scale, error = least_squares(wider, model.adjusted.means[model.table.has_score], model.adjusted.floor)
    _, sizes, directions = np.linalg.svd(beyond, full_matrices=False)
    known = directions[sizes > 1e-9 * max(float(np.linalg.norm(products)), 1.0)]  # what the conditions can tell
    if len(known) == 0 or error is None or error.df < FEWEST_DF:
        return None
    points_a, points_b = _points(model, first), _points(model, second)
    main = np.zeros((len(points_a), len(points_b), matrix.shape[1]))
    main[:, :, 0] = 1.0
    main[:, :, one] = points_a[:, None, :]
    main[:, :, other] = points_b[None, :, :]
    product = (points_a[:, None, :, None] * points_b[None, :, None, :]).reshape(*main.shape[:2], -1)
    meetings = Meetings(
        model=replace(model, estimates=estimates, matrix=wider, scale=scale, error=error),
        rows=np.concatenate([main, product - main @ by_main_effects], axis=2),
        unknown=product - product @ known.T @ known,
        levels=(_names(model, first), _names(model, second)),
        along_trend=any(model.curves[factor] is not None for factor in (first, second)),
    )
    return meetings, np.hstack([np.zeros((len(known), matrix.shape[1])), known])


def _names(model: Model, factor: int) -> tuple[str, ...]:
    """A factor's levels, or the two ends of its range, in the order of `_points`."""
    curve = model.curves[factor]
    if curve is not None:
        return tuple(f"{end:.3g}" for end in (curve.values.min(), curve.values.max()))
    present = np.unique(model.table.conditions[model.table.has_score, factor])
    return tuple(model.table.factors[factor].levels[level] for level in present)


def _points(model: Model, factor: int) -> Floats:
    """A factor's columns at its levels, or at the two ends of its range."""
    present = np.unique(model.table.conditions[model.table.has_score, factor])
    chosen = present[[0, -1]] if model.curves[factor] is not None else present
    found: Floats = model.level_rows[factor][chosen][:, list(model.columns[factor])]
    return found


def _effect(cells: Floats) -> float:
    """The largest change of a row difference from one column to another, of cell means (rows, columns)."""
    gaps = cells[:, None, :] - cells[None, :, :]
    return float((gaps.max(axis=2) - gaps.min(axis=2)).max())


def _cells(model: Model, first: int, second: int, scale: Scale) -> Iterator[InteractionCell]:
    table, columns = model.table, _sides(model, second)
    for label_a, in_a in _sides(model, first):
        for label_b, in_b in columns:
            chosen = in_a & in_b
            means = model.adjusted.means[chosen & table.has_score]
            yield InteractionCell(
                level_a=label_a,
                level_b=label_b,
                mean=scale.clipped(means.mean()) if len(means) else None,
                n=table.scored_in(chosen),
            )


def _sides(model: Model, factor: int) -> list[tuple[str, Bools]]:
    """A factor's levels, or the lower and the upper half of its range, each with the conditions (C,) that are in it."""
    table = model.table
    described, of_condition = table.factors[factor], table.conditions[:, factor]
    curve = model.curves[factor]
    if curve is None or described.values is None:
        present = np.unique(of_condition)
        return [(described.levels[level], of_condition == level) for level in present]
    upper = described.values[of_condition] > np.median(curve.values)
    last = described.levels[int(of_condition[~upper].max())]
    return [(f"up to {last}", ~upper), (f"above {last}", upper)]
