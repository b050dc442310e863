"""The runner of benchmarks/lease/: what it owes to whoever has a card for ten minutes, whatever its parts do."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LEASE = Path(__file__).resolve().parents[1] / "benchmarks" / "lease"

# A part as child.py runs one: ready, told its limit, a line for each result.
START = """
import json, os, subprocess, sys, time
records = open(sys.argv[-1], "a")
limit_s = float(sys.stdin.readline())
def say(key, value):
    print(key, value, flush=True)
    records.write(json.dumps({key: value}) + "\\n")
    records.flush()
say("limit", limit_s)
"""
GOOD = START
RAISES = START + "say('before', 1); 1 / 0"
HANGS = START + "say('before', 2); time.sleep(600)"
CRASHES = START + "say('before', 3); os.abort()"
LEAVES = START + "say('child', subprocess.Popen(['sleep', '600']).pid)"
NO_START = "import a_module_that_is_not_there"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    return _load("run")


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"lease_{name}", LEASE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _conduct(
    run: ModuleType, tmp_path: Path, seconds: float, codes: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The outcomes, and the states of all parts each time that they were written."""
    monkeypatch.setattr(run, "LEAST_S", 0.0)
    monkeypatch.setattr(run, "GRACE_S", 0.3)
    parts = [run.Part(name=name, share_s=10) for name in codes]
    written: list[dict[str, str]] = []

    def write(outcomes: Mapping[str, Any]) -> None:
        run.write_json(tmp_path / "out.json", {"device": "cpu"}, outcomes)
        found = json.loads((tmp_path / "out.json").read_text())["parts"]
        written.append({name: part["state"] for name, part in found.items()})

    outcomes = run.conduct(
        parts,
        time.monotonic() + seconds,
        lambda part: [sys.executable, "-c", codes[part.name]],
        os.environ,
        tmp_path,
        write,
    )
    return outcomes, written


def test_a_part_that_raises_or_crashes_costs_the_others_nothing(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {"raises": RAISES, "crashes": CRASHES, "absent": NO_START, "good": GOOD}
    outcomes, written = _conduct(run, tmp_path, 60, codes, monkeypatch)
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "raises": "failed", "crashes": "failed", "absent": "failed", "good": "done",
    }  # fmt: skip
    assert "ZeroDivisionError" in outcomes["raises"].traceback
    assert "a_module_that_is_not_there" in outcomes["absent"].traceback
    assert outcomes["raises"].results["before"] == 1 and outcomes["crashes"].results["before"] == 3
    assert outcomes["good"].traceback is None
    # Whoever stops the run after any part has what was found by then.
    assert written == [
        {"raises": "failed", "crashes": "waiting", "absent": "waiting", "good": "waiting"},
        {"raises": "failed", "crashes": "failed", "absent": "waiting", "good": "waiting"},
        {"raises": "failed", "crashes": "failed", "absent": "failed", "good": "waiting"},
        {"raises": "failed", "crashes": "failed", "absent": "failed", "good": "done"},
    ]


