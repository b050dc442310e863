"""How long a delivery takes, what memory it needs, and that one which was killed ends with the same folder.

    python benchmarks/deliver.py [--takes 300] [--seconds 10] [--profile game] [--processes 2]

Fills a catalogue with synthetic takes (mono WAV, 32 kHz, peaks far above the mean), delivers them with `soundmill
deliver` as a person does, and prints wall time, processor time and the largest process; then the same again, which only
looks; then once more into another folder, killed with SIGKILL when a third of the files stand, and again, and compares
the folders. Processor time over the number of processes is what the wall time is where nothing else runs. Fails when
that exceeds 30 s, or a folder differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import fill

LIMIT_S = 30.0


def command(home: Path, to: Path, profile: str, processes: int) -> list[str]:
    options = ["--to", str(to), "--profile", profile, "--processes", str(processes)]
    return [sys.executable, "-m", "soundmill", "--home", str(home), "deliver", "sweep", *options]


def measure(words: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and MB of the largest process of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def killed(words: list[str], to: Path, at_files: int) -> int:
    """Start the command, and kill it when so many files stand; how many did."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list(to.rglob("*.wav"))) < at_files:
        time.sleep(0.02)
    process.kill()
    process.wait()
    return len(list(to.rglob("*.wav")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takes", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--profile", default="game")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        (home / "outputs").mkdir(parents=True)
        fill(home, chosen.takes, chosen.seconds)
        words = command(home, Path(folder) / "whole", chosen.profile, chosen.processes)
        wall, cpu, largest = measure(words)
        load = os.getloadavg()[0]
        print(f"{chosen.takes} takes of {chosen.seconds:g} s, {chosen.profile}: {wall:.1f} s, processor {cpu:.1f} s")
        print(f"so {cpu / chosen.processes:.1f} s on free cores (load {load:.0f}); largest process {largest:.0f} MB")
        wall, cpu_again, _ = measure(words)
        print(f"again: {wall:.1f} s, processor {cpu_again:.1f} s")
        torn = Path(folder) / "torn"
        words = command(home, torn, chosen.profile, chosen.processes)
        stood = killed(words, torn, chosen.takes // 3)
        wall, cpu_rest, _ = measure(words)
        same = content(torn) == content(Path(folder) / "whole")
        print(f"killed with {stood} files, then {wall:.1f} s, processor {cpu_rest:.1f} s: the same folder: {same}")
        if not same or cpu / chosen.processes > LIMIT_S:
            sys.exit("a limit was missed")


if __name__ == "__main__":
    main()
