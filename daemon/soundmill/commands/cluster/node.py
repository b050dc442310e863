"""`soundmill cluster join`, and the head of `up`: Ray on this machine, kept running.

A node whose head is lost ends, as Ray has it; here it joins again, so that a cluster comes back with its head.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from soundmill.disk import write_whole
from soundmill.engine.remote.access import MODE, QUIET, TOKEN_FILE, WATCHFUL, make_token
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home

AGAIN_S = 5.0  # before a node that has ended joins again
STOP_PATIENCE_S = 20.0
DRAIN_S = 100.0  # for what runs on a machine that leaves; SLURM's signal comes 120 s before the end
NAME_LABEL = "soundmill/node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What this machine is in a cluster. `address` HOST:PORT is the head's; a `head` listens there."""

    address: str
    head: bool
    name: str | None = None
    gpus: int | None = None  # None: all that Ray finds
    cpus: int | None = None

    def arguments(self) -> list[str]:
        """Of `ray start`."""
        host, _, port = self.address.rpartition(":")
        where = ["--head", "--node-ip-address", host, "--port", port] if self.head else ["--address", self.address]
        counts = [("--num-gpus", self.gpus), ("--num-cpus", self.cpus)]
        return [
            *where,
            *(["--include-dashboard", "false"] if self.head else []),
            *(text for option, number in counts if number is not None for text in (option, str(number))),
            "--labels", f"{NAME_LABEL}={self.name or socket.gethostname()}",
            "--disable-usage-stats", "--block",
        ]  # fmt: skip


def ray(*arguments: str) -> list[str]:
    """Ray's own command, with the Python that runs this. Raises UsageError where there is none."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError(f"Ray is not installed for {sys.executable}: pip install 'soundmill[ray]'")
    return [sys.executable, "-m", "ray.scripts.scripts", *arguments]


def environment(home: Home) -> dict[str, str]:
    """Of Ray's processes here. A token given in Ray's own variables goes before the home's."""
    given = {} if os.environ.get(MODE) else {MODE: "token", TOKEN_FILE: str(home.cluster_token)}
    return {**os.environ, **QUIET, **WATCHFUL, **given}


def state_file(home: Home) -> Path:
    """What this machine is in a cluster, while it is: for `down`. Machines may share a home."""
    return home.root / f"cluster-{socket.gethostname()}.json"


def take_part(home: Home, part: Part, say: Callable[[str], object], *, hosts: Sequence[str] = ()) -> None:
    """Keep Ray running until SIGTERM or Ctrl-C comes; then finish what runs here, and leave.

    Raises UsageError where there is no token or no Ray.
    """
    if not os.environ.get(MODE) and not home.cluster_token.is_file():
        raise UsageError(
            f"{home.cluster_token}: there is no token; bring the head's (soundmill cluster up makes one) here"
        )
    command = ray("start", *part.arguments())
    home.root.mkdir(parents=True, exist_ok=True)
    must_be_free(home)
    state = {"pid": os.getpid(), "hosts": list(hosts), **asdict(part)}
    write_whole(state_file(home), json.dumps(state).encode())
    ends = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ends.set())
    try:
        while not ends.is_set():
            _one_node(home, command, part, ends, say)
            if not ends.is_set():
                say(f"Ray has ended here; {'starting' if part.head else 'joining'} again in {AGAIN_S:g} s")
                ends.wait(AGAIN_S)
    finally:
        state_file(home).unlink(missing_ok=True)


def _one_node(home: Home, command: list[str], part: Part, ends: threading.Event, say: Callable[[str], object]) -> None:
    node = subprocess.Popen(
        command, env=environment(home), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    say(f"{'the head of a cluster at' if part.head else 'joining'} {part.address}")
    last = b""
    assert node.stderr is not None
    stderr = node.stderr

    def read() -> None:
        nonlocal last
        for line in stderr:
            last = line.strip() or last

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while node.poll() is None and not ends.wait(0.5):
        pass
    if node.poll() is None:
        if not part.head:
            drain(home, node.pid, say)
        end(node)
    elif last:
        say(last.decode(errors="replace"))
    stderr.close()


def drain(home: Home, pid: int, say: Callable[[str], object], *, within_s: float = DRAIN_S) -> None:
    """Have nothing more begun on this machine, and wait for what runs."""
    engines = [process for process in children(pid) if "EngineActor" in process.name() + " ".join(process.cmdline())]
    if not engines:
        return
    say(f"leaving: finishing what runs here, at most {within_s:g} s")
    done = subprocess.run(
        ray(
            "drain-node", "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "the machine leaves",
            "--deadline-remaining-seconds", str(int(within_s)),
        ),
        env=environment(home), capture_output=True, check=False, timeout=60.0,
    )  # fmt: skip
    if done.returncode != 0:
        say("the head does not answer: what runs here is given back")
        return
    until = time.monotonic() + within_s
    while time.monotonic() < until and any(process.is_running() for process in engines):
        time.sleep(0.5)


def end(node: subprocess.Popen[bytes]) -> None:
    """Ray's processes of one `ray start --block`, and what they started."""
    all_of_it = children(node.pid)
    node.terminate()
    try:
        node.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()
    for process in all_of_it:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def children(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def must_be_free(home: Home) -> None:
    """Raises UsageError while this home's machine takes part already."""
    known = read_state(home)
    if known is not None:
        raise UsageError(f"this machine is part of the cluster at {known['address']}; first: soundmill cluster down")


def read_state(home: Home) -> dict[str, object] | None:
    """What this machine is in a cluster; None where it is nothing."""
    try:
        known = json.loads(state_file(home).read_text(encoding="utf-8"))
        os.kill(int(known["pid"]), 0)
        process = psutil.Process(int(known["pid"]))
        return dict(known) if "cluster" in process.cmdline() else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def detach(home: Home, arguments: Sequence[str], say: Callable[[str], object]) -> None:
    """Go on in a process of its own, whose words are in cluster.log. Raises SoundmillError where it ends at once."""
    must_be_free(home)
    ray()  # raises here, and not in a log
    log = home.root / "cluster.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "soundmill", "--home", str(home.root), "cluster", *arguments],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    until = time.monotonic() + 15.0
    while read_state(home) is None and time.monotonic() < until:
        if process.poll() is not None:
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise SoundmillError(
                words[-1].removeprefix("soundmill: ") if words else f"it ended with {process.returncode}; see {log}"
            )
        time.sleep(0.1)
    say(f"goes on in process {process.pid}; its words are in {log}; it ends with: soundmill cluster down")


def own_address(towards: str | None) -> str:
    """The address of this machine on the way to a host, None for this machine alone. Raises UsageError."""
    if towards is None:
        return "127.0.0.1"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((towards.rpartition("@")[2], 9))  # sends nothing: the kernel only picks the way
            return str(probe.getsockname()[0])
    except OSError as error:
        raise UsageError(f"{towards}: no way there ({error}); name this machine's address with --address") from error


def token_from(text: str, home: Home) -> None:
    """Keep a token that came from the head, for its owner's eyes alone."""
    token = text.strip()
    if len(token) < 16 or not token.isalnum():
        raise UsageError("that is no token; soundmill cluster up makes one")
    home.root.mkdir(parents=True, exist_ok=True)
    home.cluster_token.unlink(missing_ok=True)
    handle = os.open(home.cluster_token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(token)


def own_token(home: Home) -> str:
    return make_token(home.cluster_token)
