"""Many runs: every point killed, in pairs, with errors, with the power gone; what came of them as numbers."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from crashpoints.client import Crashes
from crashpoints.plan import KILL, POWER, Fault, Plan, Result
from soundmill.faults import DONE

SYSTEM_ERRORS = ("ENOSPC", "EIO", "EACCES", "EMFILE", "EROFS", "ESTALE")
CATALOGUE_ERRORS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_READONLY", "SQLITE_NOMEM")
WORLDS = (
    "quick",
    "used",
    "fresh",
    "no links",
    "stopped",
    "stopped in a report",
    "taken",
    "folder gone",
    "older",
    "process",
)  # the cheapest first
# The points of what the lives here have not: the site, in publish/, is another process's matter; what people ask for
# goes through `answer` and not by these methods, which tests call.
# Retention, backups and deliveries: tests/service/keeping, tests/commands/keeping and tests/service/aside kill those.
KEPT = {"snapshot.clear", "snapshot.copy"} | {
    f"catalog.{each}{end}" for each in ("prune", "pruned", "mark_delivered") for end in ("", DONE)
}
ASKED = ("cancel", "pause", "resume", "retry", "rate")
ELSEWHERE = frozenset(
    {"site.start", "site.kill"} | KEPT | {f"catalog.{each}{end}" for each in ASKED for end in ("", DONE)}
)
# Signals, and the end of an engine: no disk has a say in them.
NEVER_FAIL = frozenset({"engine.kill", "report.end", "worker.close", "alert.end"})
TRIES = 4  # to have a fault happen at a pass that a life need not come to

# What has to happen before a point is passed: in the same life, or in one before.
BEFORE_IN_A_LIFE = {"part.remove": Fault("shelf.audio", 1, "EIO")}
LIFE_BEFORE = {
    "shelf.sweep": Fault("shelf.sidecar", 1, KILL),
    "spool.sweep": Fault("part.name", 6, KILL),
    "spool.keep": Fault("spool.claim.done", 1, KILL),
}
# In the process of each, which counts no passes.
PASSED_BY_REPORTS = {"report.write": 5, "report.remove": 1, "report.settle": 2}

Profile = Mapping[str, Mapping[str, int]]  # by world: how often each point is passed


@dataclass(slots=True)
class Tally:
    """What happened. Counts are of faults that came to happen, `kills` and `power` by point, `errors` by word."""

    kills: Counter[str] = field(default_factory=Counter)
    power: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    failed_points: set[str] = field(default_factory=set)
    runs_of: Counter[str] = field(default_factory=Counter)  # by kind of fault
    wrong: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by kind and promise
    pairs: int = 0
    runs: int = 0
    lives: int = 0
    missed: int = 0  # faults that did not come to happen
    cpu_s: float = 0.0
    violations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, plan: Plan, result: Result) -> None:
        self.runs += 1
        self.lives += result.lives
        self.cpu_s += result.cpu_s
        for fault in (each for life in result.fired for each in life):
            if fault.what == KILL:
                self.kills[fault.point] += 1
            elif fault.what == POWER:
                self.power[fault.point] += 1
            else:
                self.errors[fault.what] += 1
                self.failed_points.add(fault.point)
        if sum(any(fault.ends_the_life for fault in life) for life in result.fired) >= 2:
            self.pairs += 1
        if sum(map(len, result.fired)) < sum(map(len, plan.lives)):
            self.missed += 1
        kind = kind_of(result)
        self.runs_of[kind] += 1
        self.wrong[kind].update(each.partition(":")[0] for each in result.violations)
        if result.violations:
            self.violations.append({"plan": plan.to_json(), "found": list(result.violations), "log": result.log})


def kind_of(result: Result) -> str:
    """What happened in a run, as the page calls it."""
    happened = [fault.what for life in result.fired for fault in life]
    if set(happened) - {KILL, POWER}:
        return "a step fails"
    if len(happened) > 1:
        return "killed, and again while it recovers"
    return {KILL: "killed", POWER: "the power is cut"}[happened[0]] if happened else "no fault"


def profiled(crashes: Crashes, seeds: Sequence[int]) -> dict[str, dict[str, int]]:
    """How often lives without faults pass each point, at the least, by world."""
    found: dict[str, dict[str, int]] = {}
    for world in WORLDS:
        passes = [crashes.run(Plan(world=world, seed=seed)).passes[0] for seed in seeds]
        found[world] = {point: min(each.get(point, 0) for each in passes) for point in set().union(*passes)}
        if world == WORLDS[0]:
            found[world] |= dict.fromkeys((*BEFORE_IN_A_LIFE, *LIFE_BEFORE), 1)
        if found[world].get("report.start"):
            found[world] |= PASSED_BY_REPORTS
    return found


def world_for(point: str, profile: Profile, chance: random.Random) -> tuple[str, int] | None:
    """Where a point is passed and how often; of the worlds that have it mostly the cheapest. None for none."""
    having = [(world, passes) for world in WORLDS if (passes := profile[world].get(point, 0)) > 0]
    if not having:
        return None
    return having[0] if chance.random() < 0.8 else chance.choice(having)


def lives_with(fault: Fault) -> tuple[tuple[Fault, ...], ...]:
    """The lives in which a fault comes to happen."""
    life = (BEFORE_IN_A_LIFE[fault.point], fault) if fault.point in BEFORE_IN_A_LIFE else (fault,)
    return ((LIFE_BEFORE[fault.point],), life) if fault.point in LIFE_BEFORE else (life,)


def kills(points: Iterable[str], profile: Profile, each: int, seed: int, what: str = KILL) -> Iterator[Plan]:
    """Every point `each` times, at passes spread over those it has."""
    for point in points:
        chance = random.Random(f"{seed} {point} {what}")
        for number in range(each):
            if (place := world_for(point, profile, chance)) is not None:
                world, passes = place
                turn = 1 + (number * passes // each if number < each else chance.randrange(passes))
                yield Plan(world=world, seed=seed + number, lives=lives_with(Fault(point, turn, what)))


def pairs(points: Sequence[str], profile: Profile, count: int, seed: int) -> Iterator[Plan]:
    """Two kills, the second in the life that recovers from the first: early, while it does, or anywhere in it."""
    chance = random.Random(seed)
    for number in range(count):
        point = points[number % len(points)]
        if (place := world_for(point, profile, chance)) is None:
            continue
        world, passes = place
        known = profile[world]
        second = chance.choice(sorted(known))
        turn = 1 if chance.random() < 0.5 else 1 + chance.randrange(max(1, known[second]))
        first = Fault(point, 1 + chance.randrange(passes), chance.choice((KILL, KILL, POWER)))
        yield Plan(world=world, seed=seed + number, lives=(*lives_with(first), (Fault(second, turn, KILL),)))


def errors(points: Iterable[str], profile: Profile, words: int, seed: int) -> Iterator[Plan]:
    """Each step fails, once or several times on end, with `words` of the errors that it may have."""
    for point in points:
        if point.endswith(DONE) or point in NEVER_FAIL:
            continue
        chance = random.Random(f"{seed} {point}")
        known = CATALOGUE_ERRORS if point.startswith("catalog.") else SYSTEM_ERRORS
        for number, word in enumerate(chance.sample(known, min(words, len(known)))):
            if (place := world_for(point, profile, chance)) is not None:
                world, passes = place
                fault = Fault(point, 1 + chance.randrange(passes), word, times=1 if number % 3 else 3)
                yield Plan(world=world, seed=seed + number, lives=lives_with(fault))


def carried_out(plans: Iterable[Plan], servers: int, tell: Callable[[Plan, Result], None]) -> Tally:
    """Run all plans, on some servers side by side. A fault that did not come to happen is tried again elsewhere."""
    tally, lock, waiting = Tally(), threading.Lock(), iter(plans)

    def take() -> Plan | None:
        with lock:
            return next(waiting, None)

    def work(_: int) -> None:
        with Crashes() as crashes:
            while (plan := take()) is not None:
                for number in range(TRIES):
                    tried = plan if number == 0 else _elsewhere(plan, number)
                    result = crashes.run(tried)
                    with lock:
                        tally.add(tried, result)
                        tell(tried, result)
                    if sum(map(len, result.fired)) >= sum(map(len, tried.lives)):
                        break

    with ThreadPoolExecutor(servers) as pool:
        for done in [pool.submit(work, number) for number in range(servers)]:
            done.result()
    return tally


def _elsewhere(plan: Plan, number: int) -> Plan:
    """The same at an earlier pass, and with another seed."""
    lives = tuple(
        tuple(Fault(each.point, max(1, each.turn >> number), each.what, each.times) for each in life)
        for life in plan.lives
    )
    return Plan(world=plan.world, seed=plan.seed + 1000 * number, lives=lives, broken=plan.broken)
