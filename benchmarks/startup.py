"""How long the daemon takes until it is ready, and how much memory it holds.

    python benchmarks/startup.py [--runs 7]

Each run starts `soundmill run --no-web` on a home of its own and waits for the readiness message that systemd would
get. "bare Python" is the same interpreter doing nothing: what of the time no program can save. Memory is the
daemon's own, read from /proc when it is ready; engines are processes of their own and start with the first job.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def daemon_start(home: Path) -> tuple[float, float]:
    """(seconds until ready, resident megabytes)."""
    address = str(home / "notify")
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(60)
        began = time.perf_counter()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "soundmill", "--home", str(home), "run", "--no-web"],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"NOTIFY_SOCKET": address},
        )
        while b"READY=1" not in sock.recv(4096):
            pass
        took_s = time.perf_counter() - began
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
    resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return took_s, resident_kb / 1024


def bare_start() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    first, later, memory, bare = [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            init = [sys.executable, "-m", "soundmill", "--home", str(home), "init"]
            subprocess.run(init, check=True, capture_output=True)
            first.append(daemon_start(home)[0])
            took_s, megabytes = daemon_start(home)
        later.append(took_s)
        memory.append(megabytes)
        bare.append(bare_start())
    print(f"{'':28}{'median':>9}{'lowest':>9}{'highest':>9}")
    for name, values, unit in (
        ("first start, new catalogue", first, "s"),
        ("daemon ready", later, "s"),
        ("bare Python", bare, "s"),
        ("daemon's resident memory", memory, "MB"),
    ):
        print(f"{name:28}{statistics.median(values):9.2f}{min(values):9.2f}{max(values):9.2f} {unit}")


if __name__ == "__main__":
    main()
