"""What happens in one run, drawn from its seed before it begins: a list of items, so that any of them can be left out.

An item is a fault at a step, something another program does at a time, or the share of clips that an engine spoils.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from simulate.world import DISK_ERRORS, SQL_ERRORS, Fault

STEPS_PER_JOB = 45  # about; where faults strike
DROP_KINDS = {
    "whole": 30, "submitted": 10, "slow": 8, "torn": 5, "duplicate": 4, "again": 4, "renamed": 6, "replaced": 4,
    "invalid": 8, "huge": 2, "growing": 6, "best of": 12, "checked": 15, "delivered": 5,
}  # fmt: skip
CONTROLS = (
    "cancel", "cancel job", "pause", "retry", "archive", "prune", "rate", "rate", "pick", "several", "by hand",
    "invalid",
)  # fmt: skip
RATES = {
    "fail": 0.02, "bad": 0.005, "input": 0.005, "die": 0.004, "hang": 0.003, "oom": 0.004, "late": 0.02,
    "twice": 0.01, "quiet": 0.08, "load": 0.05,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drop:
    """A job file put into the inbox `at_s` seconds after the begin; `kind` says how."""

    at_s: float
    number: int
    kind: str
    rows: int
    pick: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A control file: `action` for whatever `pick` comes to among the batches there are."""

    at_s: float
    number: int
    action: str
    pick: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of the clips meets this."""

    kind: str
    share: float


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that befalls the daemon from outside at a time: a clean stop, a worker's death, an unmounted disk."""

    at_s: float
    kind: str


Item = Fault | Drop | Wish | Rate | Mishap


def scenario(seed: int, jobs: int) -> list[Item]:
    """A history of about that many jobs."""
    rng = random.Random(f"scenario {seed}")
    items: list[Item] = [Rate(kind, share * rng.choice([0, 1, 1, 2])) for kind, share in RATES.items()]
    items += _drops(rng, jobs)
    last_s = max(item.at_s for item in items if isinstance(item, Drop)) + 60
    items += [
        Wish(rng.uniform(1, last_s), number, rng.choice(CONTROLS), rng.getrandbits(32))
        for number in range(rng.randrange(1, 16))
    ]
    mishaps = ["stop", "worker", "unmounted"]
    items += [Mishap(rng.uniform(1, last_s), rng.choice(mishaps)) for _ in range(rng.randrange(3))]
    items += faults(rng, steps=jobs * STEPS_PER_JOB, kills=rng.randrange(0, 8), spells=rng.randrange(0, 8))
    return items


def _drops(rng: random.Random, jobs: int) -> list[Item]:
    """Files of a few rows and files of hundreds."""
    drops: list[Item] = []
    left, at_s = jobs, 0.0
    kinds, weights = list(DROP_KINDS), list(DROP_KINDS.values())
    while left > 0 or not drops:
        kind = rng.choices(kinds, weights)[0]
        rows = min(left, rng.choice([1, 3, 8, 20, 60, 150])) or 1
        if kind in ("whole", "submitted", "best of", "checked", "delivered", "slow", "growing", "torn", "again"):
            left -= rows
        drops.append(Drop(at_s, len(drops), kind, rows, rng.getrandbits(32)))
        at_s += rng.choice([0.0, 0.0, 0.5, 5.0, 30.0])
    return drops


def faults(rng: random.Random, *, steps: int, kills: int, spells: int) -> list[Item]:
    found: list[Item] = []
    for _ in range(kills):
        at = rng.randrange(1, max(2, steps))
        for _ in range(rng.choice([1, 1, 1, 2, 3])):  # the later ones strike while the daemon recovers
            found.append(Fault(at, rng.choice(["kill", "kill", "power cut"]), 0, rng.getrandbits(32)))
            at += rng.choice([rng.randrange(1, 60), rng.randrange(1, 600)])
    kinds = [*DISK_ERRORS, "ENOSPC", "ENOSPC", "EIO", *SQL_ERRORS]
    for _ in range(spells):
        length = rng.choice([1, 1, 2, 10, 100, 1000])
        found.append(Fault(rng.randrange(1, max(2, steps)), rng.choice(kinds), length, rng.getrandbits(32)))
    for kind, most in (("clock", 3), ("interrupt", 40), ("cancel meanwhile", 12)):
        found += [
            Fault(rng.randrange(1, max(2, steps)), kind, 0, rng.getrandbits(32)) for _ in range(rng.randrange(most))
        ]
    return found
