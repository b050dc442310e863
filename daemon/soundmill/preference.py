"""Which takes people would rather have, from their answers about pairs: strengths with intervals, who is the best, and
which pair to ask about next. Numbers only; whoever imports this loads numpy.

The model is Bradley and Terry's with Davidson's ties and Davidson and Beaver's order effect. Of a pair, the first is
preferred, the second is, or neither, with chances that go as

    exp((d + o) / 2)  :  exp(-(d + o) / 2)  :  exp(t),      d the first take's strength less the second's,

o what is gained by being heard first and t how readily people call it a tie. R. R. Davidson, On extending the
Bradley-Terry model to accommodate ties in paired comparison experiments, JASA 65 (1970) 317-328; R. R. Davidson and
R. J. Beaver, On extending the Bradley-Terry model to incorporate within-pair order effects, Biometrics 33 (1977)
693-702.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erf, log, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ANSWERS = ("first", "second", "tie")
# Before anybody has answered: normal with these standard deviations about nought, in logits. A strength of one and a
# quarter is a take preferred to a middling one 78 times out of 100; being heard first moves less than that.
STRENGTH_SD, ORDER_SD, TIE_SD = 1.25, 0.5, 1.5
MOST_STEPS, CLOSE = 60, 1e-9
LONGEST_STEP = 2.0  # in any parameter: from far away Newton's own would overshoot
Z95 = 1.959963984540054
SURE = 0.95
WIDE_EVERY = 4  # of so many questions one is about all takes, the others about which is the best
# So many listeners are expected to listen; the others answer by chance.
LISTENING = 0.85
# Chances of the right answer to a check: of one who listens, where one take was spoiled and where both are the same.
HEARS_SPOILED, HEARS_SAME, BY_CHANCE = 0.9, 0.6, 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of n takes, each array with any leading axes that the counts had.

    `strengths` (..., n) sum to nought and have `covariance` (..., n, n), both in logits; `order` and `tie` (...) are o
    and t above; `listening` (..., r) is the chance that each listener listens, by which their answers count.
    """

    strengths: Floats
    covariance: Floats
    order: Floats
    tie: Floats
    listening: Floats

    @property
    def errors(self) -> Floats:
        """Standard errors (..., n) of the strengths."""
        found: Floats = np.sqrt(np.diagonal(self.covariance, axis1=-2, axis2=-1))
        return found

    @property
    def lows(self) -> Floats:
        """Lower ends (..., n) of intervals that hold the strengths 95 times out of 100."""
        return self.strengths - Z95 * self.errors

    @property
    def highs(self) -> Floats:
        return self.strengths + Z95 * self.errors

    @property
    def variances(self) -> Floats:
        """Of the differences (..., n, n) of strengths; at least what rounding leaves."""
        own = np.diagonal(self.covariance, axis1=-2, axis2=-1)
        found: Floats = np.maximum(own[..., :, None] + own[..., None, :] - 2 * self.covariance, 1e-12)
        return found

    @property
    def best(self) -> NDArray[np.intp]:
        """The strongest take (...)."""
        found: NDArray[np.intp] = self.strengths.argmax(axis=-1)
        return found

    @property
    def surety(self) -> Floats:
        """A lower bound (...) on the chance that the strongest take is the best: one less the sum of the chances that
        another is better than it (Boole's inequality), so that it holds for all of them at once."""
        best = self.best[..., None]
        leads = np.take_along_axis(self.strengths, best, -1) - self.strengths
        variances = np.take_along_axis(self.variances, best[..., None], -2)[..., 0, :]
        others = _normal(-leads / np.sqrt(variances))
        surety: Floats = np.maximum(1 + 0.5 - others.sum(axis=-1), 0.0)  # its own lead of nought counts a half
        return surety


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What listeners said of `takes`, which are numbers of outputs. `answers` (n,) says how many are about each.

    `left_out` are listeners who more likely answered by chance, by their checks: their answers count for little.
    """

    takes: tuple[int, ...]
    standing: Standing
    answers: tuple[int, ...]
    listeners: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def total(self) -> int:
        """Answers that count."""
        return sum(self.answers) // 2

    @property
    def winner(self) -> int | None:
        """The take that is the best of them, if that is as sure as SURE."""
        return self.takes[int(self.standing.best)] if float(self.standing.surety) >= SURE else None


def heard(rows: Iterable[Mapping[str, Any]], takes: Collection[int] | None = None) -> Heard | None:
    """What rows of `comparisons` come to: who, first_output_id, second_output_id, answer, attention and expected.

    Of `takes`, or of those that were compared; answers about others are left out, and None is where there are none.
    """
    rows = list(rows)
    checks: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if row["attention"] and row["expected"]:
            checks.setdefault(row["who"], []).append((row["expected"], row["answer"]))
    said = [
        (str(row["who"]), int(row["first_output_id"]), int(row["second_output_id"]), ANSWERS.index(row["answer"]))
        for row in rows
        if not row["attention"]
        and (takes is None or (row["first_output_id"] in takes and row["second_output_id"] in takes))
    ]
    if not said:
        return None
    known = sorted({take for one in said for take in one[1:3]} if takes is None else set(takes))
    people = sorted({one[0] for one in said})
    place = {take: at for at, take in enumerate(known)}
    seat = {who: at for at, who in enumerate(people)}
    counts = np.zeros((len(people), len(known), len(known), len(ANSWERS)))
    for who, first, second, answer in said:
        counts[seat[who], place[first], place[second], answer] += 1
    standing = fit(counts, np.array([odds_of(checks.get(who, ())) for who in people]))
    counting = standing.listening >= 0.5
    if not counting.any():
        return None
    asked_of = counts[counting].sum(axis=(0, -1))
    return Heard(
        takes=tuple(known),
        standing=standing,
        answers=tuple(int(each) for each in asked_of.sum(axis=0) + asked_of.sum(axis=1)),
        listeners=tuple(who for who, counts_ in zip(people, counting, strict=True) if counts_),
        left_out=tuple(who for who, counts_ in zip(people, counting, strict=True) if not counts_),
    )


def fit(counts: Floats, checks: Floats) -> Standing:
    """The standing by counts (..., r, n, n, 3) of r listeners and the log odds (..., r) that their checks give them of
    listening (`odds_of`): the mode of what is likely after them, and the inverse of the information there. Every
    leading axis is a jury of its own.

    Each listener is one who listens or one who answers by chance, as likely as their checks alone say (whoever hears
    otherwise than most is no reason to leave them out), and each answer has the chance that follows: what is said by
    whoever may be clicking pulls the strengths neither together nor apart.
    """
    n = counts.shape[-2]
    at = np.zeros((*counts.shape[:-4], n + 2))
    precision = np.concatenate([np.full(n, STRENGTH_SD**-2), [ORDER_SD**-2, TIE_SD**-2]])
    listening = 1 / (1 + np.exp(-np.clip(checks + log(LISTENING / (1 - LISTENING)), -500, 500)))
    for _ in range(MOST_STEPS):
        slope, information = _likelihood(at, counts, listening)
        step = np.linalg.solve(information + np.diag(precision), (slope - precision * at)[..., None])[..., 0]
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(np.abs(step).max(axis=-1, keepdims=True), CLOSE))
        at = at + step
        if np.abs(step).max() < CLOSE:
            break
    _, information = _likelihood(at, counts, listening)
    covariance = np.linalg.inv(information + np.diag(precision))
    centre = np.eye(n) - 1 / n
    return Standing(
        strengths=at[..., :n] @ centre,
        covariance=centre @ covariance[..., :n, :n] @ centre,
        order=at[..., n],
        tie=at[..., n + 1],
        listening=listening,
    )


def nothing_known(takes: int) -> Standing:
    """The standing of so many takes before anybody has answered."""
    return fit(np.zeros((0, takes, takes, len(ANSWERS))), np.zeros(0))


def _likelihood(at: Floats, counts: Floats, listening: Floats) -> tuple[Floats, Floats]:
    """Slope (..., n + 2) and expected information (..., n + 2, n + 2) of the log likelihood at strengths, o and t.

    An answer of a chance p, by somebody who listens with a chance w, has w p + (1 - w) / 3. All of p follows from
    h = (d + o) / 2 and t; what a pair tells of these two is put where its takes are.
    """
    n = counts.shape[-2]
    p = chances_of(at[..., :n], at[..., n], at[..., n + 1])
    lean = (p[..., 0] - p[..., 1])[..., None]
    by_h = p * (np.array([1.0, -1.0, 0.0]) - lean)
    by_t = p * (np.array([0.0, 0.0, 1.0]) - p[..., 2:])
    w = listening[..., :, None, None, None]
    said = w * p[..., None, :, :, :] + (1 - w) * BY_CHANCE
    met = np.einsum("...rijk,...rijk->...ijk", counts, w / said)
    seen = np.einsum("...rij,...rijk->...ijk", counts.sum(axis=-1), w**2 / said)
    pull, ties = (met * by_h).sum(axis=-1) / 2, (met * by_t).sum(axis=-1)
    slope = np.empty_like(at)
    slope[..., :n] = pull.sum(axis=-1) - pull.sum(axis=-2)
    slope[..., n], slope[..., n + 1] = pull.sum(axis=(-2, -1)), ties.sum(axis=(-2, -1))
    tells = (seen * by_h**2).sum(axis=-1) / 4
    mixed = (seen * by_h * by_t).sum(axis=-1) / 2
    found = np.zeros((*at.shape, n + 2))
    found[..., :n, :n] = -(tells + np.swapaxes(tells, -1, -2))
    places = np.arange(n)
    found[..., places, places] += tells.sum(axis=-1) + tells.sum(axis=-2)
    for column, part in ((n, tells), (n + 1, mixed)):
        found[..., :n, column] = found[..., column, :n] = part.sum(axis=-1) - part.sum(axis=-2)
    found[..., n, n] = tells.sum(axis=(-2, -1))
    found[..., n, n + 1] = found[..., n + 1, n] = mixed.sum(axis=(-2, -1))
    found[..., n + 1, n + 1] = (seen * by_t**2).sum(axis=(-3, -2, -1))
    return slope, found


def chances_of(strengths: Floats, order: Floats, tie: Floats) -> Floats:
    """The chance (..., n, n, 3) of each answer, by the first and the second take."""
    half = (strengths[..., :, None] - strengths[..., None, :] + order[..., None, None]) / 2
    weights = np.stack([half, -half, np.broadcast_to(tie[..., None, None], half.shape)], axis=-1)
    weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
    found: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return found


def next_pair(standing: Standing, random: np.random.Generator) -> tuple[int, int]:
    """The two takes of which the next answer tells most, which of them first by lot.

    Mostly about which is the best: the strongest take of one draw from what is likely, and the strongest of another
    draw that has another (top-two Thompson sampling; D. Russo, Simple Bayesian algorithms for best-arm identification,
    Operations Research 68 (2020) 1625-1647). Else of all pairs the one with the most information to be gained,
    ½ log(1 + v · i), v the variance of the difference and i Fisher's information of one answer about it.
    """
    if random.integers(WIDE_EVERY) == 0:
        pair = _most_told(standing, random)
    else:
        pair = _top_two(standing, random)
    return pair if random.integers(2) else (pair[1], pair[0])


def _most_told(standing: Standing, random: np.random.Generator) -> tuple[int, int]:
    chances = chances_of(standing.strengths, np.zeros(()), standing.tie)
    tells = (chances[..., 0] + chances[..., 1]) / 4 - ((chances[..., 0] - chances[..., 1]) / 2) ** 2
    gains = np.log1p(standing.variances * tells) / 2
    gains = gains * (1 + 1e-6 * random.random(gains.shape))  # equals in no fixed order
    np.fill_diagonal(gains, -1)
    first, second = np.unravel_index(int(gains.argmax()), gains.shape)
    return int(first), int(second)


def _top_two(standing: Standing, random: np.random.Generator, draws: int = 64) -> tuple[int, int]:
    values, vectors = np.linalg.eigh(standing.covariance)
    spread = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = standing.strengths + random.standard_normal((draws, len(values))) @ spread.T
    winners = drawn.argmax(axis=1)
    first = int(winners[0])
    others = winners[winners != first]
    if len(others):
        return first, int(others[0])
    leads = standing.strengths[first] - standing.strengths
    doubts = leads / np.sqrt(standing.variances[first])
    doubts[first] = np.inf
    return first, int(doubts.argmin())


def odds_of(checks: Sequence[tuple[str, str]]) -> float:
    """Log odds that somebody listens rather than answers by chance, by what checks expected and what was answered."""
    odds = 0.0
    for expected, answer in checks:
        right = HEARS_SAME if expected == "tie" else HEARS_SPOILED
        odds += log(right / BY_CHANCE) if answer == expected else log((1 - right) / (1 - BY_CHANCE))
    return odds


def share(strength: float) -> float:
    """Of those who prefer one of the two, how many would rather have a take of this strength than a middling one."""
    return float(1 / (1 + np.exp(-strength)))


def _normal(z: Floats) -> Floats:
    """The standard normal distribution function, without scipy, which takes longer to load than all of this."""
    flat = np.array([(1 + erf(each / sqrt(2))) / 2 for each in z.ravel().tolist()])
    return flat.reshape(z.shape)
