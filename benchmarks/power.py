"""What reports say of experiments whose truth is known, beside a repeated measures analysis with Tukey's pairs.

    python benchmarks/power.py [--runs 200] [--replicates 3 5 10] [--scenarios normal ceiling …] [--markdown FILE]

Prints a table as docs/statistics.md has it. Every experiment has three levels of `a` by three of `b`, seeds that all
conditions share, and scores rounded to 0.1. *null*: nothing matters. *better*: one level of `a` is better than the
other two. *bad cell*: one condition of the nine is worse than the rest. The planted difference shrinks with the root of
the replicates, so that there is something to find and to miss at each number of them.

Beside it, of each factor: means of its levels within seeds, the factor × seed mean square, Tukey's range test of all
pairs at 0.05, and the best level named where it beats each other one. It is not valid where levels vary unequally.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from soundmill.report.analysis import analyse
from soundmill.report.statistics.findings import Analysis, Take

Floats = NDArray[np.float64]
A, B = ("a1", "a2", "a3"), ("b1", "b2", "b3")
BEST, BAD = 1, (2, 2)
EFFECTS = ("null", "better", "bad cell")
REPLICATES_OF_DELTA = 3  # for which the planted differences are given
TRUTH_RUNS = 100_000
ROUNDING = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How scores fall. `draw` gives scores of (runs, seeds, 3, 3) for true means of (3, 3)."""

    better: float  # points by which one level is, with three replicates
    bad: float  # points by which the bad cell is worse
    draw: Callable[[np.random.Generator, Floats, int, int], Floats]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one analysis over the runs of one scenario."""

    right: int = 0
    false: int = 0  # winners
    false_cells: int = 0
    held: int = 0
    intervals: int = 0


def seeds(rng: np.random.Generator, runs: int, replicates: int) -> Floats:
    found: Floats = rng.normal(0, 5, (runs, replicates, 1, 1))
    return found


def normal(rng: np.random.Generator, means: Floats, runs: int, replicates: int) -> Floats:
    return 70 + means + seeds(rng, runs, replicates) + rng.normal(0, 10, (runs, replicates, 3, 3))


def ceiling(rng: np.random.Generator, means: Floats, runs: int, replicates: int) -> Floats:
    """Half of all takes would be above 95."""
    return np.minimum(25 + normal(rng, means, runs, replicates), 100.0)


def skewed(rng: np.random.Generator, means: Floats, runs: int, replicates: int) -> Floats:
    noise = 10 * (1 - rng.exponential(1, (runs, replicates, 3, 3)))
    return 70 + means + seeds(rng, runs, replicates) + noise


def rare_failures(rng: np.random.Generator, means: Floats, runs: int, replicates: int) -> Floats:
    """One take in ten loses 40 points."""
    sound = 95 + means + 0.4 * seeds(rng, runs, replicates) + rng.normal(0, 2, (runs, replicates, 3, 3))
    return sound - 40.0 * (rng.random((runs, replicates, 3, 3)) < 0.1)


def noisy_level(rng: np.random.Generator, means: Floats, runs: int, replicates: int) -> Floats:
    """The first level of `a` varies six times as much as the others."""
    deviations = np.array([12.0, 2.0, 2.0])[:, None]
    return 70 + means + seeds(rng, runs, replicates) + deviations * rng.normal(0, 1, (runs, replicates, 3, 3))


def seed_by_factor(rng: np.random.Generator, means: Floats, runs: int, replicates: int) -> Floats:
    """A seed suits some levels, by as much as the noise."""
    suited = rng.normal(0, 10, (runs, replicates, 3, 1)) + rng.normal(0, 10, (runs, replicates, 1, 3))
    return normal(rng, means, runs, replicates) + suited


SCENARIOS = {
    "normal": Scenario(better=11, bad=24, draw=normal),
    "skewed": Scenario(better=11, bad=24, draw=skewed),
    "ceiling": Scenario(better=12, bad=24, draw=ceiling),
    "rare failures": Scenario(better=14, bad=28, draw=rare_failures),
    "one noisy level": Scenario(better=8, bad=24, draw=noisy_level),
    "seed × factor": Scenario(better=18, bad=36, draw=seed_by_factor),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the runs of one scenario, effect and number of replicates come to; rates, None where there is none."""

    replicates: int
    scenario: str
    effect: str
    right: float | None
    false: float
    false_cell: float
    coverage: float
    right_by_tukey: float | None
    false_by_tukey: float
    coverage_by_tukey: float


def means_of(scenario: Scenario, effect: str, replicates: int) -> Floats:
    means, shrunk = np.zeros((3, 3)), float(np.sqrt(REPLICATES_OF_DELTA / replicates))
    if effect == "better":
        means[BEST] += scenario.better * shrunk
    elif effect == "bad cell":
        means[BAD] -= scenario.bad * shrunk
    return means


