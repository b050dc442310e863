"""How long a delivery takes, what memory it needs, and that one which was killed ends with the same folder.

    python benchmarks/deliver.py [--takes 300] [--seconds 10] [--profile game] [--processes 2]
    python benchmarks/deliver.py --published 200

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


def arrive(pieces: int) -> None:
    """What arrives of published pieces, and what it took."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import numpy as np

    from soundmill.audio.decode import read_audio
    from soundmill.audio.master import master
    from soundmill.audio.resample import resample
    from soundmill.errors import MissingInput
    from support.published import cache, published

    files = published(cache())
    sounds = []
    for path in files[:: max(1, len(files) // (2 * pieces))]:
        try:
            sound, rate = read_audio(path)
        except MissingInput:
            continue
        sound = resample(np.nan_to_num(sound[:2, : 6 * rate]), rate, 48_000)
        if sound.shape[1] >= 24_000 and float(np.sqrt(np.mean(sound**2))) >= 0.01 and len(sounds) < pieces:
            sounds.append(sound)
    print(f"{len(sounds)} pieces of {len(files)} files")
    for target in (-23.0, -18.0, -14.0):
        made = [
            master(sound, 48_000, target_lufs=target, ceiling_dbtp=-1.0, most_reduction_db=12.0) for sound in sounds
        ]
        short = np.array([each.short_by_lu for each in made], dtype=float)
        bounded = np.array([each.bounded for each in made])
        peaks = np.array([each.true_peak_dbtp for each in made], dtype=float)
        taken = np.array([each.reduction_db for each in made])
        shares = np.array([each.worked_share for each in made])
        median = np.median(taken[taken > 0.1]) if (taken > 0.1).any() else 0.0
        print(
            f"{target:g} LUFS: {int((np.abs(short) <= 0.3).sum())} within 0.3 LU, {int(bounded.sum())} short for want "
            f"of limiting, by up to {short.max():.1f} LU; highest true peak {peaks.max():.2f} dBTP; the limiter worked "
            f"in {int((taken > 0.1).sum())}, half of them under {median:.1f} dB, in {100 * shares.mean():.1f} % of time"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takes", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--profile", default="game")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--published", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.published:
        arrive(chosen.published)
        return
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
