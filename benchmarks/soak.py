"""A long while in a short one: many jobs on eight devices, the daemon killed at random; does anything grow?

    python benchmarks/soak.py [--jobs 200000] [--devices 8] [--kills 20] [--seed 1] [--paced 2000] [--dir FOLDER]
                             [--json FILE]

The daemon is a process of its own with the light engine of the tests, whose clips take no time, so the catalogue and
the disk are all that is worked. Its memory, descriptors and threads are read from /proc once in half a second, and the
second half of the longest life is compared with its first: kills come while the first half of the jobs is made, so that
the last life is long, and the catalogue's cache full in its second half. A claim is timed while it has the catalogue to
itself, and as long as a worker waits for it, behind seven others that have nothing else to do; then once more, in a
second home, with clips that take their time: eight devices that make five a second each. In a folder in memory
unless --dir names another. Reports and the site, which are processes of their own, are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from soundmill.catalog.catalog import Catalog  # noqa: E402
from soundmill.config import Config, InboxConfig, ScheduleConfig  # noqa: E402
from soundmill.engine.protocol import Event  # noqa: E402
from soundmill.home import Home  # noqa: E402
from soundmill.jobs import Attempt, GenerationRequest  # noqa: E402
from soundmill.service.daemon import Service  # noqa: E402
from support.fake_engine import FakeEngine  # noqa: E402
from support.results import keep, stamped  # noqa: E402

SLOTS = 8
JOBS_A_FILE = 2500
CLIPS_A_S = 5  # that a device makes where clips take time
SAMPLED_EVERY_S = 0.5
SETTLED_AFTER = 0.2  # of a life: until then it fills what it keeps
CLAIMS_KEPT = 200_000


class Forgetful(FakeEngine):
    """The tests' engine keeps all that it was ever asked for; this one must not. `clip_s` is what a clip takes, half as
    long to half as long again, so that they do not end together."""

    def __init__(self, device: str, *, clip_s: float) -> None:
        super().__init__(device, slots=SLOTS, wait=lambda s: time.sleep(min(s, 0.02)))
        self._clip_s = clip_s

    def _advance(self, flight: Any) -> list[Event]:
        ran_s = self._clock() - (flight.due_at - flight.request.deadline_s)
        share = 0.5 + random.Random(flight.request.job_id).random()
        return super()._advance(flight) if ran_s >= self._clip_s * share else []

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        super().submit(requests)
        self.submitted.clear()
        self.cancelled.clear()


def timed(note: Callable[[float, float], None]) -> None:
    """Have every claim of this process timed that finds something: as the worker waits for it, and its own work in the
    catalogue, which another thread may do for it in a transaction that they share."""
    claiming = vars(Catalog)["claim"]
    clock, own = time.perf_counter, dict[int, float]()
    claimed = claiming._function

    def work(*arguments: Any, **asked: Any) -> list[Attempt]:
        began = clock()
        found: list[Attempt] = claimed(*arguments, **asked)
        own[id(found)] = clock() - began
        return found

    def claim(self: Catalog, **asked: Any) -> list[Attempt]:
        began = clock()
        found: list[Attempt] = claiming.__get__(self, Catalog)(**asked)
        spent = own.pop(id(found))
        if found:
            note(clock() - began, spent)
        return found

    claiming._function = work
    Catalog.claim = claim  # type: ignore[method-assign, assignment]


def serve(root: Path, devices: int, clip_s: float) -> None:
    """One life of the daemon, until the queue is empty or it is killed; its claims' times go to a file beside it."""
    settings = Config(
        default_model="tiny",
        default_duration=0.5,
        inbox=InboxConfig(settle_s=0.0, scan_interval_s=0.5),
        schedule=ScheduleConfig(backoff_max_s=0.5),
    )
    with (root.parent / "claims").open("a", buffering=1) as claims:
        timed(lambda waited, own: claims.write(f"{waited:.6f} {own:.6f}\n") and None)
        service = Service(
            Home(root),
            settings,
            devices=[f"cuda:{number}" for number in range(devices)],
            with_site=False,
            with_reports=False,
            engine_for=lambda device: Forgetful(device, clip_s=clip_s),
            reread=lambda: settings,
        )
        ended = service.run(once=True)
    sys.exit(0 if ended.problem is None else 1)


@dataclass(slots=True)
class Life:
    """What /proc said of one life, once in SAMPLED_EVERY_S: kB of memory, descriptors, threads."""

    memory_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self, pid: int) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            memory, threads = int(status["VmRSS"].split()[0]), int(status["Threads"])
            self.descriptors.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
            self.memory_kb.append(memory)
            self.threads.append(threads)


def growth(values: Sequence[int]) -> float:
    """The median of the second half less that of the first, of what comes after the beginning."""
    settled = values[int(len(values) * SETTLED_AFTER) :]
    half = len(settled) // 2
    return statistics.median(settled[half:]) - statistics.median(settled[:half]) if half else 0.0


