"""The daemon is killed at named points, its power is cut and its steps fail, as `python -m crashpoints` does at length.

Each life is a process forked from one that has imported everything, so that all of this costs less than a minute.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crashpoints.campaign import BEFORE_IN_A_LIFE, ELSEWHERE, LIFE_BEFORE, PASSED_BY_REPORTS, WORLDS
from crashpoints.client import TESTS, Crashes
from crashpoints.invariants import half_files
from crashpoints.plan import KILL, POWER, Fault, Plan
from crashpoints.world import put
from soundmill.faults import VARIABLE
from soundmill.home import Home
from support.points import points


@pytest.fixture(scope="module")
def crashes() -> Iterator[Crashes]:
    with Crashes() as server:
        yield server


def plan(*lives: tuple[str, int, str] | tuple[str, int, str, int], world: str = "quick", seed: int = 1) -> Plan:
    return Plan(world=world, seed=seed, lives=tuple((Fault(*each),) for each in lives))


def holds(crashes: Crashes, asked: Plan) -> None:
    """The faults came to happen, and nothing is wrong."""
    result = crashes.run(asked)
    assert not result.violations, f"{asked.to_json()}\n{result.log}"
    assert all(result.fired[: len(asked.lives)]), f"it did not come to {asked.lives}, but {result.fired}"


@pytest.mark.parametrize("world", WORLDS)
def test_without_a_fault_nothing_is_wrong(crashes: Crashes, world: str) -> None:
    """Which also is to say that the worlds ask of the daemon all that it can do."""
    asked = Plan(world=world, seed=3)
    result = crashes.run(asked)
    assert not result.violations, result.log


def test_every_point_is_passed_in_some_world(crashes: Crashes) -> None:
    passed = {point for world in WORLDS for life in crashes.run(Plan(world=world, seed=2)).passes for point in life}
    led_to = {*BEFORE_IN_A_LIFE, *LIFE_BEFORE, *PASSED_BY_REPORTS}
    assert set(points()) - passed - ELSEWHERE == led_to


@pytest.mark.parametrize(
    "point",
    [
        "spool.claim",
        "spool.claim.done",
        "catalog.ingest",
        "catalog.ingest.done",
        "catalog.claim",
        "catalog.claim.done",
        "shelf.sidecar",
        "shelf.audio",
        "shelf.sync.done",
        "catalog.succeed",
        "catalog.succeed.done",
        "move.clear",
        "control.remove",
        "spool.reject",
    ],
)
def test_a_kill_there_loses_nothing_and_doubles_nothing(crashes: Crashes, point: str) -> None:
    holds(crashes, plan((point, 1, KILL)))


@pytest.mark.parametrize("second", ["catalog.recover", "catalog.recover.done", "outputs.discard", "spool.accept"])
def test_a_second_kill_during_the_recovery_does_no_harm(crashes: Crashes, second: str) -> None:
    holds(crashes, plan(("catalog.succeed", 1, KILL), (second, 1, KILL)))


@pytest.mark.parametrize("point", ["catalog.ingest.done", "catalog.succeed.done", "spool.reject.done", "move.clear"])
def test_a_power_cut_there_loses_nothing(crashes: Crashes, point: str) -> None:
    holds(crashes, plan((point, 1, POWER)))


@pytest.mark.parametrize(
    "fault",
    [
        ("spool.accept", 1, "EIO", 3),
        ("spool.explain", 1, "ENOSPC"),
        ("shelf.audio", 2, "ENOSPC", 3),
        ("shelf.sync", 1, "ESTALE"),
        ("catalog.claim", 1, "SQLITE_BUSY", 3),
        ("catalog.succeed", 1, "SQLITE_FULL", 3),
        ("catalog.ingest", 1, "SQLITE_IOERR"),
        ("inbox.watch", 1, "EMFILE"),
        ("control.remove", 1, "EACCES", 3),
    ],
    ids=lambda fault: f"{fault[0]}-{fault[2]}",
)
def test_a_step_that_fails_is_done_later(crashes: Crashes, fault: tuple[str, int, str]) -> None:
    holds(crashes, plan(fault))


FOUND = {
    "a take that was filed and not recorded when its job was cancelled": plan(("worker.discard", 1, KILL)),
    "the same, and the daemon is killed again before it has removed it": plan(
        ("catalog.succeed", 1, KILL), ("catalog.recover.done", 1, KILL)
    ),
    "a file on its way back into the inbox": plan(("spool.back.clear", 1, KILL)),
    "a file that is back and keeps its claim": plan(("spool.back.clear", 1, "EROFS", 3)),
    "a claim that the power cut undoes when its batch is in the catalogue": plan(("catalog.ingest.done", 4, POWER)),
    "control files that commands had called handed over": plan(("catalog.limit_waits", 1, POWER)),
    "a list of problems that the power cut undoes when its file is rejected": plan(("catalog.choose", 1, POWER)),
    "an engine that could not be asked": plan(("worker.submit", 2, "EACCES", 3)),
    "a choice that fails a few times before a run ends": plan(("catalog.choose", 1, "SQLITE_NOMEM", 3)),
    "a list of problems half-written when the daemon is killed": plan(("part.name", 6, KILL)),
    "a date that jumps forward while a job fails": Plan(world="used", seed=1),
}


@pytest.mark.parametrize("found", FOUND)
def test_what_the_long_run_found_stays_mended(crashes: Crashes, found: str) -> None:
    holds(crashes, FOUND[found])


BROKEN = {
    "fence": plan(),
    "claim": plan(("worker.file", 1, KILL)),
    "ulid": plan(("catalog.ingest.done", 1, KILL)),
    "part": plan(("shelf.half", 3, KILL)),  # passed by what breakage.py has instead
    "fsync": plan(("catalog.succeed.done", 1, POWER)),
}


@pytest.mark.parametrize("safeguard", BROKEN)
def test_a_safeguard_that_is_switched_off_is_missed(crashes: Crashes, safeguard: str) -> None:
    """The fence of a finish, the claim before the work, the ulid's check, part files, what is synced before a row."""
    whole = BROKEN[safeguard]
    assert not crashes.run(whole).violations
    broken = replace(whole, broken=safeguard)
    assert crashes.run(broken).violations, f"without {safeguard} all seemed well"


def test_the_variable_kills_a_daemon_that_was_started_as_any_program(tmp_path: Path) -> None:
    """With an engine in a process of its own, which ends with it."""
    home = Home(tmp_path)
    home.create()
    put(home.inbox, "a.csv", "prompt\none clip\nanother clip\n")

    def started(fault: str) -> int:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), VARIABLE: fault}
        command = [sys.executable, str(TESTS / "support" / "light_daemon.py"), str(home.root), "--once"]
        return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, timeout=90, check=False).returncode

    assert started("catalog.succeed:2=kill") == -signal.SIGKILL
    assert started("catalog.recover.done:1=kill") == -signal.SIGKILL
    assert started("shelf.audio:1=ENOSPC") == 0
    with contextlib.closing(sqlite3.connect(home.catalog)) as db:
        assert db.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall() == [("succeeded", 2)]
    assert not list(half_files(home))
