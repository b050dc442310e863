"""Three machines of two engines each, as real processes under a real Ray head, and everything that befalls machines.

CLIPS=500 asks for more than the few that a run of all tests makes.
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

CLIPS = int(os.environ.get("CLIPS", "48"))
PATIENCE_S = 240.0 + 3.0 * CLIPS
NODES = ("ws1", "ws2", "ws3")
SETTINGS = """
default_model: tiny
default_duration: 0.5
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

    def done(self) -> int:
        (row,) = self.rows("SELECT count(*) FROM jobs WHERE status = 'succeeded'")
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
        """As `soundmill cluster join` does: a node that has ended joins again."""
        for name in NODES:
            process = self.cluster.nodes.get(name)
            if process is None or process.poll() is not None:
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


@pytest.mark.timeout(int(2 * PATIENCE_S))
def test_whatever_befalls_machines_every_clip_is_made_once_and_is_the_one_a_local_engine_makes(mill: Mill) -> None:
    lines = [f"a prompt of number {n},{n + 1}" for n in range(CLIPS)]
    (mill.home.inbox / "many.csv").write_text("\n".join(["prompt,seed", *lines]) + "\n")
    part = CLIPS // 8
    mill.until(lambda: mill.done() >= part, "first clips")

    mill.until(lambda: mill.running_on("ws1") > 0, "clip on ws1")
    mill.cluster.kill("ws1")
    noticed_s = mill.until(lambda: mill.running_on("ws1") == 0, "end of what ran on the killed machine")
    mill.keep_machines()

    mill.until(lambda: mill.done() >= 2 * part and mill.running_on("ws2") > 0, "clip on ws2")
    mill.cluster.signal("ws2", signal.SIGSTOP)
    stopped_s = mill.until(lambda: mill.running_on("ws2") == 0, "end of what ran on the stopped machine")
    mill.cluster.signal("ws2", signal.SIGCONT)

    mill.until(lambda: mill.done() >= 3 * part, "clips")
    mill.cluster.drain("ws3")
    mill.until(
        lambda: mill.rows("SELECT 1 FROM events WHERE kind = 'node drains'") != [] and mill.running_on("ws3") == 0,
        "end of what the draining machine had begun",
    )
    mill.cluster.kill("ws3")
    mill.keep_machines()

    mill.until(lambda: mill.done() >= 4 * part, "clips")
    mill.cluster.kill("head")
    time.sleep(1.0)
    mill.cluster.start_head()

    def done_with_new_machines(enough: int) -> bool:
        mill.keep_machines()
        return mill.done() >= enough

    mill.until(lambda: done_with_new_machines(6 * part), "clips with the new head")
    mill.kill()
    mill.start()
    mill.until(lambda: done_with_new_machines(CLIPS), "end")

    print(f"noticed after {noticed_s:.1f} s (killed), {stopped_s:.1f} s (stopped)")
    print(mill.told())
    assert noticed_s < 10.0 and stopped_s < 10.0
    assert mill.rows("SELECT status, count(*) FROM jobs GROUP BY 1") == [("succeeded", CLIPS)]
    assert mill.rows("SELECT max(n) FROM (SELECT count(*) AS n FROM outputs GROUP BY job_id)") == [(1,)]
    assert {kind for (kind,) in mill.rows("SELECT DISTINCT error_kind FROM attempts")} <= {None, "node_lost"}
    rows = dict(mill.rows("SELECT path, sha256 FROM outputs"))
    files = {str(path.relative_to(mill.home.outputs)) for path in mill.home.outputs.rglob("*.wav")}
    assert files == set(rows)
    assert all(sha256((mill.home.outputs / str(path)).read_bytes()).hexdigest() == rows[path] for path in rows)
    made_on = {str(device).partition("/")[0] for (device,) in mill.rows("SELECT DISTINCT device FROM attempts")}
    assert made_on == set(NODES)
    mill.stop()
    for name in ("many-0001", f"many-{CLIPS:04}"):
        job = mill.rows(f"SELECT id FROM jobs WHERE position = {int(name[5:])}")[0][0]
        said = subprocess.run(
            [sys.executable, "-m", "soundmill", "--home", str(mill.home.root), "rerun", str(job)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "identical" in said.stdout, said.stdout + said.stderr
