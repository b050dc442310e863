"""The engine room, far away: all that is asked of Ray. Nothing but the gateway imports this, and that only with
`cluster:` in soundmill.yaml."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.exceptions import ActorUnavailableError, ActorUnschedulableError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from soundmill.engine.remote.actor import EngineActor
from soundmill.engine.remote.attendance import Ended, Passing
from soundmill.engine.remote.facts import facts, no_facts, refusal
from soundmill.engine.remote.folder import folder_of_its_own
from soundmill.engine.remote.messages import Node, OpenEngine

STORE_BYTES = 256 * 2**20  # of a node that is started here: clips on their way, each for a moment
ASK_PATIENCE_S = 60.0  # for what a node has installed: its first process there takes seconds to start
JOIN_PATIENCE_S = 45.0  # for a node of our own to be there
CALLS_AT_ONCE = 8  # of an actor: one that waits, one that says something, and those that were given up
NAME_LABEL = "soundmill/node"
PR_SET_PDEATHSIG = 1


@contextmanager
def joined(address: str, cpus: int | None = None) -> Iterator[Joined]:
    """The cluster at `address` (HOST:PORT, or auto for that of this machine), or with `local` one of this machine
    alone, of `cpus` CPUs, that ends with this process. Raises RayError, OSError, RuntimeError."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
    with ExitStack() as left:
        left.callback(_leave)
        if address == "local":
            ray.init(
                address="local", include_dashboard=False, object_store_memory=STORE_BYTES, num_cpus=cpus,
                namespace="soundmill", **quiet,
            )  # fmt: skip
        elif address == "auto" or is_member(address):
            ray.init(address=address, namespace="soundmill", **quiet)
        else:
            # A process takes part in a cluster by a node of its own machine. One without CPUs and GPUs does.
            folder = str(left.enter_context(folder_of_its_own()))
            node = left.enter_context(_node(address, folder))
            left.callback(_leave)
            _init_when_it_is_there(node, address, quiet | {"_temp_dir": folder})
        yield Joined()


def _leave() -> None:
    with suppress(Exception):
        ray.shutdown()


def is_member(address: str) -> bool:
    """Whether a node of the cluster runs on this machine whose socket this process can reach: Ray itself ends one that
    cannot."""
    host, _, port = address.rpartition(":")
    hosts = {str(found[4][0]) for found in socket.getaddrinfo(host, port)}
    for process in psutil.process_iter(["cmdline"]):
        words = dict(word.partition("=")[::2] for word in process.info["cmdline"] or () if word.startswith("--"))
        head, _, at = words.get("--gcs-address", "").rpartition(":")
        same = at == port and (head in hosts or any(each.startswith("127.") for each in hosts))
        if same and Path(words.get("--raylet_socket_name", "/nowhere")).exists():
            return True
    return False


