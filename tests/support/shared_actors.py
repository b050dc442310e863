"""A gateway whose engines share processes, ENGINES_A_PROCESS each: for measuring many on a machine with few cores, of
which a process of Ray takes 5 ms a second for nothing. All else is as ever: each engine has its own calls, its own
numbers, its own thread and its own clips in Ray's store."""

from __future__ import annotations

import sys
import threading
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from soundmill.engine.process.lifeline import end
from soundmill.engine.remote import cluster, gateway
from soundmill.engine.remote.actor import EngineActor
from soundmill.engine.remote.messages import Call, OpenEngine, Reply

ENGINES_A_PROCESS = 8


class Process:
    """What Ray runs: calls of all its engines come on threads of their own."""

    def __init__(self) -> None:
        self._engines: dict[str, EngineActor] = {}
        self._lock = threading.Lock()

    def call(self, asked: OpenEngine, call: Call) -> Reply:
        with self._lock:
            if asked.session not in self._engines:
                self._engines[asked.session] = EngineActor(asked)
        return self._engines[asked.session].call(call)


class Handle:
    """As that of an actor whose engine is asked for."""

    def __init__(self, process: Any, asked: OpenEngine) -> None:
        self.process = process
        self._asked = asked

    @property
    def call(self) -> Handle:
        return self

    def remote(self, call: Call) -> Any:
        return self.process.call.remote(self._asked, call)


class Joined(cluster.Joined):
    def __init__(self) -> None:
        super().__init__()
        self._processes: dict[str, list[Any]] = {}  # by node: one entry for each engine that fits

    def start_engine(self, asked: OpenEngine) -> Handle:
        free = self._processes.setdefault(asked.node_id, [])
        if not free:
            process = ray.remote(Process).options(
                num_cpus=asked.cpus * ENGINES_A_PROCESS,
                max_concurrency=cluster.CALLS_AT_ONCE * ENGINES_A_PROCESS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(asked.node_id, soft=False),
            ).remote()  # fmt: skip
            free += [process] * ENGINES_A_PROCESS
        return Handle(free.pop(), asked)

    def end_engine(self, actor: Any) -> None:
        super().end_engine(actor.process)


if __name__ == "__main__":
    cluster.Joined = Joined  # type: ignore[misc]
    end(gateway.run(sys.argv[1:]))
