"""kill -9 and friends on real processes: the daemon, its engine, and what the catalogue says afterwards."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from service.conftest import drop
from soundmill.home import Home

TESTS = Path(__file__).resolve().parents[1]
DAEMON = TESTS / "support" / "light_daemon.py"


def environment() -> dict[str, str]:
    """In which the light daemon finds what it imports."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}


def start(home: Home, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DAEMON), str(home.root), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )


@contextmanager
def daemon(home: Home, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = start(home, *arguments)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def rows(home: Home, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(f"file:{home.catalog}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    except sqlite3.OperationalError:
        return []  # the daemon is still making the catalogue
    finally:
        db.close()


def wait_until(true: Callable[[], bool], timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.04)  # to look costs a twentieth of that


def engine_of(process: subprocess.Popen[str]) -> psutil.Process:
    wait_until(lambda: bool(psutil.Process(process.pid).children()))
    return psutil.Process(process.pid).children()[0]


def run_to_the_end(home: Home, *arguments: str) -> int:
    process = start(home, "--once", *arguments)
    out, _ = process.communicate(timeout=90)
    assert out.startswith("ready")
    return process.returncode


def audio(home: Home) -> set[str]:
    return {p.relative_to(home.outputs).as_posix() for p in home.outputs.rglob("*.wav")}


def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(home: Home) -> None:
    """Killed at random moments, the daemon ends with each job finished once and no stray file or row."""
    moments = random.Random(1)
    drop(home, "first.csv", 40)
    engines: list[psutil.Process] = []
    for round_number in range(7):
        with daemon(home, "--max-attempts", "20") as process:
            drop(home, f"more-{round_number}.csv", 5)
            time.sleep(moments.uniform(0.0, 0.6))
            engines += psutil.Process(process.pid).children()
            process.send_signal(signal.SIGKILL)
    assert run_to_the_end(home, "--max-attempts", "20") == 0
    assert rows(home, "SELECT status, count(*) FROM jobs GROUP BY status") == [("succeeded", 75)]
    assert rows(home, "SELECT count(*), count(DISTINCT ulid), count(DISTINCT sha256) FROM batches") == [(8, 8, 8)]
    assert rows(home, "SELECT count(*), count(DISTINCT job_id) FROM outputs") == [(75, 75)]
    assert rows(home, "SELECT count(*) FROM attempts WHERE status = 'running'") == [(0,)]
    finishes = rows(home, "SELECT job_id FROM attempts WHERE status = 'succeeded' GROUP BY job_id HAVING count(*) > 1")
    assert finishes == []
    assert audio(home) == {row[0] for row in rows(home, "SELECT path FROM outputs")}
    assert {p.name for p in home.outputs.rglob("*") if p.is_file() and p.suffix not in {".wav", ".json"}} == {
        ".soundmill"
    }
    assert not list((home.inbox / ".claimed").iterdir())
    assert len(list((home.inbox / "accepted").glob("*/*.csv"))) == 8
    wait_until(lambda: not any(engine.is_running() for engine in engines), 5.0)


@pytest.mark.parametrize("kills", [3, 10])
def test_a_long_job_outlives_kills_of_the_daemon(home: Home, kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the default of three attempts: what ends the daemon is no fault of the jobs that ran."""
    hold = home.root / "hold"
    hold.touch()
    monkeypatch.setenv("HOLD", str(hold))
    (home.inbox / "a.csv").write_text("prompt\nheld clip\nheld too\n")
    for number in range(1, kills + 1):
        running = f"SELECT max(number) FROM attempts WHERE status = 'running' AND number = {number}"
        with daemon(home) as process:
            wait_until(lambda: rows(home, running) == [(number,)])  # noqa: B023
            process.send_signal(signal.SIGKILL)
    hold.unlink()
    assert run_to_the_end(home) == 0
    assert rows(home, "SELECT status, strikes FROM jobs") == [("succeeded", 1)] * 2
    interrupted = "SELECT count(*) FROM attempts WHERE job_id = 1 AND status = 'interrupted'"
    assert rows(home, interrupted) == [(kills,)]


def test_an_engine_killed_from_outside_costs_only_another_attempt(home: Home) -> None:
    (home.inbox / "a.csv").write_text("prompt\nslow clip\nquick clip\n")
    with daemon(home) as process:
        wait_until(lambda: rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == [(1,)])
        engine_of(process).kill()
        wait_until(lambda: rows(home, "SELECT attempt FROM jobs WHERE prompt = 'slow clip'") == [(2,)])
    [(kind, error)] = rows(home, "SELECT error_kind, error FROM attempts WHERE status = 'failed'")
    assert kind == "engine_died" and "signal 9" in str(error)


def test_an_engine_that_hangs_is_killed_at_the_deadline(home: Home) -> None:
    (home.inbox / "a.csv").write_text("prompt\nslow clip\n")
    with daemon(home, "--deadline", "1") as process:
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("running",)])
        engine_of(process).suspend()
        wait_until(lambda: rows(home, "SELECT error_kind FROM attempts WHERE number = 1") == [("timed_out",)])
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("failed",)])
    assert rows(home, "SELECT count(*) FROM attempts") == [(3,)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_daemon_cleanly(home: Home, number: signal.Signals) -> None:
    (home.inbox / "a.csv").write_text("prompt\nquick clip\n")
    with daemon(home) as process:
        wait_until(lambda: rows(home, "SELECT status FROM jobs") == [("succeeded",)])
        process.send_signal(number)
        assert process.wait(15) == 0
    assert rows(home, "SELECT DISTINCT status FROM workers") == [("stopped",)]


def test_the_daemon_starts_small(home: Home) -> None:
    """The daemon, with an engine process beside it and work done, stays under 80 MB."""
    drop(home, "a.csv", 20)
    with daemon(home) as process:
        wait_until(lambda: rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == [(20,)])
        peak_kb = next(
            int(line.split()[1])
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
    assert peak_kb < 80 * 1024