@contextmanager
def _node(address: str, folder: str) -> Iterator[subprocess.Popen[bytes]]:
    """Ray's processes of a node without anything to work with, which end with this one, however that ends."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def end_with_its_parent() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    node = subprocess.Popen(
        [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--address", address, "--num-cpus", "0", "--num-gpus",
            "0", "--object-store-memory", str(STORE_BYTES), "--disable-usage-stats", "--include-log-monitor", "false",
            "--temp-dir", folder, "--block",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, preexec_fn=end_with_its_parent,
    )  # fmt: skip
    try:
        yield node
    finally:
        node.terminate()
        try:
            node.wait(20.0)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def _init_when_it_is_there(node: subprocess.Popen[bytes], address: str, quiet: dict[str, Any]) -> None:
    until = time.monotonic() + JOIN_PATIENCE_S
    while True:
        try:
            ray.init(address=address, namespace="soundmill", **quiet)
            return
        except (ConnectionError, RuntimeError, ValueError, RayError):
            if node.poll() is not None:
                raise ConnectionError(
                    f"no Ray cluster answers at {address}: is `ray start --head` (soundmill cluster up) running there, "
                    "with this token, and Ray of this version?"
                ) from None
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


class Joined:
    """A cluster that this process is part of."""

    def __init__(self) -> None:
        self._here = facts()
        self._asked: dict[str, tuple[float, Any]] = {}
        self._facts: dict[str, dict[str, str]] = {}
        self._refused: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._actor = ray.remote(EngineActor)
        self._ask_facts = ray.remote(facts)
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="ray")  # for calls of the head, which may hang
        self._demanded: tuple[int, bool, float] | None = None

    def nodes(self) -> tuple[Node, ...]:
        """Those alive that have something to work with, once it is known whether they may."""
        draining = _draining()
        found = []
        alive = [node for node in ray.nodes() if node["Alive"]]
        for node in sorted(alive, key=lambda node: str(node["NodeID"])):
            node_id, resources = str(node["NodeID"]), node["Resources"]
            if not (resources.get("CPU") or resources.get("GPU")):
                continue
            name = self._name(node, {each["NodeID"] for each in alive})
            if not self._is_known(node_id, name):
                continue
            found.append(
                Node(
                    id=node_id,
                    name=name,
                    address=str(node["NodeManagerAddress"]),
                    gpus=int(resources.get("GPU", 0)),
                    cpus=float(resources.get("CPU", 0)),
                    draining_until=draining.get(node_id),
                    refused=self._refused.get(node_id),
                    versions=self._facts.get(node_id, {}),
                )
            )
        return tuple(found)

    def _name(self, node: dict[str, Any], alive: set[Any]) -> str:
        """Its label, or its host's name; with the beginning of its id where another one has that already."""
        node_id = str(node["NodeID"])
        if node_id not in self._names:
            wanted = str((node.get("Labels") or {}).get(NAME_LABEL) or node["NodeManagerHostname"])
            taken = {name for other, name in self._names.items() if other in alive}
            self._names[node_id] = wanted if wanted not in taken else f"{wanted}-{node_id[:6]}"
        return self._names[node_id]

    def _is_known(self, node_id: str, name: str) -> bool:
        if node_id in self._facts or node_id in self._refused:
            return True
        if node_id not in self._asked:
            place = NodeAffinitySchedulingStrategy(node_id, soft=False)
            asked = self._ask_facts.options(num_cpus=0, max_retries=0, scheduling_strategy=place).remote()
            self._asked[node_id] = (time.monotonic(), asked)
            return False
        since, asked = self._asked[node_id]
        ready, _ = ray.wait([asked], timeout=0)
        if not ready:
            if time.monotonic() - since < ASK_PATIENCE_S:
                return False
            self._refused[node_id] = no_facts(name, f"nothing in {ASK_PATIENCE_S:g} s", self._here)
            return True
        try:
            there = ray.get(asked)
        except Exception as error:
            self._refused[node_id] = no_facts(name, told(error), self._here)
        else:
            self._facts[node_id] = there
            if (reason := refusal(name, there, self._here)) is not None:
                self._refused[node_id] = reason
        return True

    def start_engine(self, asked: OpenEngine) -> Any:
        """The handle of an actor that is being started on the node asked for."""
        return self._actor.options(
            num_gpus=1 if asked.gpu else 0,
            num_cpus=asked.cpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy=NodeAffinitySchedulingStrategy(asked.node_id, soft=False),
        ).remote(asked)

    def end_engine(self, actor: Any) -> None:
        self._aside.submit(ray.kill, actor)

    def demand(self, engines: int, *, gpu: bool, cpus: float) -> None:
        """Ask Ray's autoscaler for room for so many engines; 0 lets go. Without an autoscaler nobody hears it."""
        if (engines, gpu, cpus) == self._demanded:
            return
        self._demanded = (engines, gpu, cpus)
        bundle = {"GPU": 1.0, "CPU": cpus} if gpu else {"CPU": max(cpus, 1.0)}
        from ray.autoscaler.sdk import request_resources

        self._aside.submit(request_resources, bundles=[bundle] * engines)

    def meaning(self, error: Exception) -> Passing | Ended:
        """What an error of a call says of the engine."""
        return Passing(told(error)) if isinstance(error, ActorUnavailableError) else Ended(told(error))


def _draining() -> dict[str, float]:
    """Nodes that are about to leave, and when (Unix seconds, 0 for no set time). Ray has it nowhere else."""
    from ray._private.state import state

    return {str(node): deadline_ms / 1000 for node, deadline_ms in state.get_draining_nodes().items()}


def told(error: BaseException) -> str:
    """What an error of Ray's says, in one line."""
    text = str(error)
    if isinstance(error, RayActorError) and not isinstance(error, ActorUnavailableError):
        if "creation task" in text:
            return f"its engine could not be started there ({_last_line(text)})"
        gone = "node" in text.lower() and ("died" in text or "terminated" in text or "draining" in text.lower())
        return "its machine has left the cluster" if gone else f"Ray's process there ended ({_last_line(text)})"
    if isinstance(error, ActorUnschedulableError):
        return "its machine has left the cluster, or has no room for another engine"
    if isinstance(error, RayTaskError):
        return _last_line(text)
    return " ".join(text.split())[:300] or type(error).__name__


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or [""])[-1][:200]
