"""Report: reading the takes of an experiment into arrays, and seeing which design they come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundmill.report.statistics.findings import Design, Response, Take

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

SAMPLED_LEVELS = 6  # a numeric factor with fewer levels than this is compared level by level
MANY_LEVELS = 12  # with more than this, a numeric factor is a range that was sampled, whatever the design


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor: its levels as texts, numbers in ascending order, else by the alphabet."""

    name: str
    levels: tuple[str, ...]
    values: Floats | None  # of the levels, when all are numbers
    sampled: bool  # a numeric range, analysed by its trend
    log: bool  # sampled by its logarithm: equal ratios count as equal steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Takes as arrays: n takes, or jobs that failed, in C conditions of k factors, with R seeds.

    Takes come in an order of their own, so that no result depends on the order they were given in.
    """

    factors: tuple[Factor, ...]
    conditions: Ints  # (C, k): the index of each factor's level
    condition_of: Ints  # (n,)
    seed_of: Ints  # (n,)
    response: Floats  # (n,), nan where a take has none
    scored: Bools  # (n,) which takes have one
    made: Bools  # (n,) which are takes: the others are jobs that failed
    has_score: Bools  # (C,) which conditions have such a take
    passed_in: Ints  # (C,) takes that passed their checks
    takes_in: Ints  # (C,) takes, with or without a score
    design: Design
    baseline: Ints | None  # (k,), for one factor at a time

    def scored_in(self, chosen: Bools) -> int:
        """Takes with the response in the chosen conditions (C,)."""
        return int((chosen[self.condition_of] & self.scored).sum())

    def members(self, factor: int, level: int) -> Bools:
        """The conditions (C,) that speak for a level: all that have it; one factor at a time, others at baseline."""
        chosen: Bools = self.conditions[:, factor] == level
        if self.baseline is not None:
            others = np.delete(self.conditions, factor, axis=1) == np.delete(self.baseline, factor)
            chosen = chosen & others.all(axis=1)
        return chosen


def read_table(takes: Sequence[Take], response: Response, log: Collection[str]) -> Table:
    """`takes` all have a condition. A factor that one does not name counts as its level "". `log` names the factors
    whose design has a logarithmic scale."""
    names = sorted({name for take in takes for name in take.condition})
    texts = [tuple([take.condition.get(name, "") for name in names]) for take in takes]
    distinct = set(texts)
    levels = [_levels({each[at] for each in distinct}) for at in range(len(names))]
    position = [{text: index for index, text in enumerate(texts_of)} for texts_of, _ in levels]
    key_of = {each: tuple(at[text] for text, at in zip(each, position, strict=True)) for each in distinct}
    keys = [key_of[each] for each in texts]
    values = [_response(take, response) for take in takes]
    order = sorted(
        range(len(takes)),
        key=lambda i: (keys[i], takes[i].replicate, math.isnan(values[i]), values[i], str(takes[i].passed)),
    )
    conditions = sorted(key_of.values())
    condition_at = {key: index for index, key in enumerate(conditions)}
    seeds = sorted({take.replicate for take in takes})
    seed_at = {replicate: index for index, replicate in enumerate(seeds)}
    grid = np.array(conditions, dtype=np.intp).reshape(len(conditions), len(names))
    condition_of = np.array([condition_at[keys[i]] for i in order], dtype=np.intp)
    found = np.array([values[i] for i in order], dtype=np.float64)
    passed = np.array([bool(takes[i].passed) for i in order], dtype=np.bool_)
    made = np.array([takes[i].passed is not None for i in order], dtype=np.bool_)
    scored = ~np.isnan(found)
    has_score = np.bincount(condition_of[scored], minlength=len(grid)) > 0
    design, baseline = _design(grid, has_score)
    return Table(
        factors=tuple(
            Factor(
                name=name,
                levels=texts,
                values=numbers,
                sampled=_is_range(numbers, design),
                log=name in log and numbers is not None and bool((numbers > 0).all()),
            )
            for name, (texts, numbers) in zip(names, levels, strict=True)
        ),
        conditions=grid,
        condition_of=condition_of,
        seed_of=np.array([seed_at[takes[i].replicate] for i in order], dtype=np.intp),
        response=found,
        scored=scored,
        made=made,
        has_score=has_score,
        passed_in=np.bincount(condition_of[passed], minlength=len(grid)),
        takes_in=np.bincount(condition_of[made], minlength=len(grid)),
        design=Design.SAMPLED if any(_is_range(numbers, design) for _, numbers in levels) else design,
        baseline=baseline,
    )


def _response(take: Take, response: Response) -> float:
    value = take.score if response is Response.SCORE else take.stars
    return math.nan if value is None or not math.isfinite(value) else float(value)


def _levels(texts: set[str]) -> tuple[tuple[str, ...], Floats | None]:
    numbers: dict[str, float] = {}
    for text in texts:
        try:
            numbers[text] = float(text)
        except ValueError:
            return tuple(sorted(texts)), None
    if not all(map(math.isfinite, numbers.values())):
        return tuple(sorted(texts)), None
    ordered = tuple(sorted(texts, key=lambda text: (numbers[text], text)))
    return ordered, np.array([numbers[text] for text in ordered], dtype=np.float64)


def _design(grid: Ints, scored: Bools) -> tuple[Design, Ints | None]:
    """What the conditions look like; a job that failed for good leaves a hole in the design it came from."""
    levels = [Counter(column) for column in grid.T.tolist()]
    varied = sum(len(counts) > 1 for counts in levels)
    if grid.size == 0 or varied == 0:
        return Design.NONE, None
    baseline = np.array([counts.most_common(1)[0][0] for counts in levels], dtype=np.intp)
    if varied > 1 and ((grid != baseline).sum(axis=1) <= 1).all():
        return Design.ONE_FACTOR_AT_A_TIME, baseline
    seen = grid[scored]
    if len(seen) == math.prod(len(set(column)) for column in seen.T.tolist()):
        return Design.FULL_FACTORIAL, None
    return Design.SAMPLED, None


def _is_range(numbers: Floats | None, design: Design) -> bool:
    if numbers is None or design in (Design.ONE_FACTOR_AT_A_TIME, Design.NONE):
        return False
    return len(numbers) > MANY_LEVELS or (design is Design.SAMPLED and len(numbers) >= SAMPLED_LEVELS)
