"""What a listening test finds, tried on simulated juries:

python benchmarks/juries.py [--juries N] [--seed N] [--votes N] [--pairs chosen|lot]

A jury hears 12 takes, whose strengths are drawn from a normal distribution of standard deviation 1 (in logits), in
sessions of 40 questions, one of eight an attention check, as the site asks them. Each listener has a leaning to what is
heard first of their own, 0.2 ± 0.3, and calls about a quarter of all close pairs a tie. One listener of eight clicks at
random. All of it is judged by soundmill.preference, which knows none of that.

Told are: how often a take's 95 % interval holds its strength; how often the take that is first named as the best is
another than the best; and how many answers it takes until the best is named, with pairs chosen and with pairs by lot.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from soundmill.preference import ANSWERS, SURE, Standing, fit, next_pair, odds_of
from soundmill.publish.compare.sessions import CHECK_EVERY, checks
from soundmill.publish.compare.studies import Study

TAKES, SPREAD = 12, 1.0
QUESTIONS = 40  # of one listener
LEANING, LEANING_SD = 0.2, 0.3
TIE = -0.5  # t of the model
CLICKERS = 1 / 8  # of the listeners
HEARS, HEARS_SAME = 0.95, 0.7  # chances of the right answer to a check of one who listens
LOOK_EVERY = 4  # answers


@dataclass(slots=True, kw_only=True)
class Jury:
    """One test with one jury: its truth, what its listeners said, and the one who answers now, with what checks come at
    which of their questions. `counts` (listeners, takes, takes, 3) and `odds` (listeners,) are as fit wants them."""

    strengths: Any
    chance: np.random.Generator
    counts: Any
    odds: Any
    listener: int = -1
    asked: int = QUESTIONS
    clicks: bool = False
    leaning: float = 0.0
    places: dict[int, str] = field(default_factory=dict)
    checked: list[tuple[str, str]] = field(default_factory=list)

    def sit_down(self) -> None:
        self.listener += 1
        self.asked, self.checked = 0, []
        self.clicks = bool(self.chance.random() < CLICKERS)
        self.leaning = float(self.chance.normal(LEANING, LEANING_SD))
        token = str(self.chance.integers(2**60))
        study = Study(id="0", name="0", token=token, takes=(), questions=QUESTIONS, made_by="", made_at=0)
        self.places = checks(study, "listener")

    def answer(self, first: int, second: int) -> None:
        """Have a pair answered; what checks come before it are."""
        if self.asked >= QUESTIONS:
            self.sit_down()
        while (kind := self.places.get(self.asked)) is not None:
            expected = "tie" if kind == "same" else ANSWERS[self.chance.integers(2)]
            right = self.chance.random() < (HEARS_SAME if kind == "same" else HEARS)
            given = ANSWERS[self.chance.integers(3)] if self.clicks else expected
            if not self.clicks and not right:
                given = ANSWERS[(ANSWERS.index(expected) + 1 + self.chance.integers(2)) % 3]
            self.checked.append((expected, given))
            self.odds[self.listener] = odds_of(self.checked)
            self.asked += 1
            if self.asked >= QUESTIONS:
                self.sit_down()
        half = (self.strengths[first] - self.strengths[second] + self.leaning) / 2
        weights = [math.exp(half), math.exp(-half), math.exp(TIE)]
        at = self.chance.random() * sum(weights)
        said = 0 if at < weights[0] else 1 if at < weights[0] + weights[1] else 2
        self.counts[self.listener, first, second, self.chance.integers(3) if self.clicks else said] += 1
        self.asked += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`coverage` of all intervals after `votes` answers, `named` (juries,) after how many the best was named, inf where
    it was not, and `wrong` how many juries named another."""

    coverage: float
    named: Any
    wrong: int
    right_ahead: float


def tried(juries: int, votes: int, *, seed: int, by_lot: bool) -> Found:
    """Let juries vote. Those of one seed have the same truth, chosen pairs or not."""
    truths = np.random.default_rng(seed).normal(0, SPREAD, (juries, TAKES))
    truths -= truths.mean(axis=1, keepdims=True)
    chances = np.random.default_rng(seed + 1).spawn(juries)
    seats = votes // (QUESTIONS - round(QUESTIONS / CHECK_EVERY)) + 2
    counts, odds = np.zeros((juries, seats, TAKES, TAKES, 3)), np.zeros((juries, seats))
    tests = [
        Jury(strengths=truth, chance=chance, counts=counts[at], odds=odds[at])
        for at, (truth, chance) in enumerate(zip(truths, chances, strict=True))
    ]
    named = np.full(juries, np.inf)
    wrong = np.zeros(juries, dtype=bool)
    for vote in range(0, votes, LOOK_EVERY):
        here = 1 + max(test.listener for test in tests)
        standing = fit(counts[:, :here], odds[:, :here])
        now = (standing.surety >= SURE) & np.isinf(named)
        named[now] = vote
        wrong[now] = (standing.best != truths.argmax(axis=1))[now]
        for at, test in enumerate(tests):
            alone = Standing(
                strengths=standing.strengths[at],
                covariance=standing.covariance[at],
                order=standing.order[at],
                tie=standing.tie[at],
                listening=standing.listening[at],
            )
            for _ in range(LOOK_EVERY):
                if by_lot:
                    first, second = test.chance.choice(TAKES, 2, replace=False)
                else:
                    first, second = next_pair(alone, test.chance)
                test.answer(int(first), int(second))
    standing = fit(counts, odds)
    return Found(
        coverage=float(((standing.lows <= truths) & (truths <= standing.highs)).mean()),
        named=named,
        wrong=int(wrong.sum()),
        right_ahead=float((standing.best == truths.argmax(axis=1)).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--juries", type=int, default=1000)
    parser.add_argument("--votes", type=int, default=400, help="answers with chosen pairs; by lot four times as many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--pairs", choices=("chosen", "lot"), help="only so; else both")
    options = parser.parse_args()
    print(f"{options.juries} juries, seed {options.seed}")
    heads = (
        ("pairs", 8),
        ("answers", 8),
        ("coverage", 10),
        ("named", 7),
        ("false", 7),
        ("median", 8),
        ("right", 8),
        ("s", 6),
    )
    print(" ".join(f"{head:>{width}}" for head, width in heads))
    medians = []
    for name, by_lot, votes in (("chosen", False, options.votes), ("by lot", True, 4 * options.votes)):
        if options.pairs not in (None, "lot" if by_lot else "chosen"):
            continue
        began = time.monotonic()
        found = tried(options.juries, votes, seed=options.seed, by_lot=by_lot)
        medians.append(float(np.median(found.named)))
        print(
            f"{name:8} {votes:8} {100 * found.coverage:8.1f} % {100 * np.isfinite(found.named).mean():5.1f} %"
            f" {100 * found.wrong / options.juries:5.1f} % {medians[-1]:8.0f} {100 * found.right_ahead:9.1f} %"
            f" {time.monotonic() - began:6.0f}"
        )
    if len(medians) == 2:
        print(f"answers that chosen pairs need of those by lot, at the median: {100 * medians[0] / medians[1]:.0f} %")


if __name__ == "__main__":
    main()
