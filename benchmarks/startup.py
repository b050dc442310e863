"""How long the commands take and how long the daemon until it is ready, and how much memory they hold.

    python benchmarks/startup.py [--runs 7] [--clips 50]

A command is timed from its start to its end, its memory is the most that it held. Each run of the daemon starts
`soundmill run --no-web` on a home of its own and waits for the readiness message that systemd would get. "bare Python"
is the same interpreter doing nothing: what of the time no program can save. The daemon's memory is its own, read from
/proc when it is ready and again when it has filed `--clips` clips of the built-in model; engines are processes of their
own and start with the first job.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SOUNDMILL = (sys.executable, "-m", "soundmill")
COMMANDS = (("--version",), ("--help",), ("status",), ("cancel", "clips"), ("rate", "1", "4"))
CLIP_S = 0.5  # the shortest that there is


@contextlib.contextmanager
def daemon(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A daemon that is ready, and the seconds that took. For a moment only: nobody reads what else it tells systemd."""
    address = str(home / "notify")
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(60)
        began = time.perf_counter()
        process = subprocess.Popen(
            [*SOUNDMILL, "--home", str(home), "run", "--no-web"],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"NOTIFY_SOCKET": address},
        )
        try:
            while b"READY=1" not in sock.recv(4096):
                pass
            yield process, time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def maps_torch(process: subprocess.Popen[bytes]) -> bool:
    return "libtorch" in Path(f"/proc/{process.pid}/maps").read_text()


def run(*words: str) -> tuple[float, float]:
    """(seconds, most resident megabytes) of a process from its start to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - began
    if process.returncode is None:
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1 is an answer too: nothing is left to cancel
        raise SystemExit(f"{' '.join(words)}: ended with {process.returncode}")
    return took_s, used.ru_maxrss / 1024


def work_off(home: Path, clips: int) -> tuple[float, bool]:
    """The daemon's resident megabytes once it has filed so many clips and their report, and whether it maps PyTorch."""
    (home / "inbox" / "clips.csv").write_text("prompt,duration\n" + f"calm piano,{CLIP_S}\n" * clips)
    process = subprocess.Popen([*SOUNDMILL, "--home", str(home), "run", "--no-web"], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            time.sleep(0.5)
            with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(catalogue(home)) as db:
                if db.execute("SELECT count(*) FROM batches WHERE reported_at IS NOT NULL").fetchone()[0]:
                    return resident_mb(process), maps_torch(process)
        raise SystemExit(f"the daemon ended with {process.returncode}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def catalogue(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{home / 'catalog.db'}?mode=ro", uri=True)


def line(name: str, values: list[float], unit: str) -> None:
    print(f"{name:32}{statistics.median(values):9.2f}{min(values):9.2f}{max(values):9.2f} {unit}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--clips", type=int, default=50, help="0: leave the daemon's memory after clips out")
    options = parser.parse_args()
    first, later, memory = [], [], []
    print(f"{'':32}{'median':>9}{'lowest':>9}{'highest':>9}")
    line("bare Python", [run(sys.executable, "-c", "pass")[0] for _ in range(options.runs)], "s")
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            run(*SOUNDMILL, "--home", str(home), "init", "--model", "tiny")
            with daemon(home) as (_, took_s):
                first.append(took_s)
            with daemon(home) as (process, took_s):
                later.append(took_s)
                memory.append(resident_mb(process))
    line("first start, new catalogue", first, "s")
    line("daemon ready", later, "s")
    line("daemon's resident memory", memory, "MB")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        run(*SOUNDMILL, "--home", str(home), "init", "--model", "tiny")
        if options.clips:
            after, torch = work_off(home, options.clips)
            line(f"the same after {options.clips} clips", [after], f"MB, PyTorch {'mapped' if torch else 'not mapped'}")
        commands = COMMANDS if options.clips else COMMANDS[:2]
        for words in commands:
            measured = [run(*SOUNDMILL, "--home", str(home), *words) for _ in range(options.runs)]
            name = f"soundmill {words[0]}"
            line(name, [took_s for took_s, _ in measured], "s")
            line(f"{'':{len(name)}} most memory", [megabytes for _, megabytes in measured], "MB")


if __name__ == "__main__":
    main()
