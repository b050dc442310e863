"""Machines come and go while the daemon runs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from soundmill.config import ClusterConfig, Config, EngineConfig
from soundmill.engine.remote.link import Link
from soundmill.engine.remote.messages import Node
from soundmill.errors import ConfigError, SoundmillError
from soundmill.home import Home
from soundmill.jobs import ModelQueue
from soundmill.schedule.pool import Pool
from soundmill.schedule.worker import Worker
from soundmill.service import wiring
from soundmill.service.cluster.cluster import DEMAND_EVERY_S, JOIN_PATIENCE_S, Cluster, devices_of
from soundmill.service.survive import Troubles


def node(name: str, *, gpus: int = 0, cpus: float = 4, **more: Any) -> Node:
    return Node(id=f"id-{name}", name=name, address="10.0.0.1", gpus=gpus, cpus=cpus, **more)


class FakeLink:
    def __init__(self) -> None:
        self.nodes: tuple[Node, ...] = ()
        self.trouble: str | None = None
        self.demanded: list[tuple[int, bool, float]] = []
        self.closed = False

    def demand(self, engines: int, *, gpu: bool, cpus: float) -> None:
        self.demanded.append((engines, gpu, cpus))

    def close(self) -> None:
        self.closed = True


class Board:
    def __init__(self) -> None:
        self.events: list[str] = []

    def event(self, kind: str, message: str) -> None:
        self.events.append(f"{kind}: {message}")

    def set_setting(self, key: str, value: str) -> None: ...


class Mill:
    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = 0.0
        self.board = Board()
        self.link = FakeLink()
        self.shown: list[str] = []
        self.troubles = Troubles(self.board, clock=lambda: self.now, steady=lambda: self.now)
        self.cluster = Cluster(
            Home(folder),
            config(**settings),
            troubles=self.troubles,
            record=self.board.event,
            show=lambda text: self.shown.append(text),
            steady=lambda: self.now,
            reach=lambda *_: cast("Link", self.link),
        )

    def check(self, *nodes: Node, unfinished: int = 0, after_s: float = 1.0) -> tuple[str, ...]:
        self.now += after_s
        self.link.nodes = nodes
        self.cluster.check(lambda: unfinished)
        self.troubles.post()
        return self.cluster.devices


def config(**settings: Any) -> Config:
    return Config(cluster=ClusterConfig(**{"address": "head:6379"} | settings))


@pytest.mark.parametrize(
    ("settings", "devices"),
    [
        ({}, ("ws1/cuda:0", "ws1/cuda:1", "ws2/cuda:0")),
        ({"gpus": 2}, ("ws1/cuda:0", "ws1/cuda:1")),
        ({"gpus": 0}, ("cpu1/cpu:0", "ws1/cpu:0", "ws2/cpu:0")),
        (
            {"gpus": 0, "cpus_per_engine": 2},
            tuple(f"{name}/cpu:{n}" for name in ("cpu1", "ws1", "ws2") for n in (0, 1)),
        ),
    ],
)
def test_every_gpu_is_a_device_or_as_many_as_are_asked_for(settings: dict[str, Any], devices: tuple[str, ...]) -> None:
    nodes = [node("cpu1"), node("ws1", gpus=2), node("ws2", gpus=1)]
    assert devices_of(nodes, ClusterConfig(address="head:6379", **settings)) == devices


def test_without_any_gpu_the_cpus_work() -> None:
    assert devices_of([node("a"), node("b", cpus=0)], ClusterConfig(address="auto")) == ("a/cpu:0",)


def test_a_machine_that_drains_is_refused_or_gone_gets_nothing_more_and_is_told_of_once(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    one, two = node("ws1", gpus=1), node("ws2", gpus=1)
    assert mill.check(one, two) == ("ws1/cuda:0", "ws2/cuda:0")
    drains = node("ws2", gpus=1, draining_until=99.0)
    assert mill.check(one, drains) == ("ws1/cuda:0",)
    assert mill.check(one, drains) == ("ws1/cuda:0",)
    refused = node("ws3", gpus=1, refused="ws3: has Soundmill 0.0.1")
    assert mill.check(one, refused) == ("ws1/cuda:0",)
    kinds = [event.partition(":")[0] for event in mill.board.events]
    assert kinds == ["node joined", "node joined", "node drains", "node gone", "trouble"]
    assert "ws3: has Soundmill 0.0.1" in mill.board.events[-1]
    mill.check(one, after_s=5.0)
    mill.check(one, after_s=5.0)
    assert mill.board.events[-1] == "trouble over: cluster nodes: works again"


def test_what_machines_there_are_is_shown_once_for_each_change(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    one = node("ws1", gpus=1)
    for _ in range(3):
        mill.check(one, node("ws2", gpus=1, draining_until=5.0), node("ws3", refused="ws3: has another Soundmill"))
    nobody, shown = mill.shown
    assert nobody == "[]"
    assert [(row["name"], row["state"], row["why"]) for row in json.loads(shown)] == [
        ("ws1", "working", None),
        ("ws2", "draining", None),
        ("ws3", "refused", "ws3: has another Soundmill"),
    ]
    mill.cluster.close()
    assert mill.shown[-1] == "[]"


def test_a_cluster_without_a_device_is_a_trouble_after_a_while(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    mill.check()
    assert mill.troubles.current() == []
    mill.check(after_s=JOIN_PATIENCE_S)
    assert "no machine of the cluster" in str(mill.troubles.current())
    mill.link.trouble = "no Ray cluster answers"
    mill.check()
    assert "no Ray cluster answers" in str(mill.troubles.current())


def queue(model: str) -> ModelQueue:
    return ModelQueue(model=model, priority=0, oldest_queued_at=0.0, head_job_id=1)


def test_jobs_whose_machines_are_not_there_are_a_trouble(tmp_path: Path) -> None:
    mill = Mill(tmp_path, models={"musicgen-large": ("ws1",), "tiny": ("local", "ws2")})
    large, waiting = "facebook/musicgen-large", [queue("facebook/musicgen-large"), queue("tiny")]

    def mind(*devices: str) -> list[dict[str, object]]:
        mill.now += DEMAND_EVERY_S
        mill.cluster.mind_models(devices, lambda: waiting)
        return [trouble for trouble in mill.troubles.current() if trouble["part"] == "cluster models"]

    assert mind("ws1/cuda:0", "ws2/cuda:0") == [] == mind("ws1/cuda:0", "cuda:0")
    (trouble,) = mind("ws2/cuda:0")
    assert f"{large}: ws1" in str(trouble["message"]) and "tiny" not in str(trouble["message"])
    assert not mill.cluster.waits_in_vain
    waiting.pop()
    assert mind("ws2/cuda:0") and mill.cluster.waits_in_vain
    mind("ws1/cuda:0")
    assert not mill.cluster.waits_in_vain
    assert mind("ws2/cuda:0")
    mill.cluster.use(config())
    mind("ws2/cuda:0")
    assert not mill.cluster.waits_in_vain
    mill.troubles.post()
    mill.now += 10.0
    mill.troubles.post()
    assert mind("ws2/cuda:0") == []


def test_a_model_of_cluster_models_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cluster\.models: .*musicgen-larg"):
        wiring.places_of(config(models={"musicgen-larg": ("ws1",)}))
    assert wiring.places_of(config(models={"musicgen-large": ("ws1",)})) == {"facebook/musicgen-large": ("ws1",)}


def test_machines_are_asked_for_by_what_waits_and_let_go(tmp_path: Path) -> None:
    mill = Mill(tmp_path, gpus=4, cpus_per_engine=2)
    mill.check(unfinished=1000)
    mill.check(unfinished=9, after_s=10.0)
    mill.check(unfinished=0, after_s=10.0)
    assert mill.link.demanded == [(4, True, 2.0), (2, True, 2.0), (0, True, 2.0)]


def test_weights_are_those_of_the_first_machine_that_loads_them(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    assert mill.cluster._compare("ws1", "tiny", "abc") is None
    assert mill.cluster._compare("ws2", "tiny", "abc") is None
    said = mill.cluster._compare("ws3", "tiny", "def")
    assert said is not None and "ws3: has other weights of tiny (def) than ws1 (abc)" in said and "--everywhere" in said


def test_a_cluster_without_a_token_is_a_trouble_and_the_daemon_goes_on(tmp_path: Path) -> None:
    def refuse(*_: object) -> Link:
        raise ConfigError("cluster head:6379: there is no token")

    board = Board()
    troubles = Troubles(board, clock=lambda: 0.0, steady=lambda: 0.0)
    cluster = Cluster(
        Home(tmp_path),
        config(),
        troubles=troubles,
        record=board.event,
        show=lambda _: None,
        steady=lambda: 0.0,
        reach=refuse,
    )
    cluster.check(lambda: 0)
    assert cluster.devices == () and "there is no token" in str(troubles.current())


def test_other_settings_join_another_cluster(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    mill.check(node("ws1", gpus=1))
    mill.cluster.use(config(gpus=0))
    assert not mill.link.closed
    mill.cluster.use(config(address="other:6379"))
    assert mill.link.closed and mill.cluster.devices == ()


def test_beside_a_cluster_this_machine_works_only_where_it_is_named() -> None:
    assert wiring.devices_of(config()) == []
    both = Config(cluster=ClusterConfig(address="local"), engine=EngineConfig(devices=("cpu",)))
    assert wiring.devices_of(both) == ["cpu"]
    assert wiring.place_of(both, ["cpu"]) == "cpu, the cluster local"


def test_an_address_must_say_a_port() -> None:
    with pytest.raises(ValueError, match="address"):
        ClusterConfig(address="just-a-host")


class Idle:
    """A worker with so much in flight."""

    def __init__(self) -> None:
        self.in_flight: tuple[int, ...] = ()
        self.closed = False

    def step(self, *, claiming: bool) -> None:
        time.sleep(0.001)

    def close(self, reason: str) -> None:
        self.closed = True


@contextlib.contextmanager
def pool_of(*devices: str) -> Iterator[tuple[Pool, dict[str, Idle]]]:
    workers: dict[str, Idle] = {}

    def hire(device: str, _allow: object) -> Worker:
        workers[device] = Idle()
        return cast("Worker", workers[device])

    def outlive(_part: str, step: Any) -> bool:
        with contextlib.suppress(SoundmillError):
            step()
        return True

    pool = Pool(devices, hire, lambda *_: None, outlive, time.monotonic)
    try:
        yield pool, workers
    finally:
        pool.stop(0.0, "the test ends")


def test_a_post_opens_for_a_device_that_comes_and_closes_once_it_is_done_with_one_that_goes() -> None:
    with pool_of("cpu") as (pool, workers):
        pool.attend(["cpu", "ws1/cuda:0"])
        assert [post.device for post in pool.posts] == ["cpu", "ws1/cuda:0"]
        local, far = workers["cpu"], workers["ws1/cuda:0"]
        far.in_flight = (1,)
        pool.attend(["cpu"])
        pool.check()
        assert not far.closed and [post.device for post in pool.posts] == ["cpu", "ws1/cuda:0"]
        far.in_flight = ()
        pool.check()
        assert far.closed and [post.device for post in pool.posts] == ["cpu"]
        assert workers["cpu"] is local and not local.closed


def test_a_device_that_comes_back_before_it_has_gone_gets_a_new_worker() -> None:
    with pool_of("ws1/cuda:0") as (pool, workers):
        first = workers["ws1/cuda:0"]
        pool.attend([])
        pool.attend(["ws1/cuda:0"])
        pool.check()
        assert first.closed and workers["ws1/cuda:0"] is not first