def tenths(values: Sequence[int]) -> list[float]:
    """The median of each tenth, as far as there are that many."""
    size = max(1, len(values) // 10)
    return [statistics.median(values[start : start + size]) for start in range(0, size * 10, size) if values[start:]]


def home_with(folder: Path, jobs: int) -> Home:
    """A home whose inbox holds so many jobs."""
    home = Home(folder / "home")
    home.root.mkdir(parents=True)
    home.create()
    for number in range(0, jobs, JOBS_A_FILE):
        rows = "".join(f"clip {number + row} of a long night\n" for row in range(min(JOBS_A_FILE, jobs - number)))
        (home.inbox / f"night-{number // JOBS_A_FILE:04}.csv").write_text(f"prompt\n{rows}")
    return home


def serving(home: Home, devices: int, clip_s: float) -> list[str]:
    return [sys.executable, __file__, "--serve", str(home.root), "--devices", str(devices), "--clip-s", str(clip_s)]


def claims_of(home: Home) -> tuple[list[float], list[float]]:
    """The seconds that a worker waited for each claim, and those that were the claim's own; both sorted."""
    lines = [line.split() for line in (home.root.parent / "claims").read_text().splitlines()[-CLAIMS_KEPT:]]
    waited, own = (sorted(float(line[n]) for line in lines if len(line) == 2) for n in (0, 1))
    return waited, own


def paced(folder: Path, jobs: int, devices: int) -> dict[str, Any]:
    """Claims as workers wait for them while every device makes CLIPS_A_S."""
    home = home_with(folder, jobs)
    subprocess.run(serving(home, devices, SLOTS / CLIPS_A_S), check=True)
    waited, _ = claims_of(home)
    return {
        "paced_jobs": jobs,
        "paced_clips_a_s": CLIPS_A_S * devices,
        "paced_claim_waited_ms_p99": round(1000 * waited[int(len(waited) * 0.99)], 2),
    }


def soak(folder: Path, jobs: int, devices: int, kills: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    home = home_with(folder, jobs)
    began, killed, lives = time.monotonic(), 0, list[Life]()
    status = -1
    while status != 0:
        life = Life()
        lives.append(life)
        ends_at = done(home) + chance.uniform(0.2, 1.8) * jobs / 2 / (kills + 1)
        with subprocess.Popen(serving(home, devices, 0.0)) as process:
            while process.poll() is None:
                time.sleep(SAMPLED_EVERY_S)
                life.look(process.pid)
                if killed < kills and done(home) >= ends_at:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    break
            status = process.wait()
        if status not in (0, -signal.SIGKILL):
            raise SystemExit(f"the daemon ended with {status}")
    waited, own = claims_of(home)
    longest = max(lives, key=lambda each: len(each.memory_kb))
    return {
        "seconds": time.monotonic() - began,
        "jobs": jobs,
        "devices": devices,
        "kills": killed,
        "memory_mb_most": round(max(max(each.memory_kb, default=0) for each in lives) / 1024, 1),
        "memory_mb_growth": round(growth(longest.memory_kb) / 1024, 1),
        "memory_mb_by_tenths": [round(kb / 1024, 1) for kb in tenths(longest.memory_kb)],
        "descriptors_most": max(max(each.descriptors, default=0) for each in lives),
        "descriptors_growth": growth(longest.descriptors),
        "threads_most": max(max(each.threads, default=0) for each in lives),
        "threads_growth": growth(longest.threads),
        "jobs_a_s": round(jobs / (time.monotonic() - began)),
        "claims": len(waited),
        "claim_ms_median": round(1000 * own[len(own) // 2], 2),
        "claim_ms_p99": round(1000 * own[int(len(own) * 0.99)], 2),
        "claim_waited_ms_p99": round(1000 * waited[int(len(waited) * 0.99)], 2),
        "violations": wrong(home, jobs),
    }


def done(home: Home) -> int:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connected(home)) as db:
        return int(db.execute("SELECT coalesce(sum(n_succeeded), 0) FROM batches").fetchone()[0])
    return 0


def connected(home: Home) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{home.catalog}?mode=ro", uri=True, timeout=10)


def wrong(home: Home, jobs: int) -> list[str]:
    """What is not as it must be in the end."""
    found = []
    with contextlib.closing(connected(home)) as db:
        ended = dict(db.execute("SELECT status, count(*) FROM jobs GROUP BY status"))
        if ended != {"succeeded": jobs}:
            found.append(f"jobs: {ended}")
        paths = {row[0] for row in db.execute("SELECT path FROM outputs")}
    files = {path.relative_to(home.outputs).as_posix() for path in home.outputs.rglob("*.wav")}
    if len(paths) != jobs or files != paths:
        found.append(f"{len(paths)} takes, {len(files)} files")
    if parts := sum(1 for _ in home.outputs.rglob("*.part")):
        found.append(f"{parts} half-written files")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paced", type=int, default=2000, help="jobs of the second home")
    parser.add_argument("--dir", type=Path, help="where the home is made; in memory where there is /dev/shm")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--clip-s", type=float, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        serve(chosen.serve, chosen.devices, chosen.clip_s)
    memory = Path("/dev/shm")
    where = chosen.dir or (memory if os.access(memory, os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=where) as folder:
        numbers = soak(Path(folder), chosen.jobs, chosen.devices, chosen.kills, chosen.seed)
        numbers |= paced(Path(folder) / "paced", chosen.paced, chosen.devices)
    result = stamped("soak", seconds=numbers.pop("seconds"), seed=chosen.seed, **numbers)
    print(json.dumps(result, indent=2))
    keep(result, chosen.json)
    sys.exit(1 if result["violations"] else 0)


if __name__ == "__main__":
    main()
