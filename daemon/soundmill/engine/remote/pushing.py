"""The engine room, far away: sends weights to every machine of a cluster. Imports Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from soundmill.engine.remote import cluster, weights
from soundmill.engine.remote.messages import Node
from soundmill.engine.remote.weights import Entry
from soundmill.errors import SoundmillError

PATIENCE_S = 60.0  # for what the machines have installed to be known


def lacking_there(wanted: list[Entry]) -> list[str]:
    return weights.lacking(wanted, weights.cache())


def take_there(path: str, data: bytes, offset: int, last: bool) -> None:
    weights.take(weights.cache(), path, data, offset, last=last)


def link_there(wanted: list[Entry]) -> None:
    weights.link(weights.cache(), wanted)


def push(
    address: str,
    repositories: Sequence[Path],
    say: Callable[[str], object],
    meant: Callable[[str], bool] = lambda _name: True,
) -> None:
    """Have every machine of the cluster at `address`, or those whose name is `meant`, hold these repositories of the
    hub's cache.

    Raises SoundmillError where one of them could not be sent, after all others were tried.
    """
    wanted = [entry for repository in repositories for entry in weights.entries(repository)]
    failed = []
    with cluster.joined(address) as joined:
        for node in _nodes(joined):
            if not meant(node.name):
                say(f"{node.name}: makes no clips of it (cluster.models)")
                continue
            if node.refused is not None:
                failed.append(node.refused)
                continue
            try:
                sent = _send(node, wanted, repositories[0].parent)
            except Exception as error:
                failed.append(f"{node.name}: {cluster.told(error)}")
            else:
                say(f"{node.name}: " + (f"{sent / 1e6:,.0f} MB sent" if sent else "has them already"))
    if failed:
        raise SoundmillError("; ".join(failed))


def _nodes(joined: cluster.Joined) -> tuple[Node, ...]:
    """Those that are there, once each is known."""
    until = time.monotonic() + PATIENCE_S
    while True:
        nodes = joined.nodes()
        there = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if len(nodes) >= len(there) or time.monotonic() > until:
            return nodes
        time.sleep(0.2)


def _send(node: Node, wanted: list[Entry], below: Path) -> int:
    """How many bytes that took."""
    place = {
        "num_cpus": 0,
        "max_retries": 0,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
    }
    sent = 0
    for path in ray.get(ray.remote(lacking_there).options(**place).remote(wanted)):
        size, offset = (below / path).stat().st_size, 0
        for data in weights.chunks(below / path):
            last = offset + len(data) >= size
            ray.get(ray.remote(take_there).options(**place).remote(path, data, offset, last))
            offset += len(data)
        sent += size
    ray.get(ray.remote(link_there).options(**place).remote(wanted))
    return sent
