"""What a cluster costs: python benchmarks/cluster.py [--engines N] [--clips N] [--clip-s S] [--clip-mb MB] [--here]
[--shared]

A real Ray head and nodes on this machine, a daemon in a process of its own, and engines that compute nothing: each is a
device that makes one clip in `--clip-s` seconds, `--clip-mb` large, and may have the next one waiting. What is measured
is the way there and back. With `--here` the same engines are in the daemon itself, with no way at all, to compare with;
with `--shared` eight share a process of Ray (tests/support/shared_actors.py), all else being as ever.
How to read it:

busy      Share of the engines' time, from each one's first clip to its last, in which they had one to make. 95 %.
cores     Processor time of daemon and of gateway by second. The daemon under one.
filed     Seconds from when a clip was made to when its row was written: median, 95 %, longest. 95 % under 2 s.
a clip    Milliseconds of processor time for each: of the daemon, of the gateway, of the engines' processes, and of
          Ray's own on all nodes. Those of machines, but for the daemon's, are each machine's own where they are many.
pairs     `--workers` threads claim and finish jobs of one catalogue as fast as they can; a pair is two durable
          transactions, which they share. One worker's rate beside it. `--pairs 0` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from soundmill.catalog.catalog import Catalog
from soundmill.config import ClusterConfig, Config, EngineConfig, InboxConfig
from soundmill.home import Home
from soundmill.jobs import BatchSpec, JobSpec, Judgement, Parameters, Source, Verdict
from support.outputs import make_output
from support.ray_cluster import RayCluster
from support.stub_engine import SLOTS, StubEngine

ENGINES_A_NODE = 16
START_PATIENCE_S = 400.0


@contextmanager
def cluster_of(engines: int) -> Iterator[tuple[str, dict[str, str]]]:
    cluster = RayCluster()
    try:
        cluster.start_head()
        cluster.await_start("head")
        for number in range((engines + ENGINES_A_NODE - 1) // ENGINES_A_NODE):
            cluster.start_node(f"n{number}", cpus=min(ENGINES_A_NODE, engines - number * ENGINES_A_NODE))
            cluster.await_start(f"n{number}")
        yield cluster.address, cluster.environment
    finally:
        cluster.stop()


def serve(folder: Path, engines: int, address: str, clips: int, clip_s: float, *, shared: bool) -> None:
    """The process that is measured: a daemon, until all clips are made. It says when it begins and when it is done."""
    from functools import partial

    from soundmill.engine.remote.access import environment
    from soundmill.engine.remote.link import Link
    from soundmill.service import daemon

    module = "support.shared_actors" if shared else "soundmill.engine.remote.gateway"
    daemon.Cluster = partial(  # type: ignore[misc,assignment]
        daemon.Cluster,
        engine_for="support.stub_engine:open_stub",
        reach=lambda _, home: Link({"address": address}, environment(address, home.cluster_token), module=module),
    )
    config = Config(
        default_model="tiny",
        default_duration=clip_s,
        inbox=InboxConfig(settle_s=0.0, scan_interval_s=0.2),
        engine=EngineConfig(slots=SLOTS),
        cluster=ClusterConfig(address=address or None, gpus=0, cpus_per_engine=1),
    )
    home = Home(folder)
    home.create()
    service = daemon.Service(
        home,
        config,
        devices=() if address else [f"here:{number}" for number in range(engines)],
        with_site=False,
        with_reports=False,
        engine_for=None if address else lambda _: StubEngine(),
    )
    try:
        until = time.monotonic() + START_PATIENCE_S
        while len(service._pool.posts) < engines and time.monotonic() < until:
            service.tick()
            time.sleep(0.1)
        # One clip for each first, so that all have started and loaded.
        for name, count in (("first", 4 * engines), ("clips", clips)):
            print(name, flush=True)
            (home.inbox / f".{name}.part").write_text("prompt\n" + f"{name}\n" * count)
            (home.inbox / f".{name}.part").rename(home.inbox / f"{name}.csv")
            accepted = service.inbox.accepted
            while service.inbox.accepted == accepted or service.catalog.unfinished() > 0:
                service.tick()
                time.sleep(0.25)
        print("done", flush=True)
        sys.stdin.readline()
    finally:
        service.stop(0.0)


def measure(engines: int, clips: int, clip_s: float, clip_mb: float, *, here: bool, shared: bool) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        if here:
            return _measured(Path(folder), engines, clips, clip_s, "", {}, clip_mb, [])
        with cluster_of(engines) as (address, environment):
            more = ["--shared"] if shared else []
            return _measured(Path(folder), engines, clips, clip_s, address, environment, clip_mb, more)


def _measured(
    folder: Path,
    engines: int,
    clips: int,
    clip_s: float,
    address: str,
    environment: dict[str, str],
    clip_mb: float,
    more: list[str],
) -> dict[str, object]:
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)
    daemon = subprocess.Popen(
        [
            sys.executable, __file__, "--serve", str(folder), "--engines", str(engines), "--clips", str(clips),
            "--clip-s", str(clip_s), "--address", address, *more,
        ],
        env={**os.environ, **environment, "PYTHONPATH": path, "SOUNDMILL_STUB_BYTES": str(int(clip_mb * 1e6))},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert daemon.stdout is not None and daemon.stdin is not None
    try:
        _wait_for(daemon, "clips")
        process = psutil.Process(daemon.pid)
        parts = {"daemon": [process], "gateway": process.children(), **of_ray(address)}
        before, began = {part: sum(map(_cpu_s, those)) for part, those in parts.items()}, time.monotonic()
        _wait_for(daemon, "done")
        span_s = time.monotonic() - began
        spent = {part: sum(map(_cpu_s, those)) - before[part] for part, those in parts.items()}
        found = _from(folder / "catalog.db")
        daemon.stdin.close()
        daemon.wait(60.0)
    finally:
        daemon.kill()
    return {
        "engines": engines, "clips": clips, "seconds": round(span_s, 1), "clips_a_second": round(clips / span_s, 1),
        "mb_a_second": round(clips * clip_mb / span_s, 2), **found,
        "daemon_cores": round(spent["daemon"] / span_s, 3), "gateway_cores": round(spent["gateway"] / span_s, 3),
        "ms_a_clip": {part: round(1000 * spent_s / clips, 2) for part, spent_s in spent.items()},
    }  # fmt: skip


def of_ray(address: str) -> dict[str, list[psutil.Process]]:
    """The processes of a cluster on this machine: those of engines, and Ray's own."""
    found: dict[str, list[psutil.Process]] = {"engines": [], "ray": []}
    port = address.rpartition(":")[2]
    for process in psutil.process_iter(["cmdline"]) if port else ():
        program, *arguments = process.info["cmdline"] or [""]
        of_this = any(re.fullmatch(rf"--gcs(-address=.*:|_server_port=){port}", each) for each in arguments)
        if of_this and program.endswith("/raylet"):
            found["ray"].append(process)
            found["engines"] += [each for each in process.children() if "ray::" in each.cmdline()[0]]
        elif of_this and program.endswith("/gcs_server"):
            found["ray"].append(process)
    return found


