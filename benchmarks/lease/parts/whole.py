"""The whole daemon: two models on one device, from the job files to the takes, and its engine killed on the way."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from parts.lease import Lease
from startup import SOUNDMILL, catalogue

STOP_S = 6.0  # kept for the daemon's own end
KILL_AT = 0.25  # share of the first model's takes that are there when the engine is killed
SETTINGS = """\
default_model: "{model}"
inbox: {{settle_s: 0.2, scan_interval_s: 0.2}}
engine: {{devices: ["{device}"]}}
"""
MADE_SINCE = "SELECT count(*) FROM attempts WHERE status = 'succeeded' AND started_at > {}"
CLIPS = {"cuda": {"small": (256, 10.0), "audiogen": (64, 5.0)}, "cpu": {"small": (12, 0.6), "audiogen": (4, 0.5)}}


def measure(lease: Lease) -> None:
    home = lease.folder / "home"
    clips = CLIPS[lease.device.partition(":")[0]]
    (home / "inbox").mkdir(parents=True)
    folders = {name: lease.checkpoint(name) for name in clips}
    (home / "soundmill.yaml").write_text(SETTINGS.format(model=folders["small"], device=lease.device))
    audio_s = sum(count * seconds for count, seconds in clips.values())
    due = sum(count for count, _ in clips.values())
    with daemon(home) as process, Use(lease) as use:
        began = time.monotonic()
        for name, (count, seconds) in clips.items():
            rows = "".join(f"{name} {index},{folders[name]},{seconds}\n" for index in range(count))
            (home / "inbox" / f"{name}.csv").write_text("prompt,model,duration\n" + rows)
        if not _until(lease, lambda: _takes(home) > 0):
            raise TimeoutError(f"no take in time: {_states(home)}")
        lease.say("first take after, s", time.monotonic() - began)
        _until(lease, lambda: _takes(home) >= KILL_AT * clips["small"][0])
        killed = _kill_engine(process.pid)
        killed_at = time.time()
        lease.say("engine killed after takes", _takes(home) if killed else "none was found")
        if _until(lease, lambda: _count(home, MADE_SINCE.format(killed_at)) > 0):
            lease.say("first take begun and made since, after s", time.time() - killed_at)
        whole = _until(lease, lambda: _takes(home) >= due)
        took = time.monotonic() - began
        takes = _takes(home)
        lease.say("takes filed", f"{takes} of {due} in {took:.1f} s")
        lease.say("audio-s per s, loading and the kill with it", audio_s * takes / due / took)
        lease.say("states of the jobs", _states(home))
        lease.say("jobs with two takes", _count(home, "SELECT count(*) - count(DISTINCT job_id) FROM outputs"))
        use.say()
    if not whole:
        raise TimeoutError(f"{takes} of {due} takes in time")


@contextlib.contextmanager
def daemon(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*SOUNDMILL, "--home", str(home), "run", "--no-web"])
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its engines end with it
            process.wait()


class Use:
    """How much the device and the daemon's processes worked while this lasts."""

    def __init__(self, lease: Lease) -> None:
        self._lease, self._seen, self._over = lease, [], threading.Event()  # type: ignore[var-annotated]
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Use:
        self._began, self._worked = time.monotonic(), _worked_s()
        if self._lease.on_gpu and shutil.which("nvidia-smi"):
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()

    def _look(self) -> None:
        asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._over.wait(0.5):
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            with contextlib.suppress(ValueError, IndexError):
                self._seen.append(float(done.stdout.split()[0]))

    def say(self) -> None:
        took = time.monotonic() - self._began
        if self._seen:
            self._lease.say("device busy, mean of its own count", sum(self._seen) / len(self._seen) / 100)
        self._lease.say("cores busy, mean", (_worked_s() - self._worked) / took)


def _worked_s() -> float:
    """Processor time of everything on this machine so far, in seconds, waiting left out."""
    numbers = [int(number) for number in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(numbers[:8]) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def _until(lease: Lease, reached: Callable[[], bool]) -> bool:
    """Wait until it is, or until only the daemon's end has time."""
    while lease.left_s > STOP_S:
        if reached():
            return True
        time.sleep(0.05)
    return False


def _ask(home: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(catalogue(home)) as db:
        return db.execute(query).fetchall()
    return []  # locked for a moment


def _count(home: Path, query: str) -> int:
    return next((int(row[0]) for row in _ask(home, query)), 0)


def _takes(home: Path) -> int:
    return _count(home, "SELECT count(*) FROM outputs")


def _states(home: Path) -> str:
    found = _ask(home, "SELECT status, count(*) FROM jobs GROUP BY status")
    ends = _ask(home, "SELECT status, coalesce(error, ''), count(*) FROM attempts GROUP BY 1, 2")
    return f"jobs {dict(found)}, attempts {[row for row in ends if row[0] != 'succeeded']}"


def _kill_engine(daemon_pid: int) -> bool:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == daemon_pid and b"soundmill.engine.process.host" in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
                return True
    return False
