"""`soundmill cluster up` and `down`: a head here, and workstations that join it over ssh."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import psutil

from soundmill.commands.cluster import node
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home

SSH_PATIENCE_S = 90.0
DOWN_PATIENCE_S = 150.0  # a machine finishes what runs on it

Say = Callable[[str], object]


def up(
    home: Home, hosts: Sequence[str], *, address: str | None, port: int, gpus: int | None, cpus: int | None,
    soundmill: str, say: Say,
) -> None:  # fmt: skip
    """Start a head here, in a process of its own, and have the hosts join it. Raises UsageError, SoundmillError."""
    node.must_be_free(home)
    host = address or node.own_address(hosts[0] if hosts else None)
    where = f"{host}:{port}"
    token = node.own_token(home)
    counts = [("--gpus", gpus), ("--cpus", cpus)]
    options = [text for option, number in counts if number is not None for text in (option, str(number))]
    node.detach(home, ["head", where, *options, *hosts], say)
    failed = [each for each in hosts if not _join(each, where, token, soundmill, say)]
    say(f"in {home.config_file}, for the daemon:\n\ncluster: {{address: {where}}}\n")
    say("Whoever reaches Ray's ports with this home's cluster.token runs code on these machines; keep it to yourself.")
    if failed:
        raise SoundmillError(f"did not join: {', '.join(failed)}")


def _join(host: str, address: str, token: str, soundmill: str, say: Say) -> bool:
    done = ssh(host, f"{soundmill} cluster join {shlex.quote(address)} --token-stdin --detach", token)
    say(f"{host}: " + (done.stdout.strip() or done.stderr.strip() or "no word").splitlines()[-1])
    return done.returncode == 0


def ssh(host: str, command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """A command on another machine, with `text` on its standard input: nothing secret stands in a list of processes."""
    try:
        return subprocess.run(
            ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", host, command],
            input=text, capture_output=True, text=True, check=False, timeout=SSH_PATIENCE_S,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError("there is no ssh on this machine: apt install openssh-client") from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 255, "", f"no answer in {SSH_PATIENCE_S:g} s")


def down(home: Home, *, soundmill: str, say: Say) -> None:
    """Have this machine leave its cluster; as the head, those that joined it over ssh before it. Raises UsageError."""
    known = node.read_state(home)
    if known is None:
        raise UsageError("this machine is in no cluster that soundmill cluster up or join started")
    for host in cast("list[Any]", known["hosts"]):
        done = ssh(str(host), f"{soundmill} cluster down")
        say(f"{host}: " + (done.stdout.strip() or done.stderr.strip() or "no word").splitlines()[-1])
    pid = int(str(known["pid"]))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + DOWN_PATIENCE_S
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.1)
    if psutil.pid_exists(pid):
        raise SoundmillError(f"process {pid} does not end; see {home.root / 'cluster.log'}")
    say(f"left the cluster at {known['address']}")
