"""Report: interactions — whether what one factor does depends on the level of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from soundmill.report.compare import f_test
from soundmill.report.design import Bools, Floats
from soundmill.report.findings import Design, InteractionCell
from soundmill.report.intervals import f_p
from soundmill.report.model import Model, cell_rows
from soundmill.report.scale import Scale

FEWEST_DF = 3  # that a test of a pair must leave for the error, where interactions are judged by the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One pair of factors, by their indices. `effect`: the most by which a difference changes, see `Interaction`."""

    first: int
    second: int
    p_value: float
    effect: float
    cells: tuple[InteractionCell, ...]


def tested_pairs(model: Model, scale: Scale) -> list[Tested]:
    """Every pair the design and the takes can say something of. One factor at a time says nothing of any."""
    if model.table.design in (Design.ONE_FACTOR_AT_A_TIME, Design.NONE):
        return []
    grid = model.table.conditions[model.table.has_score]
    varied = [index for index, column in enumerate(grid.T) if len(np.unique(column)) > 1]
    found = []
    for first, second in combinations(varied, 2):
        result = _within(model, first, second) if model.within else _beside_main_effects(model, first, second)
        if result is not None:
            p_value, effect = result
            cells = tuple(_cells(model, first, second, scale))
            found.append(Tested(first=first, second=second, p_value=p_value, effect=effect, cells=cells))
    return found


def _within(model: Model, first: int, second: int) -> tuple[float, float] | None:
    """Differences of differences between the cells of a complete factorial, judged by the error within conditions."""
    combos, rows = cell_rows(model.table, (first, second))
    across = len(np.unique(combos[:, 1]))
    square = rows.reshape(-1, across, rows.shape[1])
    contrasts = (square[1:, 1:] - square[:1, 1:] - square[1:, :1] + square[:1, :1]).reshape(-1, rows.shape[1])
    p_value = f_test(model, contrasts)
    return None if p_value is None else (p_value, _effect(model.value(rows).reshape(-1, across)))


def _beside_main_effects(model: Model, first: int, second: int) -> tuple[float, float] | None:
    """How much the products of two factors' columns explain beyond all main effects, against what is left over."""
    if model.error is None:
        return None
    matrix, one, other = model.matrix, list(model.columns[first]), list(model.columns[second])
    products = (matrix[:, one, None] * matrix[:, None, other]).reshape(len(matrix), -1)
    beyond = products - matrix @ np.linalg.lstsq(matrix, products, rcond=1e-9)[0]
    left = model.adjusted.means[model.table.has_score] - matrix @ model.estimates
    weights, _, rank, _ = np.linalg.lstsq(beyond, left, rcond=1e-9)
    df = model.error.df - rank
    if rank == 0 or df < FEWEST_DF:
        return None
    explained = float(left @ beyond @ weights)
    rest = max((float(left @ left) - explained) / df, model.floor)
    along = _points(model, first) @ weights.reshape(len(one), len(other)) @ _points(model, second).T
    return f_p(explained / rank / rest, float(rank), df), _effect(along)


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
    table = model.table
    for label_a, in_a in _sides(model, first):
        for label_b, in_b in _sides(model, second):
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
