"""The simulator keeps finding what it is there to find, and the product keeps its promises in it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest

from simulate.breakage import BREAKAGES, provoking
from simulate.disk import Disk
from simulate.many import simulate, summary
from simulate.run import run
from simulate.scenario import scenario
from simulate.shrink import shrink
from soundmill.engine.remote.numbered import Incoming, Numbered

TESTS = Path(__file__).resolve().parents[1]


def test_every_promise_holds_in_a_few_thousand_jobs() -> None:
    """`make simulate` plays a hundred thousand."""
    results = list(simulate(3000, seed=1, per_run=400, processes=1))
    found = summary(results, wall_s=0.0, processes=1)
    assert found["violations"] == []
    assert found["jobs"] >= 3000
    assert {"kill", "power cut", "clock", "interrupt", "engine: die", "engine: oom"} <= set(found["faults"])


def test_every_promise_holds_on_machines_behind_a_network_that_loses_delays_and_repeats(tmp_path: Path) -> None:
    """Ten thousand of its faults, and those of disk, catalogue and engines beside them."""
    struck = Counter[str]()
    for seed in range(1, 40):
        result = run(seed, scenario(seed, 300), tmp_path / "run", far=True)
        assert result.violation is None, f"seed {seed}: {result.violation}"
        struck += Counter({kind: count for kind, count in result.struck.items() if kind.startswith("network: ")})
        if struck.total() >= 10_000:
            break
    assert struck.total() >= 10_000
    assert set(struck) == {"network: lost", "network: delayed", "network: repeated", "network: cut"}


def test_a_network_whose_repetitions_are_believed_is_missed(tmp_path: Path) -> None:
    def believe(_world: object) -> AbstractContextManager[object]:
        return mock.patch.object(Incoming, "take", lambda self, messages: _all_of(self, messages))

    assert any(
        run(seed, scenario(seed, 150), tmp_path / "run", far=True, spoil=believe).violation for seed in range(1, 7)
    )


def _all_of(into: Incoming, messages: Iterable[Numbered]) -> list[bytes]:
    into.heard = max([into.heard, *(number for number, _ in messages)])
    return [message for _, message in messages]


@pytest.mark.parametrize("rule", sorted(BREAKAGES))
def test_a_rule_that_is_switched_off_is_missed(rule: str, tmp_path: Path) -> None:
    """By the first of a few seeds, with the same histories harmless while the rule is on."""
    for seed in range(1, 9):
        history = provoking(rule, seed, 120)
        if run(seed, history, tmp_path / "run", spoil=BREAKAGES[rule]).violation is not None:
            assert run(seed, history, tmp_path / "run").violation is None
            return
    pytest.fail(f"nobody misses {rule}")


def test_a_seed_is_the_same_history_each_time() -> None:
    """In another process, where sets of names have another order."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    said = {
        subprocess.run(
            [sys.executable, "-m", "simulate", "--only", "7", "--per-run", "150"],
            capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": order},
        ).stdout.splitlines()[-1]
        for order in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1 and "digest" in said.pop()


def test_a_violation_is_told_by_its_shortest_history(tmp_path: Path) -> None:
    """Work that begins before its claim needs one job file, and nothing else of a history."""
    history = provoking("claim", 1, 60)

    def breaks(items: object) -> bool:
        return run(1, list(items), tmp_path / "run", spoil=BREAKAGES["claim"]).violation is not None  # type: ignore[call-overload]

    assert breaks(history)
    shortest = shrink(history, breaks, tries=60)
    assert len(shortest) == 1


def test_what_was_fsynced_outlives_a_power_cut_and_the_rest_may_not(tmp_path: Path) -> None:
    survived = set()
    for seed in range(40):
        home = tmp_path / str(seed)
        (home / "graveyard").mkdir(parents=True)
        disk = Disk(home / "graveyard")
        for name in ("kept", "lost"):
            (home / f"{name}.part").write_text(name)
            disk.written(f"{home}/{name}.part", new=True)
        disk.sync_file(f"{home}/kept.part")
        disk.rename(f"{home}/kept.part", f"{home}/kept")
        disk.sync_folder(str(home))
        disk.rename(f"{home}/lost.part", f"{home}/lost")
        disk.power_cut(random.Random(seed))
        assert (home / "kept").read_text() == "kept"
        names = {path.name for path in home.iterdir()} - {"kept", "graveyard"}
        survived |= {(name, (home / name).read_bytes()) for name in names}
    assert ("lost", b"lost") in survived and ("lost.part", b"lost") in survived
    assert any(name.startswith("lost") and content != b"lost" for name, content in survived)


def test_a_change_that_a_kept_one_rests_on_is_kept_too(tmp_path: Path) -> None:
    """A name that reached the disk in one folder was made before it was moved there."""
    (tmp_path / "graveyard").mkdir()
    (tmp_path / "target").mkdir()
    disk = Disk(tmp_path / "graveyard")
    (tmp_path / "new").write_text("new")
    disk.written(f"{tmp_path}/new", new=True)
    disk.sync_file(f"{tmp_path}/new")
    disk.rename(f"{tmp_path}/new", f"{tmp_path}/target/new")
    disk.sync_folder(f"{tmp_path}/target")
    assert disk.changes == []
