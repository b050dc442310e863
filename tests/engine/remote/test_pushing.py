"""Weights go to a real node of a real cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundmill.engine.remote.link import Link
from support.ray_cluster import RayCluster, until

PROGRAM = """
import sys
from pathlib import Path
from soundmill.engine.remote.pushing import push
push(sys.argv[1], [Path(sys.argv[2])], print, lambda name: name in sys.argv[3:])
"""


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    cluster.environment["HF_HUB_CACHE"] = str(cluster.folder / "hub")
    try:
        cluster.start_head(cpus=1)
        link = Link({"address": cluster.address}, cluster.environment)
        try:
            until(lambda: bool(link.nodes))
        finally:
            link.close()
        yield cluster
    finally:
        cluster.stop()


def test_every_machine_that_is_meant_gets_what_it_lacks_and_that_once(cluster: RayCluster, tmp_path: Path) -> None:
    repository = tmp_path / "models--somebody--model"
    (repository / "blobs").mkdir(parents=True)
    (repository / "blobs" / "0123").write_bytes(os.urandom(3_000_000))
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "snapshots" / "abc" / "state_dict.bin").symlink_to("../../blobs/0123")
    environment = {**os.environ, **cluster.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    for told, *meant in (
        ("head: makes no clips of it (cluster.models)", "ws1"),
        ("head: 3 MB sent", "ws1", "head"),
        ("head: has them already", "head"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, cluster.address, str(repository), *meant],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told in done.stdout, done.stdout + done.stderr
    there = cluster.folder / "hub" / repository.name / "snapshots" / "abc" / "state_dict.bin"
    assert there.read_bytes() == (repository / "blobs" / "0123").read_bytes()


OUTSIDE = """
import sys
from soundmill.engine.remote import cluster
import ray
cluster.is_member = lambda _: False  # as on a machine that has no node yet
with cluster.joined(sys.argv[1]):
    print(sorted(node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]))
"""


def test_a_daemon_whose_machine_is_no_node_joins_by_one_that_has_nothing_to_work_with(cluster: RayCluster) -> None:
    environment = {**os.environ, **cluster.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE, cluster.address], env=environment, capture_output=True, text=True, check=False
    )
    assert "[0.0, 1.0]" in done.stdout, done.stdout + done.stderr
