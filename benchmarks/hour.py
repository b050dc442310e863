"""An hour of the real thing: the daemon with its engine process, site and reports, fed small job files all the while.

    python benchmarks/hour.py [--seconds 3600] [--dir FOLDER] [--json FILE]

The built-in model generates on the CPU. A file of ROWS jobs of one second is dropped whenever fewer are left, and the
daemon's own memory, descriptors and threads (not those of the processes that it starts) are read from /proc once a
second; the second half of the time is compared with the first, as benchmarks/soak.py does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from soak import Life, connected, growth, tenths, wrong
from soundmill.home import Home
from support.results import keep, stamped

ROWS = 20
LOOKS_EVERY_S = 1.0
SETTINGS = "default_model: tiny\ndefault_duration: 1\nweb: {port: 0}\n"


def left(home: Home) -> int:
    """Jobs that are not done, of the files dropped so far."""
    waiting = ROWS * sum(1 for _ in home.inbox.glob("*.csv"))
    with contextlib.closing(connected(home)) as db:
        return waiting + int(db.execute("SELECT coalesce(sum(n_queued + n_running), 0) FROM batches").fetchone()[0])


def hour(home: Home, seconds: float) -> dict[str, Any]:
    home.root.mkdir()
    home.create()
    home.config_file.write_text(SETTINGS, encoding="utf-8")
    began, files, life = time.monotonic(), 0, Life()
    with subprocess.Popen([sys.executable, "-m", "soundmill", "--home", str(home.root), "run"]) as process:
        while process.poll() is None:
            if home.catalog.exists() and left(home) < ROWS:
                if time.monotonic() - began >= seconds:
                    if left(home) == 0:
                        process.send_signal(signal.SIGTERM)
                        break
                else:
                    drop(home, files)
                    files += 1
            time.sleep(LOOKS_EVERY_S)
            life.look(process.pid)
        status = process.wait()
    found = wrong(home, files * ROWS)
    if status != 0:
        found.append(f"the daemon ended with {status}")
    return {
        "seconds": time.monotonic() - began,
        "jobs": files * ROWS,
        "memory_mb_most": round(max(life.memory_kb) / 1024, 1),
        "memory_mb_growth": round(growth(life.memory_kb) / 1024, 1),
        "memory_mb_by_tenths": [round(kb / 1024, 1) for kb in tenths(life.memory_kb)],
        "descriptors_most": max(life.descriptors),
        "descriptors_growth": growth(life.descriptors),
        "threads_most": max(life.threads),
        "threads_growth": growth(life.threads),
        "violations": found,
    }


def drop(home: Home, number: int) -> None:
    part = home.inbox / f".hour-{number:05}.csv.part"
    part.write_text("prompt\n" + "".join(f"hour {number} clip {row}\n" for row in range(ROWS)), encoding="utf-8")
    part.rename(home.inbox / f"hour-{number:05}.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--dir", type=Path, help="where the home is made")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hour-", dir=chosen.dir) as folder:
        numbers = hour(Home(Path(folder) / "home"), chosen.seconds)
    result = stamped("hour", seconds=numbers.pop("seconds"), **numbers)
    print(json.dumps(result, indent=2))
    keep(result, chosen.json)
    sys.exit(1 if result["violations"] else 0)


if __name__ == "__main__":
    main()
