"""Writes docs/RELIABILITY.md from the results of the long runs in docs/reliability/: `python docs/reliability.py`.

`make torture` leaves them there. With --stamp FILE, gives a result that bears none the date and the commit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.results import PROMISES, commit, today

PAGE = Path(__file__).resolve().with_name("RELIABILITY.md")
RESULTS = PAGE.parent / "reliability"
NOT_RUN = "not run"

ABOUT = """\
# What is promised, and what was done to break it

Written by `docs/reliability.py` from the results in docs/reliability/, which `make torture` renews. A part that has
no result there says so.

- **Crash points** (`tests/crashpoints/`): every step with an effect in the daemon passes a named point
  (`daemon/soundmill/faults/`), and a test fails where one does not. The real daemon, in a process of its own, is killed
  at each of them, at several passes, and again while it recovers; its power is cut, which takes back every name and all
  content that was not synced; and each step is made to fail with what a disk or SQLite may answer. What must hold is
  checked from outside: after every death that nothing is half there, in the end everything else. The engine is the
  tests' light one, reports are as few and written the same way; the `process` world has real engine processes.
- **Simulator** (`tests/simulate/`): inbox, catalogue, scheduler, workers, choosing and controls under one seed that
  owns clock, disk, people and engines.
- **Fuzz** (`tests/support/fuzz.py`): damaged job files are read.
- **Soak** (`benchmarks/soak.py`): many jobs on eight devices of the light engine, killed at random.
- **Hour** (`benchmarks/hour.py`): the daemon with its engine process, site and reports, fed all the while.
- **Mutation** (`tests/mutation/`): the code of catalog/, schedule/ and inbox/ is changed in small ways, one at a time,
  and a test has to fail: comparisons, conditions, arithmetic, constants, texts, what is returned, raised or caught,
  statements left out, and the words of SQL. A sample has from each file its share.

SQLite is trusted with its own files (`synchronous = FULL`): no power cut here damages the catalogue. A kill of a
process leaves what it wrote in the system's memory, so it cannot show whether things are synced in the right order; the
power cuts and the simulator show that.
"""


def page() -> str:
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    parts = [ABOUT, "## Promises and faults\n", *promises(found), "", "## The runs\n", *runs(found), ""]
    parts += ["## Nothing grows\n", *growth(found), ""]
    parts += [
        "That nothing is reachable that should not be is the matter of `tests/publish/test_attacks.py` and",
        "`tests/test_systemd.py`, at every run of the tests.\n",
    ]
    return "\n".join(parts)


def promises(found: Mapping[str, Any]) -> Iterator[str]:
    yield "| promise | fault | runs | violations |"
    yield "| --- | --- | ---: | ---: |"
    crashes, simulated = found.get("crashpoints"), found.get("simulator")
    for key, promise in PROMISES.items():
        if crashes is None:
            yield f"| {promise} | a kill, a power cut, a failing step at each point | {NOT_RUN} | |"
        for fault, count in sorted((crashes or {}).get("runs", {}).items()):
            wrong = crashes["wrong"].get(fault, {}).get(key, 0)
            yield f"| {promise} | {fault} | {count:,} | {wrong} |"
    if simulated is None:
        yield f"| all of them | simulated | {NOT_RUN} | |"
    else:
        faults = ", ".join(f"{kind} {count:,}" for kind, count in simulated["faults"].items())
        yield f"| all of them | simulated: {faults} | {simulated['runs']:,} | {len(simulated['violations'])} |"
    fuzzed = found.get("fuzz")
    if fuzzed is None:
        yield f"| {PROMISES['never ends']} | damaged job files | {NOT_RUN} | |"
    else:
        yield f"| {PROMISES['never ends']} | damaged job files | {fuzzed['inputs']:,} | {len(fuzzed['violations'])} |"


def runs(found: Mapping[str, Any]) -> Iterator[str]:
    yield "| what | day | commit | took | how much |"
    yield "| --- | --- | --- | ---: | --- |"
    for name, tell in (
        ("crashpoints", _crashpoints),
        ("simulator", _simulator),
        ("fuzz", lambda r: f"{r['inputs']:,} files"),
        ("soak", lambda r: f"{r['jobs']:,} jobs on {r['devices']} devices, {r['kills']} kills"),
        ("hour", lambda r: f"{r['jobs']:,} jobs of the built-in model"),
        ("mutation", _mutation),
    ):
        result = found.get(name)
        if result is None:
            yield f"| {name} | {NOT_RUN} | | | |"
        else:
            took = result.get("seconds", result.get("wall_s", 0))
            day, made_of = result.get("date", "unknown"), result.get("commit", "unknown")
            yield f"| {name} | {day} | {made_of} | {took:,.0f} s | {tell(result)} |"


def _crashpoints(result: Mapping[str, Any]) -> str:
    return (
        f"{result['points']} points; {result['kills']:,} kills, at least {result['kills_at_least']} at each;"
        f" {result['pairs']:,} pairs; {result['power_cuts']:,} power cuts; {sum(result['errors'].values()):,} errors of"
        f" {len(result['errors'])} kinds at {result['points_failed']} points; {result['lives']:,} lives of the daemon"
    )


def _simulator(result: Mapping[str, Any]) -> str:
    first, last = result["seeds"]
    return f"{result['jobs']:,} jobs, {result['starts']:,} starts of the daemon, seeds {first} to {last}"


def _mutation(result: Mapping[str, Any]) -> str:
    low, high = result["per_cent_95"]
    rooms = "; ".join(f"{room}/ {of['killed']} of {of['mutants']}" for room, of in result["rooms"].items())
    return (
        f"{result['killed']:,} of {result['mutants']:,} changes made a test fail: {result['per_cent']} % (95 %: {low}"
        f" to {high}), of {result['changes']:,} that could be made; {rooms}"
    )


def growth(found: Mapping[str, Any]) -> Iterator[str]:
    soak = found.get("soak")
    yield "| of the daemon | in | at most | second half of its longest life less the first |"
    yield "| --- | --- | ---: | ---: |"
    for run in ("soak", "hour"):
        for name, unit in (("memory_mb", " MB"), ("descriptors", ""), ("threads", "")):
            what, result = name.removesuffix("_mb"), found.get(run)
            if result is None:
                yield f"| {what} | {run} | {NOT_RUN} | |"
            else:
                yield f"| {what} | {run} | {result[f'{name}_most']}{unit} | {result[f'{name}_growth']:+g}{unit} |"
    if soak is not None:
        yield ""
        yield (
            f"A claim took {soak['claim_ms_median']} ms in the middle and {soak['claim_ms_p99']} ms at the 99th"
            f" percentile of {soak['claims']:,}; with the wait for seven other workers that had nothing else to do,"
            f" {soak['claim_waited_ms_p99']} ms. {soak['jobs_a_s']:,} jobs a second went through. Where"
            f" {soak['devices']} devices made {soak['paced_clips_a_s']} clips a second in all, a claim with its wait"
            f" took {soak['paced_claim_waited_ms_p99']} ms at that percentile."
        )


def stamp(path: Path) -> None:
    result = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({"date": today(), "commit": commit()} | result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stamp"]:
        stamp(Path(sys.argv[2]))
    else:
        PAGE.write_text(page(), encoding="utf-8")
