"""What an analysis claims, held against the truth in many synthetic experiments (seeded, so the counts never change).

Bounds are the nominal rate less or plus three standard deviations of a binomial count of that many runs, unless a
test says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from soundmill.report.analysis import analyse
from soundmill.report.statistics.findings import LeadChange, Take
from support.experiments import (
    BASE,
    FACTORS,
    Findings,
    by_level,
    full_factorial,
    generators,
    latin_hypercube,
    one_factor_at_a_time,
    take,
    takes_of,
)
from support.full import many

PLANTED = {"temperature": {"0.7": 9.0, "1.0": 4.0, "1.3": 0.0}, "cfg_coef": {"2": 0.0, "4": 6.0}}
SMALLER = {"temperature": ("0.7", "1.3"), "top_k": ("50", "250"), "cfg_coef": ("2", "4")}
NOISY_EXPERIMENTS = {
    "one factor at a time": [
        {"a": "noisy", "b": "u"}, {"a": "bad", "b": "u"}, {"a": "steady", "b": "u"}, {"a": "noisy", "b": "v"},
    ],
    "three levels by two": full_factorial({"a": ("noisy", "bad", "steady"), "b": ("u", "v")}),
    "five levels by two": full_factorial({"a": ("noisy", "bad", "steady", "bad too", "bad as well"), "b": ("u", "v")}),
}  # fmt: skip


def planted(condition: Mapping[str, str]) -> float:
    return sum(levels[condition[name]] for name, levels in PLANTED.items())


def tolerance(rate: float, runs: int) -> float:
    return 3 * float(np.sqrt(rate * (1 - rate) / runs))


def compared(takes: list[Take]) -> dict[tuple[str, frozenset[str]], tuple[str, float, float]]:
    """Factor and two levels to the leader and the interval of its lead."""
    findings, found = Findings(takes), {}
    for name in takes[0].condition:
        levels = findings.levels(name)
        names, pairs = [mean.level for mean in levels.means], levels.pairs
        for one, other, low, high in zip(pairs.first, pairs.second, pairs.low, pairs.high, strict=True):
            found[name, frozenset({names[one], names[other]})] = (names[one], float(low), float(high))
    return found


def holds(leader: str, low: float, high: float, level: str, truth: float) -> bool:
    """Whether the interval of a lead holds the true lead of `level`."""
    return low <= (truth if leader == level else -truth) <= high


def coverage(make: Callable[[np.random.Generator], list[Take]], runs: int, seed: int) -> dict[str, float]:
    """How often the intervals of three main effects hold the planted truth."""
    truths = {("temperature", "0.7", "1.3"): 9.0, ("cfg_coef", "4", "2"): 6.0, ("top_k", "50", "250"): 0.0}
    hits = dict.fromkeys(FACTORS, 0)
    for rng in generators(runs, seed):
        found = compared(make(rng))
        for (name, level, other), truth in truths.items():
            hits[name] += holds(*found[name, frozenset({level, other})], level, truth)
    return {name: count / runs for name, count in hits.items()}


def test_what_is_simulated_is_what_an_analysis_says() -> None:
    rng = np.random.default_rng(0)
    takes = takes_of(full_factorial(), 6, rng, planted)
    sampled = takes_of(latin_hypercube(24, rng), 2, rng, lambda c: 9 * float(c["temperature"]) * float(c["cfg_coef"]))
    for each in (takes, sampled):
        said, found = analyse(each), Findings(each)
        assert said.winner is not None
        assert said.interactions
        assert found.winner == replace(said.winner, sentence="")
        assert found.factors == tuple(replace(effect, sentence="") for effect in said.factors)
        assert found.interactions == tuple(replace(one, sentence="") for one in said.interactions)
        assert found.conditions == said.conditions
        for one in said.interactions:
            changes = found.changes(*one.factors)
            assert (changes.clearest, changes.at_most) == (one.change, one.at_most)
        for effect in said.factors:
            assert found.factor(effect.name) == replace(effect, sentence="")
            if effect.trend is None:
                assert found.levels(effect.name).means == effect.levels
            else:
                assert found.trend(effect.name) == effect.trend
    leads = {
        (effect.name, frozenset({pair.better, pair.worse})): (pair.better, pair.low, pair.high)
        for effect in analyse(takes).factors
        for pair in effect.contrasts
    }
    assert compared(takes) == leads


def test_intervals_of_main_effects_hold_the_truth_at_their_nominal_rate() -> None:
    runs = many(400, 100)
    for name, rate in coverage(lambda rng: takes_of(full_factorial(), 3, rng, planted), runs, 1).items():
        assert 0.95 - tolerance(0.95, runs) <= rate <= 0.985, name


def test_intervals_hold_the_truth_when_a_fifth_of_the_takes_failed() -> None:
    def with_failures(rng: np.random.Generator) -> list[Take]:
        takes = takes_of(full_factorial(SMALLER), 5, rng, planted)
        return [take(t.condition, t.replicate - 1, None if rng.random() < 0.2 else t.score) for t in takes]

    runs = many(300, 75)
    for name, rate in coverage(with_failures, runs, 2).items():
        assert rate >= 0.95 - tolerance(0.95, runs), name


def test_intervals_hold_the_truth_for_skewed_scores_that_pile_up_at_the_ceiling() -> None:
    """The truth is then the difference of the clipped scores' means, taken from a large sample."""

    temperatures = {level: 80 + 2 * effect for level, effect in PLANTED["temperature"].items()}

    def scores(level: str, rng: np.random.Generator, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.minimum(temperatures[level] + 14 - rng.exponential(14, size), 100.0)

    truth = {level: scores(level, np.random.default_rng(0), 400_000).mean() for level in temperatures}
    runs, hits = many(400, 100), 0
    for rng in generators(runs, 3):
        takes = [
            take(condition, replicate, scores(condition["temperature"], rng, 1)[0])
            for condition in full_factorial({name: FACTORS[name] for name in ("temperature", "cfg_coef")})
            for replicate in range(5)
        ]
        lead = compared(takes)["temperature", frozenset({"0.7", "1.3"})]
        hits += holds(*lead, "0.7", float(truth["0.7"] - truth["1.3"]))
    assert hits / runs >= 0.95 - tolerance(0.95, runs)


@pytest.mark.parametrize("replicates", [3, 4, 5])
@pytest.mark.parametrize("alike", [False, True], ids=["a seed suits some levels", "top_k leaves takes alike"])
def test_intervals_hold_the_truth_when_seeds_do_not_only_add(alike: bool, replicates: int) -> None:
    def interacting(rng: np.random.Generator) -> list[Take]:
        takes = takes_of(full_factorial(), replicates, rng, planted, noise=0.5 if alike else 5.0)
        return _with_shared_errors(takes, rng, _levels_together if alike else _each_level)

    runs = many(300, 75)
    rates = coverage(interacting, runs, 4)
    for name in ("temperature", "cfg_coef"):
        assert 0.95 - tolerance(0.95, runs) <= rates[name], name


def test_a_null_experiment_names_no_winner_though_seeds_suit_some_levels() -> None:
    runs = many(300, 75)
    winners = sum(
        Findings(_with_shared_errors(takes_of(full_factorial(), 3, rng), rng, _each_level)).winner is not None
        for rng in generators(runs, 11)
    )
    assert winners / runs <= 0.05


def _with_shared_errors(
    takes: list[Take], rng: np.random.Generator, shared_by: Callable[[Take], Sequence[object]]
) -> list[Take]:
    """Takes with further errors, as large as the usual noise, each the same in all takes that share a key."""
    errors: dict[object, float] = {}
    found = []
    for t in takes:
        score = t.score or 0.0
        for key in shared_by(t):
            score += errors.setdefault((t.replicate, key), float(rng.normal(0, 5)))
        found.append(take(t.condition, t.replicate - 1, score))
    return found


def _each_level(one: Take) -> Sequence[object]:
    return tuple(one.condition.items())


def _levels_together(one: Take) -> Sequence[object]:
    """Whatever top_k is."""
    return ((one.condition["temperature"], one.condition["cfg_coef"]),)


@pytest.mark.parametrize("replicates", [3, 5])
@pytest.mark.parametrize("shared", [True, False], ids=["seeds shared", "seeds not shared"])
@pytest.mark.parametrize("noisy", NOISY_EXPERIMENTS)
def test_a_noisy_level_neither_beats_nor_loses_to_a_steady_one_of_the_same_mean(
    noisy: str, shared: bool, replicates: int
) -> None:
    """Beside others that are as steady but far worse."""
    runs, hits, beaten, winners = many(200, 50), 0, 0, 0
    for rng in generators(runs, 20):
        takes = []
        for condition in NOISY_EXPERIMENTS[noisy]:
            deviation = 12.0 if condition["a"] == "noisy" else 0.3
            scores = (30.0 if condition["a"].startswith("bad") else 70.0) + rng.normal(0, deviation, replicates)
            takes += [take(condition, at, score) for at, score in enumerate(scores)]
        findings = Findings(takes, seeds_shared=shared)
        (pair,) = (one for one in findings.factor("a").contrasts if {one.better, one.worse} == {"noisy", "steady"})
        assert pair.low is not None
        assert pair.high is not None
        hits += pair.low <= 0 <= pair.high
        beaten += pair.significant
        winners += findings.winner is not None and "a" in findings.winner.settings
    assert hits / runs >= 0.95 - tolerance(0.95, runs)
    assert beaten / runs <= 0.05 + tolerance(0.05, runs)
    assert winners / runs <= 0.05 + tolerance(0.05, runs)


@pytest.mark.parametrize("replicates", [3, 5])
def test_where_nothing_differs_a_noisy_level_makes_no_factor_matter(replicates: int) -> None:
    """Nor an interaction; and the change of a lead that is named holds the truth, as does what ties with the best."""
    runs, mattering, interacting, hits, left_out = many(200, 50), 0, 0, 0, 0
    for rng in generators(runs, 21):
        takes = [
            take(condition, at, 70 + rng.normal(0, 12.0 if condition["a"] == "noisy" else 0.3))
            for condition in NOISY_EXPERIMENTS["five levels by two"]
            for at in range(replicates)
        ]
        findings = Findings(takes)
        (found,) = findings.interactions
        assert found.change is not None
        mattering += findings.factor("a").matters
        interacting += found.matters
        hits += found.change.low <= 0 <= found.change.high
        ranked = next(one for one in findings.conditions if one.condition == {"a": "noisy", "b": "u"})
        left_out += not ranked.tied_with_best
    assert mattering / runs <= 0.05 + tolerance(0.05, runs)
    assert interacting / runs <= 0.05 + tolerance(0.05, runs)
    assert hits / runs >= 0.95 - tolerance(0.95, runs)
    assert left_out / runs <= 0.05 + tolerance(0.05, runs)


def test_the_slope_of_a_sampled_range_holds_the_truth_at_its_nominal_rate() -> None:
    runs, hits = many(150, 50), 0
    for rng in generators(runs, 5):
        takes = takes_of(latin_hypercube(24, rng), 2, rng, lambda c: -12 * float(c["temperature"]))
        trend = Findings(takes).trend("temperature")
        assert trend.low is not None
        assert trend.high is not None
        hits += trend.low <= -12 <= trend.high
    assert abs(hits / runs - 0.95) <= tolerance(0.95, runs)


def test_the_slope_of_a_sampled_range_holds_the_truth_though_seeds_suit_one_end() -> None:
    runs, hits = many(200, 50), 0
    for rng in generators(runs, 12):
        suited = rng.normal(0, 10, 3)
        takes = [
            take(
                t.condition,
                t.replicate - 1,
                (t.score or 0.0) + suited[t.replicate - 1] * float(t.condition["cfg_coef"]),
            )
            for t in takes_of(latin_hypercube(16, rng), 3, rng)
        ]
        trend = Findings(takes).trend("cfg_coef")
        assert trend.low is not None
        assert trend.high is not None
        hits += trend.low <= 0 <= trend.high
    assert hits / runs >= 0.95 - tolerance(0.95, runs)


@pytest.mark.parametrize("shape", ["logarithm", "plateau", "step"])
def test_a_response_that_only_rises_is_hardly_ever_given_an_optimum(shape: str) -> None:
    rising: dict[str, Callable[[float], float]] = {
        "logarithm": lambda share: 6 * float(np.log(1 + 40 * share)),
        "plateau": lambda share: 25 * min(share / 0.4, 1.0),
        "step": lambda share: 20.0 * (share > 0.3),
    }
    runs, named, mattering = many(150, 50), 0, 0
    for rng in generators(runs, 14):
        takes = takes_of(latin_hypercube(30, rng), 1, rng, lambda c: rising[shape](float(c["temperature"]) - 0.5))
        found = Findings(takes).factor("temperature")
        assert found.trend is not None
        mattering += found.matters
        named += found.trend.peak is not None
    assert mattering / runs >= 0.9
    assert named / runs <= 0.05


def test_an_optimum_is_found_and_its_interval_holds_it() -> None:
    runs, named, hits = many(100, 50), 0, 0
    for rng in generators(runs, 15):
        takes = takes_of(latin_hypercube(40, rng), 1, rng, lambda c: -120 * (float(c["temperature"]) - 0.95) ** 2)
        trend = Findings(takes).trend("temperature")
        if trend.peak_low is not None and trend.peak_high is not None:
            named += 1
            hits += trend.peak_low <= 0.95 <= trend.peak_high
    assert named / runs >= 0.9
    assert hits / named >= 0.95 - tolerance(0.95, named)


def test_means_of_levels_hold_the_truth_though_seeds_differ() -> None:
    runs, hits = many(200, 50), 0
    for rng in generators(runs, 6):
        takes = takes_of([{"a": level} for level in "xyz"], 6, rng)
        level = Findings(takes).levels("a").means[0]
        assert level.low is not None
        assert level.high is not None
        hits += level.low <= BASE <= level.high
    assert abs(hits / runs - 0.95) <= tolerance(0.95, runs)


def test_the_average_of_the_winner_holds_the_truth() -> None:
    """Over the seeds there could be, which suit some levels. Hardly any run has another winner."""
    runs, named, hits = many(200, 50), 0, 0
    effect = by_level("temperature", {"0.7": 30.0, "1.0": 0.0, "1.3": 0.0})
    for rng in generators(runs, 13):
        winner = Findings(_with_shared_errors(takes_of(full_factorial(), 4, rng, effect), rng, _each_level)).winner
        if winner is not None and winner.settings == {"temperature": "0.7"}:
            assert winner.low is not None
            assert winner.high is not None
            named += 1
            hits += winner.low <= BASE + 30 <= winner.high
    assert named >= 0.9 * runs
    assert hits / named >= 0.95 - tolerance(0.95, named)


def test_an_interaction_is_found() -> None:
    """A difference that changes by 18 points, noise of 5 points, 3 x 3 x 2 conditions, 4 replicates: power 0.9."""

    def crossing(condition: Mapping[str, str]) -> float:
        return 18.0 if (condition["temperature"], condition["cfg_coef"]) == ("1.3", "4") else 0.0

    runs, found, false = many(100, 50), 0, 0
    for rng in generators(runs, 7):
        findings = Findings(takes_of(full_factorial(), 4, rng, crossing))
        mattering = {frozenset(one.factors) for one in findings.interactions if one.matters}
        found += frozenset({"temperature", "cfg_coef"}) in mattering
        false += bool(mattering - {frozenset({"temperature", "cfg_coef"})})
    assert found / runs >= 0.9
    assert false / runs <= 0.05 + tolerance(0.05, runs)


CROSSED = {"a": ("x", "y"), "b": ("u", "v"), "c": ("1", "2", "3")}


def crossed(condition: Mapping[str, str]) -> float:
    return 10.0 if (condition["a"], condition["b"]) == ("x", "v") else 0.0


@pytest.mark.parametrize("replicates", [3, 4, 5])
@pytest.mark.parametrize("shared", [False, True], ids=["seeds only add", "a seed suits some combinations"])
def test_the_change_of_a_lead_holds_the_truth_at_its_nominal_rate(shared: bool, replicates: int) -> None:
    """Two levels by two, so that nothing was chosen; it is 10 points."""

    def combinations(one: Take) -> Sequence[object]:
        return (*one.condition.items(), (one.condition["a"], one.condition["b"]))

    runs, hits = many(300, 75), 0
    for rng in generators(runs, 16):
        takes = takes_of(full_factorial(CROSSED), replicates, rng, crossed)
        findings = Findings(_with_shared_errors(takes, rng, combinations) if shared else takes)
        change = findings.changes("a", "b").clearest
        hits += change.low <= _true_change(change, lambda a, b: crossed({"a": a, "b": b})) <= change.high
    assert abs(hits / runs - 0.95) <= tolerance(0.95, runs)


def test_the_clearest_change_of_a_lead_holds_the_truth_though_it_was_chosen() -> None:
    """Of nine in two factors of three levels; and so does what no change exceeds."""

    def planted_at(temperature: str, top_k: str) -> float:
        return 12.0 if (temperature, top_k) == ("1.3", "50") else 0.0

    runs, hits, within = many(300, 75), 0, 0
    for rng in generators(runs, 17):
        takes = takes_of(full_factorial(), 3, rng, lambda c: planted_at(c["temperature"], c["top_k"]))
        found = Findings(takes).changes("temperature", "top_k")
        hits += found.clearest.low <= _true_change(found.clearest, planted_at) <= found.clearest.high
        within += found.at_most >= 12.0
    assert hits / runs >= 0.95 - tolerance(0.95, runs)
    assert within / runs >= 0.95 - tolerance(0.95, runs)


def test_the_change_of_a_trend_holds_the_truth_at_its_nominal_rate() -> None:
    def product(temperature: str, cfg_coef: str) -> float:
        return 12 * (float(temperature) - 1) * (float(cfg_coef) - 4.5)

    runs, hits = many(200, 50), 0
    for rng in generators(runs, 18):
        takes = takes_of(latin_hypercube(24, rng), 2, rng, lambda c: product(c["temperature"], c["cfg_coef"]))
        change = Findings(takes).changes("cfg_coef", "temperature").clearest
        hits += change.low <= _true_change(change, lambda a, b: product(b, a)) <= change.high
    assert hits / runs >= 0.95 - tolerance(0.95, runs)


def _true_change(change: LeadChange, truth: Callable[[str, str], float]) -> float:
    return (truth(change.better, change.more_at) - truth(change.worse, change.more_at)) - (
        truth(change.better, change.less_at) - truth(change.worse, change.less_at)
    )


@pytest.mark.parametrize("shared", [False, True], ids=["seeds only add", "a seed suits some levels"])
def test_a_null_experiment_has_no_interaction(shared: bool) -> None:
    """Of three pairs that are tested none is named in 95 % of runs."""
    runs, named = many(300, 75), 0
    for rng in generators(runs, 19):
        takes = takes_of(full_factorial(), 3, rng)
        findings = Findings(_with_shared_errors(takes, rng, _each_level) if shared else takes)
        named += any(one.matters for one in findings.interactions)
    assert named / runs <= 0.05 + tolerance(0.05, runs)


@pytest.mark.parametrize("design", ["full factorial", "one factor at a time", "Latin hypercube"])
def test_a_null_experiment_names_no_winner(design: str) -> None:
    """In 95 % of runs, without tolerance; and hardly more often than that does a factor seem to matter."""
    runs, winners, mattering = many(200, 50), 0, 0
    for rng in generators(runs, 8):
        if design == "Latin hypercube":
            takes = takes_of(latin_hypercube(30, rng), 1, rng)
        else:
            takes = takes_of(full_factorial() if design == "full factorial" else one_factor_at_a_time(), 3, rng)
        findings = Findings(takes)
        winners += findings.winner is not None
        mattering += any(effect.matters for effect in findings.factors)
    assert winners / runs <= 0.05
    assert mattering / runs <= 0.05 + tolerance(0.05, runs)


def test_a_winner_that_is_named_is_the_best_and_often_named() -> None:
    runs, named, right = many(100, 50), 0, 0
    effect = by_level("temperature", {"0.7": 10.0, "1.0": 0.0, "1.3": 0.0})
    for rng in generators(runs, 9):
        winner = Findings(takes_of(full_factorial(), 4, rng, effect)).winner
        named += winner is not None
        right += winner is not None and winner.settings == {"temperature": "0.7"}
    assert named / runs >= 0.9
    assert right / named >= 0.95


def test_the_best_condition_is_among_those_tied_with_the_best() -> None:
    runs, kept, left = many(150, 50), 0, 0
    effect = by_level("temperature", {"0.7": 3.0, "1.0": 0.0, "1.3": -12.0})
    conditions = full_factorial({"temperature": FACTORS["temperature"]})
    for rng in generators(runs, 10):
        ranking = Findings(takes_of(conditions, 5, rng, effect)).conditions
        kept += any(one.tied_with_best and one.condition["temperature"] == "0.7" for one in ranking)
        left += any(not one.tied_with_best and one.condition["temperature"] == "1.3" for one in ranking)
    assert kept / runs >= 0.95 - tolerance(0.95, runs)
    assert left / runs >= 0.9
