"""Synthetic experiments with known effects: a score is a base, its seed's own effect, planted effects and noise.

`Findings` are what an analysis finds in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product

import numpy as np
from scipy.stats import qmc

from soundmill.report.statistics.changes import Changes
from soundmill.report.statistics.design import read_table
from soundmill.report.statistics.findings import (
    ConditionRank,
    FactorEffect,
    Interaction,
    Response,
    Take,
    Trend,
    Winner,
    WorstCondition,
)
from soundmill.report.statistics.interplay import tested_pair
from soundmill.report.statistics.judging import (
    JudgedFactor,
    JudgedPair,
    decided_together,
    judge_factors,
    judge_pairs,
    judge_winner,
)
from soundmill.report.statistics.levels import Levels, compare_levels
from soundmill.report.statistics.model import fit
from soundmill.report.statistics.ranking import rank_conditions
from soundmill.report.statistics.scale import scale_of
from soundmill.report.statistics.seeds import adjust
from soundmill.report.statistics.trends import follow
from soundmill.report.statistics.worst import worst_condition

BASE = 60.0
SEEDS_DEVIATION = 8.0  # of the seeds' own effects
NOISE = 5.0
CONFIDENCE = 0.95

FACTORS = {"temperature": ("0.7", "1.0", "1.3"), "top_k": ("50", "250", "1000"), "cfg_coef": ("2", "4")}
BASELINE = {"temperature": "1.0", "top_k": "250", "cfg_coef": "3"}
CHANGES = {"temperature": ("0.7", "1.3"), "top_k": ("50", "1000"), "cfg_coef": ("1", "5")}
RANGES = {"temperature": (0.5, 1.5), "top_p": (0.1, 1.0), "cfg_coef": (1.0, 8.0)}

Effect = Callable[[Mapping[str, str]], float]


def nothing(condition: Mapping[str, str]) -> float:
    """The effect of a null experiment."""
    return 0.0


def full_factorial(factors: Mapping[str, Sequence[str]] = FACTORS) -> list[dict[str, str]]:
    return [dict(zip(factors, levels, strict=True)) for levels in product(*factors.values())]


def one_factor_at_a_time() -> list[dict[str, str]]:
    changed = [{**BASELINE, name: level} for name, levels in CHANGES.items() for level in levels]
    return [BASELINE, *changed]


def latin_hypercube(points: int, rng: np.random.Generator) -> list[dict[str, str]]:
    unit = qmc.LatinHypercube(len(RANGES), rng=rng).random(points)
    low, high = np.array(list(RANGES.values())).T
    return [
        {name: f"{value:.4f}" for name, value in zip(RANGES, values, strict=True)}
        for values in low + unit * (high - low)
    ]


def takes_of(
    conditions: Sequence[Mapping[str, str]],
    replicates: int,
    rng: np.random.Generator,
    effect: Effect = nothing,
    noise: float = NOISE,
) -> list[Take]:
    """One take per condition and replicate; seeds add to the score of every condition alike."""
    seeds = rng.normal(0, SEEDS_DEVIATION, replicates)
    errors = rng.normal(0, noise, (len(conditions), replicates))
    return [
        take(condition, replicate, BASE + effect(condition) + seeds[replicate] + errors[at, replicate])
        for at, condition in enumerate(conditions)
        for replicate in range(replicates)
    ]


def take(condition: Mapping[str, str], replicate: int, score: float | None, *, passed: bool | None = True) -> Take:
    """`passed` None: the job failed, there is no take."""
    return Take(
        condition=condition, replicate=replicate + 1, score=None if score is None else float(score), passed=passed
    )


def by_level(name: str, effects: Mapping[str, float]) -> Effect:
    """An effect of one factor, by its level."""
    return lambda condition: effects[condition[name]]


def generators(runs: int, seed: int) -> Iterator[np.random.Generator]:
    """One for each run of a simulation, none depending on the others."""
    yield from (np.random.default_rng([seed, run]) for run in range(runs))


class Findings:
    """What `analyse` finds in takes, at its confidence, but for the sentences. Each part is worked out when it is asked
    for: a simulation makes thousands of experiments and looks at one number of each."""

    def __init__(self, takes: Sequence[Take], *, seeds_shared: bool = True) -> None:
        self._table = read_table(takes, Response.SCORE, ())
        self._scale = scale_of(Response.SCORE, self._table.response, None)
        adjusted = adjust(self._table, seeds_shared=seeds_shared, floor=self._scale.floor)
        self._model = fit(self._table, adjusted, rounding=self._scale.rounding)

    @cached_property
    def _factors(self) -> tuple[JudgedFactor, ...]:
        return judge_factors(self._model, self._scale, CONFIDENCE)

    @cached_property
    def _pairs(self) -> tuple[JudgedPair, ...]:
        return judge_pairs(self._model, self._scale, CONFIDENCE)

    def _at(self, name: str) -> int:
        return [factor.name for factor in self._table.factors].index(name)

    @property
    def factors(self) -> tuple[FactorEffect, ...]:
        return tuple(judged.effect for judged in self._factors)

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        return tuple(judged.found for judged in self._pairs)

    @cached_property
    def winner(self) -> Winner | None:
        joined = decided_together(self._factors, self._pairs, CONFIDENCE)
        return judge_winner(self._model, self._factors, joined, self._scale, CONFIDENCE)

    @cached_property
    def worst(self) -> WorstCondition | None:
        levels_differ = any(one.matters for one in self.factors)
        return worst_condition(self._model, self._scale, CONFIDENCE, levels_differ=levels_differ)

    @property
    def conditions(self) -> tuple[ConditionRank, ...]:
        return rank_conditions(self._model, self._scale, CONFIDENCE, self.worst)

    def factor(self, name: str) -> FactorEffect:
        return self.factors[self._at(name)]

    def levels(self, name: str) -> Levels:
        """The levels of a factor that is not sampled, and their pairs, by their places."""
        return compare_levels(self._model, self._at(name), self._scale, CONFIDENCE)

    def trend(self, name: str) -> Trend:
        """Of a sampled factor."""
        at = self._at(name)
        curve = self._model.curves[at]
        assert curve is not None
        return follow(self._model, at, curve, self._scale, CONFIDENCE).trend

    def changes(self, first: str, second: str) -> Changes:
        """What the interaction of two factors says of leads: its `change` and `at_most`."""
        tested = tested_pair(self._model, self._at(first), self._at(second), self._scale, CONFIDENCE)
        assert tested is not None
        assert tested.changes is not None
        return tested.changes
