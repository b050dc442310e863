"""Many runs, on all processors, and what they come to."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from simulate.breakage import BREAKAGES, provoking, whole
from simulate.run import Result, run
from simulate.scenario import Item, scenario
from simulate.shrink import shrink

PER_RUN = 1000  # jobs: enough for files to meet, few enough that a recovery is looked at as a whole
SHOWN = 3  # violations that are printed with their shortest history


def shared_folder() -> Path:
    """Where all processes of this keep their homes: in memory, where that can be had."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    parent = multiprocessing.parent_process()
    return base / f"soundmill-simulation-{os.getpid() if parent is None else parent.pid}"


def folder() -> Path:
    """Where this one does."""
    return shared_folder() / str(os.getpid())


def history(seed: int, jobs: int, broken: str | None) -> Sequence[Item]:
    return scenario(seed, jobs) if broken is None else provoking(broken, seed, jobs)


def play(seed: int, items: Sequence[Item], broken: str | None) -> Result:
    return run(seed, items, folder() / "run", spoil=whole if broken is None else BREAKAGES[broken])


def one(seed: int, *, jobs: int, broken: str | None) -> Result:
    try:
        return play(seed, history(seed, jobs, broken), broken)
    finally:
        shutil.rmtree(shared_folder() if multiprocessing.parent_process() is None else folder(), ignore_errors=True)


def simulate(jobs: int, *, seed: int, per_run: int, processes: int, broken: str | None = None) -> Iterator[Result]:
    """Runs from `seed` on until that many jobs have ended."""
    work = partial(one, jobs=per_run, broken=broken)
    runs = max(1, 2 * jobs // per_run)
    done = 0
    if processes == 1:
        for result in map(work, range(seed, seed + runs)):
            yield result
            done += result.jobs
            if done >= jobs:
                return
        return
    try:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for result in pool.imap(work, range(seed, seed + runs)):
                yield result
                done += result.jobs
                if done >= jobs:
                    return
    finally:
        shutil.rmtree(shared_folder(), ignore_errors=True)  # those that were ended in the middle leave theirs


def told(result: Result, per_run: int, broken: str | None) -> str:
    """A violation with its shortest history."""

    def breaks(items: Sequence[Item]) -> bool:
        return play(result.seed, items, broken).violation is not None

    shortest = shrink(history(result.seed, per_run, broken), breaks)
    last = play(result.seed, shortest, broken)
    shutil.rmtree(shared_folder() if multiprocessing.parent_process() is None else folder(), ignore_errors=True)
    lines = [f"seed {result.seed}: {result.violation}", f"  shortest history: {last.violation}"]
    lines += [f"    {item}" for item in shortest]
    lines += [f"    {step:>7} {what:<8} {where[:150]}" for step, what, where in last.trace[-30:]]
    return "\n".join(lines)


def summary(results: Sequence[Result], *, wall_s: float, processes: int) -> dict[str, Any]:
    struck, ended = Counter[str](), Counter[str]()
    for result in results:
        struck.update(result.struck)
        ended.update(result.ended)
    return {
        "jobs": sum(result.jobs for result in results),
        "files": sum(result.files for result in results),
        "runs": len(results),
        "seeds": [results[0].seed, results[-1].seed],
        "steps": sum(result.steps for result in results),
        "starts": sum(result.restarts for result in results),
        "ended": {status: count for status, count in sorted(ended.items()) if count},
        "faults": {kind: count for kind, count in sorted(struck.items()) if count},
        "violations": [{"seed": r.seed, "violation": r.violation} for r in results if r.violation],
        "wall_s": round(wall_s, 1),
        "processes": processes,
    }
