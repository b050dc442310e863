"""A real Ray cluster of real processes on this machine: each node one `ray start --block`, that can be stopped like a
machine. Token authentication is on, as it is for users."""

from __future__ import annotations

import atexit
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil

from soundmill.engine.remote.access import QUIET, WATCHFUL
from soundmill.engine.remote.engine import RayEngine
from soundmill.engine.remote.link import GatewayLine, Link
from soundmill.engine.remote.messages import Node, OpenEngine
from soundmill.errors import EngineNotStarted
from support.missing import missing

START_PATIENCE_S = 90.0
STORE_BYTES = "100000000"


def need_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        missing("needs Ray: pip install 'soundmill[ray]'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RayCluster:
    """`start_head`, then `start_node`; `stop` ends all that is left of them."""

    def __init__(self) -> None:
        need_ray()
        # Ray puts sockets below it, and the path of one may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="smr", dir="/tmp"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32))
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            **QUIET,
            **WATCHFUL,
            "RAY_TMPDIR": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def start_head(self, cpus: int = 0) -> None:
        self._start("head", "--head", "--port", str(self.port), "--include-dashboard", "false", cpus=cpus)

    def start_node(self, name: str, cpus: int, gpus: int = 0) -> None:
        """GPUs that are none: Ray hands out their numbers all the same."""
        self._start(name, "--address", self.address, cpus=cpus, gpus=gpus)

    def await_start(self, name: str) -> None:
        """For nodes that are started one after another: two that look for free ports at once can choose the same."""
        log = self.folder / f"{name}.log"
        until(lambda: "Ray runtime started" in log.read_text(errors="replace") or self.nodes[name].poll() is not None)
        assert self.nodes[name].poll() is None, log.read_text(errors="replace")

    def _start(self, name: str, *arguments: str, cpus: int, gpus: int = 0) -> None:
        path = os.pathsep.join(entry or os.curdir for entry in sys.path)
        log = (self.folder / f"{name}.log").open("ab")
        self.nodes[name] = subprocess.Popen(
            [
                sys.executable, "-m", "ray.scripts.scripts", "start", *arguments, "--block", "--num-cpus", str(cpus),
                "--num-gpus", str(gpus), "--object-store-memory", STORE_BYTES, "--disable-usage-stats",
                "--include-log-monitor", "false", "--labels", f"soundmill/node={name}",
            ],
            env={**os.environ, **self.environment, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        log.close()

    def processes(self, name: str) -> list[psutil.Process]:
        """All of a node, its engines' too."""
        try:
            top = psutil.Process(self.nodes[name].pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def signal(self, name: str, number: int) -> None:
        for process in self.processes(name):
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def kill(self, name: str) -> None:
        """As when the power goes."""
        self.signal(name, signal.SIGKILL)
        self.nodes.pop(name).wait()

    def drain(self, name: str) -> None:
        """As a cloud does before it takes a machine back."""
        path = os.pathsep.join(entry or os.curdir for entry in sys.path)
        program = (
            "import ray; ray.init(address=%r, log_to_driver=False, logging_level='error');"
            "print([n['NodeID'] for n in ray.nodes() if n['Alive'] and n['Labels'].get('soundmill/node') == %r][0])"
        )
        environment = {**os.environ, **self.environment, "PYTHONPATH": path}
        node = subprocess.run(
            [sys.executable, "-c", program % (self.address, name)],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.split()[-1]  # fmt: skip
        subprocess.run(
            [
                sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", self.address, "--node-id", node,
                "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "the test takes it",
                "--deadline-remaining-seconds", "600",
            ],
            env=environment, check=True, capture_output=True,
        )  # fmt: skip

    def stop(self) -> None:
        for name in list(self.nodes):
            self.signal(name, signal.SIGCONT)
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)


def until(true: Callable[[], bool], timeout_s: float = START_PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@cache
def shared() -> tuple[RayCluster, Link]:
    """One cluster of one node for all tests that leave it whole."""
    cluster = RayCluster()
    cluster.environment["HOLD"] = str(cluster.folder / "hold")  # faulty_backend's, which holds nothing
    atexit.register(cluster.stop)
    cluster.start_head(cpus=4)
    link = Link({"address": cluster.address}, cluster.environment)
    atexit.register(link.close)
    until(lambda: bool(link.nodes))
    return cluster, link


def node_named(link: Link, name: str) -> Node:
    for node in link.nodes:
        if node.name == name and node.refused is None:
            return node
    raise EngineNotStarted(f"{name}: {link.trouble or 'no such node'}")


def open_engine(
    link: Link, node: str, line: str, *, slots: int, backend_for: str, load_deadline_s: float, gpu: bool = False
) -> RayEngine:
    def place(session: str) -> OpenEngine:
        return OpenEngine(
            line=line, session=session, node_id=node_named(link, node).id, gpu=gpu, cpus=1, slots=slots,
            load_deadline_s=load_deadline_s, backend_for=backend_for,
        )  # fmt: skip

    return RayEngine(node, GatewayLine(line, link, place), load_deadline_s=load_deadline_s)


def engine_processes(cluster: RayCluster, name: str) -> list[psutil.Process]:
    return [
        process
        for process in cluster.processes(name)
        if process.status() != psutil.STATUS_ZOMBIE and "soundmill.engine.process.host" in process.cmdline()
    ]