def _wait_for(daemon: subprocess.Popen[str], word: str) -> None:
    assert daemon.stdout is not None
    for line in daemon.stdout:
        if line.strip() == word:
            return
    raise SystemExit("the daemon ended")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _from(catalog: Path) -> dict[str, object]:
    with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT a.worker, a.finished_at, o.versions FROM outputs o JOIN attempts a ON a.job_id = o.job_id"
            " AND a.number = o.attempt JOIN jobs j ON j.id = o.job_id WHERE j.prompt = 'clips' ORDER BY a.finished_at"
        ).fetchall()
    waits, busy = [], []
    by_worker: dict[str, list[tuple[float, float]]] = {}
    for worker, finished_at, versions in rows:
        told = json.loads(versions)
        waits.append(finished_at - float(told["made_at"]))
        by_worker.setdefault(worker, []).append((float(told["made_at"]), float(told["idle_s"])))
    for told_of in by_worker.values():
        (first, idle_before), (last, idle) = min(told_of), max(told_of)
        if last > first:
            busy.append(1 - (idle - idle_before) / (last - first))
    waits.sort()
    return {
        "busy_share": round(statistics.fmean(busy), 4),
        "filed_s": [round(waits[int(len(waits) * share)], 3) for share in (0.5, 0.95)] + [round(waits[-1], 3)],
    }


def pairs_a_second(workers: int, pairs: int, folder: Path) -> float:
    """Claims and finishes of that many threads, each with a job of its own at a time."""
    catalog = Catalog.open(folder / f"pairs-{workers}.db", clock=time.time)
    parameters = Parameters(duration=1.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)
    jobs = [
        JobSpec(position=n, name=f"clip-{n}", prompt="a clip", model="tiny", parameters=parameters, seed=n)
        for n in range(1, pairs + 1)
    ]
    source = Source(ulid="01", file_name="pairs.csv", sha256="0", size_bytes=1)
    catalog.ingest(BatchSpec(name="pairs", jobs=jobs, job_count=len(jobs)), source)
    judgement = Judgement(checks=(), verdict=Verdict.PASSED, score=90.0, ruleset="none")

    def work(number: int) -> None:
        name = f"w{number}"
        while attempts := catalog.claim(worker=name, device=name, model="tiny", limit=1, engine_idle=True):
            for attempt in attempts:
                output = make_output(attempt, f"pairs/{attempt.job.id}.wav")
                catalog.succeed(attempt, output, judgement, retry_for_quality=False)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - began
    catalog.close()
    return pairs / took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", type=int, default=16)
    parser.add_argument("--clips", type=int, default=320)
    parser.add_argument("--clip-s", type=float, default=1.0)
    parser.add_argument("--clip-mb", type=float, default=2.0)
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 16, 64])
    parser.add_argument("--folder", type=Path, help="where the catalogue of the pairs is [default: a temporary one]")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.engines, chosen.address, chosen.clips, chosen.clip_s, shared=chosen.shared)
        return
    if chosen.engines:
        found = measure(
            chosen.engines, chosen.clips, chosen.clip_s, chosen.clip_mb, here=chosen.here, shared=chosen.shared
        )
        print(json.dumps(found))
    if chosen.pairs:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            for workers in chosen.workers:
                print(f"{workers} workers: {pairs_a_second(workers, chosen.pairs, Path(folder)):,.0f} pairs a second")


if __name__ == "__main__":
    main()
