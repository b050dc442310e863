"""Three machines of two engines each, as real processes under a real Ray head, and everything that befalls machines.

CLIPS=500 asks for more than the few that a run of all tests makes. Machines that end join again, as with
`soundmill cluster join`, but for those that the test holds away.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from soundmill.home import Home
from support.ray_cluster import RayCluster

ROUNDS = 6  # of clips, at least: one for each thing that befalls the machines, and a last one
CLIPS = int(os.environ.get("CLIPS", "72")) // ROUNDS  # a round; twelve keep six engines busy
PATIENCE_S = 240.0 + 5.0 * CLIPS
NODES = ("ws1", "ws2", "ws3")
SETTINGS = """
default_model: tiny
default_duration: 4
inbox: {{settle_s: 0.2, scan_interval_s: 0.5}}
engine: {{slots: 2}}
schedule: {{max_attempts: 1}}
cluster: {{address: "{address}", gpus: 0, cpus_per_engine: 1}}
"""


class Mill:
    """A daemon in a process of its own, and its catalogue."""

    def __init__(self, cluster: RayCluster, home: Home) -> None:
        self.cluster = cluster
        self.home = home
        home.create()
        home.config_file.write_text(SETTINGS.format(address=cluster.address))
        self.log = home.root / "log.txt"
        self.rounds = 0
        self.away: set[str] = set()
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "soundmill", "--home", str(self.home.root), "run", "--no-web"],
                env={**os.environ, **self.cluster.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30.0)
        except subprocess.TimeoutExpired:
            self.kill()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.home.catalog}?mode=ro", uri=True, timeout=10.0)) as db:
            return db.execute(query).fetchall()

    def drop(self) -> None:
        lines = [f"a prompt of number {n},{n + 1}" for n in range(CLIPS)]
        part = self.home.inbox / ".many.part"
        last = f"round {self.rounds},{self.rounds}"  # no file is the same as another
        part.write_text("\n".join(["prompt,seed", *lines, last]) + "\n")
        part.rename(self.home.inbox / f"round{self.rounds}.csv")
        self.rounds += 1

    def is_at_work(self, node: str) -> bool:
        """Whether both of its engines are there."""
        workers = self.rows(f"SELECT 1 FROM workers WHERE name LIKE '{node}/%' AND status IN ('idle', 'working')")
        return len(workers) == 2

    def busy(self, node: str) -> None:
        """Have clips made, one of them there; more of them, where all were made before anybody looked."""
        self.until(lambda: self.is_at_work(node), f"engines of {node}")
        begun = self.rounds

        def is_busy() -> bool:
            if self.rounds == begun or (self.batches() == self.rounds and self.unfinished() == 0):
                self.drop()
            return self.running_on(node) > 0

        self.until(is_busy, f"clip on {node}")

    def batches(self) -> int:
        (row,) = self.rows("SELECT count(*) FROM batches")
        return int(str(row[0]))

    def unfinished(self) -> int:
        (row,) = self.rows("SELECT count(*) FROM jobs WHERE status IN ('queued', 'running')")
        return int(str(row[0]))

    def running_on(self, node: str) -> int:
        (row,) = self.rows(f"SELECT count(*) FROM attempts WHERE status = 'running' AND device LIKE '{node}/%'")
        return int(str(row[0]))

    def until(self, true: Callable[[], bool], what: str) -> float:
        """Wait for it; how many seconds that took."""
        began = time.monotonic()
        while not self._holds(true):
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() - began < PATIENCE_S, f"no {what}; {self.told()}"
            self.keep_machines()
            time.sleep(0.1)
        return time.monotonic() - began

    def _holds(self, true: Callable[[], bool]) -> bool:
        try:
            return true()
        except sqlite3.OperationalError:  # there is no catalogue yet, or a daemon has it to itself while it starts
            return False

    def told(self) -> str:
        statuses = Counter(str(row[0]) for row in self.rows("SELECT status FROM jobs"))
        events = [f"{kind}: {message}" for kind, message in self.rows("SELECT kind, message FROM events ORDER BY id")]
        return f"{dict(statuses)}, workers {self.rows('SELECT name, status, error FROM workers')}, {events[-12:]}"

    def keep_machines(self) -> None:
        """As `soundmill cluster up` and `join` do: Ray is started again where it has ended. On one machine it does not
        start a head while nodes of the former one are left, which end half a minute after it."""
        for name in ("head", *NODES):
            if name in self.away:
                continue
            process = self.cluster.nodes.get(name)
            if process is not None and process.poll() is None:
                continue
            if name == "head":
                self.cluster.start_head()
            else:
                self.cluster.start_node(name, cpus=2)


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    cluster = RayCluster()
    try:
        cluster.start_head()
        for name in NODES:
            cluster.start_node(name, cpus=2)
        mill = Mill(cluster, Home(tmp_path / "home"))
        try:
            yield mill
        finally:
            mill.stop()
    finally:
        cluster.stop()


@pytest.mark.timeout(int(3 * PATIENCE_S))
def test_whatever_befalls_machines_every_clip_is_made_once_and_is_the_one_a_local_engine_makes(mill: Mill) -> None:
    mill.busy("ws1")
    mill.away.add("ws1")
    mill.cluster.kill("ws1")
    killed_s = mill.until(lambda: mill.running_on("ws1") == 0, "end of what ran on the killed machine")
    mill.away.clear()

    mill.busy("ws2")
    mill.cluster.signal("ws2", signal.SIGSTOP)
    stopped_s = mill.until(lambda: mill.running_on("ws2") == 0, "end of what ran on the stopped machine")
    mill.cluster.signal("ws2", signal.SIGCONT)

    mill.busy("ws3")
    mill.cluster.drain("ws3")
    mill.until(
        lambda: mill.rows("SELECT 1 FROM events WHERE kind = 'node drains'") != [] and mill.running_on("ws3") == 0,
        "end of what the draining machine had begun",
    )
    drained = mill.rows("SELECT status, error_kind FROM attempts WHERE device LIKE 'ws3/%' ORDER BY id")
    mill.cluster.kill("ws3")

    mill.busy("ws1")
    mill.cluster.kill("head")
    mill.until(
        lambda: mill.rows("SELECT 1 FROM events WHERE kind = 'trouble' AND message LIKE 'cluster: %'") != [],
        "word of the head",
    )
    mill.until(lambda: not mill.rows("SELECT 1 FROM troubles WHERE part = 'cluster'"), "head that is back")

    mill.busy("ws2")
    mill.kill()
    mill.start()
    mill.busy("ws3")
    mill.until(lambda: mill.batches() == mill.rounds and mill.unfinished() == 0, "end")

    print(f"noticed after {killed_s:.1f} s (killed), {stopped_s:.1f} s (stopped)")
    print(mill.told())
    assert killed_s < 10.0 and stopped_s < 10.0
    assert set(drained) == {("succeeded", None)}
    assert mill.rows("SELECT status, count(*) FROM jobs GROUP BY 1") == [("succeeded", mill.rounds * (CLIPS + 1))]
    assert mill.rows("SELECT max(n) FROM (SELECT count(*) AS n FROM outputs GROUP BY job_id)") == [(1,)]
    assert {kind for (kind,) in mill.rows("SELECT DISTINCT error_kind FROM attempts")} <= {None, "node_lost"}
    rows = dict(mill.rows("SELECT path, sha256 FROM outputs"))
    files = {str(path.relative_to(mill.home.outputs)) for path in mill.home.outputs.rglob("*.wav")}
    assert files == set(rows)
    assert all(sha256((mill.home.outputs / str(path)).read_bytes()).hexdigest() == rows[path] for path in rows)
    made_on = {str(device).partition("/")[0] for (device,) in mill.rows("SELECT DISTINCT device FROM attempts")}
    assert made_on == set(NODES)
    mill.stop()
    jobs = "SELECT b.name || '/' || j.name FROM jobs j JOIN batches b ON b.id = batch_id WHERE position = 2"
    for (job,) in mill.rows(f"{jobs} ORDER BY j.id LIMIT 3"):
        said = subprocess.run(
            [sys.executable, "-m", "soundmill", "--home", str(mill.home.root), "rerun", str(job)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "identical" in said.stdout and "; made on ws" in said.stdout, said.stdout + said.stderr