def simulate(name: str, effect: str, replicates: int, runs: int, seed: int) -> Row:
    scenario = SCENARIOS[name]
    means = means_of(scenario, effect, replicates)
    rng = np.random.default_rng([seed, replicates])
    scores = np.round(scenario.draw(rng, means, runs, replicates), 1)
    truth = scenario.draw(np.random.default_rng(0), means, TRUTH_RUNS, 1).mean(axis=(0, 1))
    ours, tukey = Tally(), Tally()
    for one in scores:
        of_report(analyse(takes_of(one)), effect, truth, ours)
        of_tukey(one, effect, truth, tukey)
    right = None if effect == "null" else ours.right / runs
    return Row(
        replicates=replicates,
        scenario=name,
        effect=effect,
        right=right,
        false=ours.false / runs,
        false_cell=ours.false_cells / runs,
        coverage=ours.held / ours.intervals,
        right_by_tukey=tukey.right / runs if effect == "better" else None,
        false_by_tukey=tukey.false / runs,
        coverage_by_tukey=tukey.held / tukey.intervals,
    )


def takes_of(scores: Floats) -> list[Take]:
    """One experiment, scores of (seeds, 3, 3)."""
    return [
        Take(condition={"a": A[i], "b": B[j]}, replicate=seed + 1, score=float(scores[seed, i, j]), passed=True)
        for seed, i, j in np.ndindex(scores.shape)
    ]


def of_report(analysis: Analysis, effect: str, truth: Floats, tally: Tally) -> None:
    """A winner or a bad cell that is right, one that is not; intervals of differences that hold the truth."""
    named = {} if analysis.winner is None else dict(analysis.winner.settings)
    worst = None if analysis.worst is None else (analysis.worst.condition["a"], analysis.worst.condition["b"])
    bad = (A[BAD[0]], B[BAD[1]]) if effect == "bad cell" else None
    best = {"a": A[BEST]} if effect == "better" else {}
    tally.right += (worst == bad) if effect == "bad cell" else bool(best) and named.get("a") == best["a"]
    # Of what is not planted two are alike, so that none is best.
    tally.false += any(best.get(factor) != level for factor, level in named.items())
    tally.false_cells += worst not in (None, bad)
    for effects, names, of_levels in zip(
        analysis.factors, (A, B), (truth.mean(axis=1), truth.mean(axis=0)), strict=True
    ):
        for pair in effects.contrasts:
            assert pair.low is not None
            assert pair.high is not None
            true = of_levels[names.index(pair.better)] - of_levels[names.index(pair.worse)]
            tally.held += bool(pair.low - ROUNDING <= true <= pair.high + ROUNDING)
            tally.intervals += 1


def of_tukey(scores: Floats, effect: str, truth: Floats, tally: Tally) -> None:
    """The same of repeated measures with Tukey's pairs; its intervals are Student's, one pair at a time."""
    false = False
    for at, of_levels in enumerate((truth.mean(axis=1), truth.mean(axis=0))):
        by_seed = scores.mean(axis=2 - at)  # (seeds, levels)
        levels = by_seed.mean(axis=0)
        left = by_seed - levels - by_seed.mean(axis=1, keepdims=True) + by_seed.mean()
        df = (len(by_seed) - 1) * (len(levels) - 1)
        error = float(np.sqrt((left**2).sum() / df / len(by_seed)))
        second, first = np.argsort(levels)[-2:]
        if levels[first] - levels[second] >= error * _tukey(len(levels), df):
            is_right = effect == "better" and at == 0 and first == BEST
            tally.right += is_right
            false |= not is_right
        reach = float(stats.t.ppf(0.975, df)) * np.sqrt(2) * error + ROUNDING
        for i, j in ((0, 1), (0, 2), (1, 2)):
            tally.held += bool(abs(levels[i] - levels[j] - (of_levels[i] - of_levels[j])) <= reach)
            tally.intervals += 1
    tally.false += false


@cache
def _tukey(levels: int, df: int) -> float:
    """How many standard errors of a mean two of so many levels have to lie apart."""
    return float(stats.studentized_range.ppf(0.95, levels, df))


def table(rows: list[Row]) -> Iterator[str]:
    """The rows in Markdown."""
    yield (
        "| replicates | scores | truth | right | false winner | false cell | coverage "
        "| repeated measures: right | false winner | coverage |"
    )
    yield "| --- " * len(fields(Row)) + "|"
    for row in rows:
        cells = [getattr(row, one.name) for one in fields(Row)]
        shown = ("" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells)
        yield f"| {' | '.join(shown)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="experiments of each kind (default: 200)")
    parser.add_argument("--replicates", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument(
        "--effects", nargs="+", choices=("null", "better", "bad cell"), default=("null", "better", "bad cell")
    )
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--markdown", type=Path, help="a file to write the table to as well")
    asked = parser.parse_args()
    rows = []
    for replicates in asked.replicates:
        for name in asked.scenarios:
            for effect in asked.effects:
                rows.append(simulate(name, effect, replicates, asked.runs, asked.seed))
                print(list(table(rows[-1:]))[-1], flush=True)
    if asked.markdown is not None:
        asked.markdown.write_text("\n".join(table(rows)) + "\n")


if __name__ == "__main__":
    main()
