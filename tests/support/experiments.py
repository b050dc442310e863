"""Synthetic experiments with known effects: a score is a base, its seed's own effect, planted effects and noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from scipy.stats import qmc

from soundmill.report.statistics.findings import Take

BASE = 60.0
SEEDS_DEVIATION = 8.0  # of the seeds' own effects
NOISE = 5.0

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