def test_a_part_that_hangs_is_ended_at_its_share_and_keeps_its_results(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    outcomes, _ = _conduct(run, tmp_path, 6, {"hangs": HANGS, "good": GOOD}, monkeypatch)
    assert outcomes["hangs"].state == "stopped" and outcomes["hangs"].results["before"] == 2
    assert outcomes["hangs"].limit_s <= 3
    assert outcomes["good"].state == "done"
    assert time.monotonic() - began < 6


def test_a_part_gets_what_the_ones_before_it_left(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes, _ = _conduct(run, tmp_path, 60, {"first": GOOD, "second": GOOD, "third": GOOD}, monkeypatch)
    first, second, third = (outcome.results["limit"] for outcome in outcomes.values())
    assert 15 < first <= 20 < second < third <= 60


def test_what_a_part_started_ends_with_it(run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes, _ = _conduct(run, tmp_path, 30, {"leaves": LEAVES}, monkeypatch)
    assert outcomes["leaves"].state == "done"
    until = time.monotonic() + 10
    while _lives(outcomes["leaves"].results["child"]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(outcomes["leaves"].results["child"])


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_shares_are_scaled_to_the_time_and_never_more_than_is_left(run: ModuleType) -> None:
    whole = sum(part.share_s for part in run.PARTS)
    assert [run.limit_of(part, run.PARTS, whole) for part in run.PARTS] == pytest.approx(
        [max(part.share_s, run.LEAST_S) for part in run.PARTS]
    )
    assert run.limit_of(run.PARTS[1], run.PARTS, 2 * whole) == pytest.approx(2 * run.PARTS[1].share_s)
    assert run.limit_of(run.PARTS[0], run.PARTS, 4.0) == 4.0
    assert run.limit_of(run.PARTS[0], run.PARTS, -1.0) == 0.0


def test_every_part_and_every_result_that_is_aimed_at_is_there(run: ModuleType) -> None:
    for part in run.PARTS:
        assert (LEASE / "parts" / f"{part.name}.py").is_file()
    assert {aim.part for aim in run.AIMS} <= {part.name for part in run.PARTS}


def test_a_result_that_was_cut_off_costs_no_other(run: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    assert run.read_records(file) == {}
    file.write_text('{"a": 1}\n{"b": "two"}\n{"c": 3')
    assert run.read_records(file) == {"a": 1, "b": "two"}


@pytest.mark.parametrize(
    ("value", "on_gpu", "verdict"),
    [(250.0, True, "met"), (200, True, "met"), (80.0, True, "not met"), (None, True, "not measured"),
     (250.0, False, "not measured")],
)  # fmt: skip
def test_an_aim_is_met_or_not_on_a_gpu_alone(run: ModuleType, value: float | None, on_gpu: bool, verdict: str) -> None:
    aim = run.Aim(about="speed", part="speed", result="per s", least=200)
    results = {} if value is None else {"per s": value}
    outcomes = {"speed": run.Outcome(state="done", results=results)}
    assert run.judge(aim, outcomes, on_gpu) == (value, verdict)
    assert "| speed | done |" in run.table(outcomes, on_gpu)


def test_a_pack_without_a_package_or_for_another_python_is_refused(tmp_path: Path) -> None:
    prepare = _load("prepare")
    wanted = prepare.to_pack(prepare.environment_of("3.12"))
    assert {"audiocraft", "soundfile", "pydantic-core", "watchdog"} <= wanted
    assert not wanted & {"torch", "numpy", "scipy", "transformers", "torchaudio", "datasette", "xformers"}
    wheels = [tmp_path / "pydantic_core-2.50.4-cp311-cp311-manylinux_2_17_x86_64.whl"]
    lines = prepare.faults(wheels, "3.12")
    assert f"{wheels[0].name}: not for CPython 3.12 on 64-bit Linux" in lines
    assert {f"{name}: not packed" for name in wanted - {"pydantic-core"}} <= set(lines)
    assert not [line for line in prepare.faults(wheels, "3.11") if "not for" in line]


def test_a_compiled_module_that_the_card_s_pack_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(LEASE))
    rehearse = _load("rehearse")
    here, card = (tmp_path / name for name in ("here", "card"))
    for folder, tag in ((here, "cp311"), (card, "cp312")):
        folder.mkdir()
        with zipfile.ZipFile(folder / f"fast-1.0-{tag}-{tag}-linux_x86_64.whl", "w") as wheel:
            wheel.writestr("fast/__init__.py", "")
            wheel.writestr(f"fast/_core.cpython-{tag[2:]}-x86_64-linux-gnu.so", "")
    assert rehearse.missing(here, card) == []
    with zipfile.ZipFile(here / "more-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("more.py", "")
    with zipfile.ZipFile(here / "fast-1.0-cp311-cp311-linux_x86_64.whl", "a") as wheel:
        wheel.writestr("fast/_extra.cpython-311-x86_64-linux-gnu.so", "")
    assert rehearse.missing(here, card) == ["more: not packed", "fast: lacks fast/_extra"]
