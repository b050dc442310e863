"""Each engine gets a GPU of its own: on nodes that say they have some, for Ray hands out numbers and asks no driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from soundmill.config import ClusterConfig, Config
from soundmill.engine.remote.engine import RayEngine
from soundmill.engine.remote.link import Link
from soundmill.home import Home
from soundmill.jobs import Generated
from soundmill.service.cluster.cluster import Cluster
from soundmill.service.survive import Troubles
from support.conformance import generate, make_request
from support.ray_cluster import RayCluster, open_engine, until

GPUS = {"ws1": 2, "ws2": 1}


class Board:
    def event(self, kind: str, message: str) -> None: ...
    def set_setting(self, key: str, value: str) -> None: ...


@pytest.fixture
def link() -> Iterator[Link]:
    with ExitStack() as left:
        cluster = RayCluster()
        left.callback(cluster.stop)
        cluster.start_head()
        cluster.await_start("head")
        for name, gpus in GPUS.items():
            cluster.start_node(name, cpus=2, gpus=gpus)
            cluster.await_start(name)
        link = Link({"address": cluster.address}, cluster.environment)
        left.callback(link.close)
        until(lambda: len(link.nodes) == len(GPUS))
        yield link


def open_on(link: Link, device: str) -> RayEngine:
    return open_engine(
        link, device.partition("/")[0], device, slots=2, backend_for="support.faulty_backend:open_backend",
        load_deadline_s=120.0, gpu=True,
    )  # fmt: skip


def test_each_gpu_is_a_device_and_its_engine_sees_that_one_alone(link: Link, tmp_path: Path) -> None:
    cluster = Cluster(
        Home(tmp_path),
        Config(cluster=ClusterConfig(address="auto")),
        troubles=Troubles(Board(), clock=lambda: 0.0, steady=lambda: 0.0),
        record=lambda kind, message: None,
        show=lambda text: None,
        steady=lambda: 0.0,
        reach=lambda *_: link,
    )
    cluster.check(lambda: 0)
    assert cluster.devices == ("ws1/cuda:0", "ws1/cuda:1", "ws2/cuda:0")

    engines = {device: open_on(link, device) for device in cluster.devices}
    seen = {device: engine.load("tone").versions for device, engine in engines.items()}
    assert all(versions["seen"] == "cuda:0" for versions in seen.values())  # as a process with one card calls it
    cards = {device: versions["cuda_visible_devices"] for device, versions in seen.items()}
    assert Counter(cards.values()) == {"0": 2, "1": 1}
    assert cards["ws1/cuda:0"] != cards["ws1/cuda:1"] and cards["ws2/cuda:0"] == "0"

    freed = cards["ws1/cuda:0"]
    engines["ws1/cuda:0"].close()
    again = open_on(link, "ws1/cuda:0")
    assert again.load("tone").versions["cuda_visible_devices"] == freed
    request = make_request()
    assert isinstance(generate(again, request)[request.key], Generated)
    for engine in (again, engines["ws1/cuda:1"], engines["ws2/cuda:0"]):
        engine.close()
