"""How surely a delivered file leads back to its take by its sound alone, and how quickly.

    python benchmarks/identify.py [--takes 1000] [--strangers 300] [--seconds 10] [--processes 2]
    python benchmarks/identify.py --many 100000

Fills a catalogue with takes that the built-in model's training set has (training/recipe: music and sound effects from
few instruments, keys and tempi, so that many are nearly alike), and asks for each as somebody else's file: the first
5 s and up to half a second more cut off, 6 dB louder (then clipped) or quieter in turn, at 44.1 kHz, as MP3 of 128
kbit/s, without metadata. Strangers are clips of the same set that are no takes. Prints how many were
found, how many answers were wrong, and the time of an answer. Fails under 99 % found or over 0.1 % wrong.

With --many it prints what so many fingerprints take to load and to search: those of random landmarks, as many and as
far apart as takes of 10 s have, and the median, largest and mean time of 100 questions. Fails over 50 ms at the median.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from report import fill
from soundmill.audio.decode import decode
from soundmill.audio.fingerprint.fingerprint import HEAD, VERSION, fingerprint, unpacked
from soundmill.audio.fingerprint.landmarks import KEPT_A_SECOND, SECOND, Landmarks
from soundmill.audio.fingerprint.search import Index, shifted
from soundmill.audio.resample import resample
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.reader import Reader
from soundmill.commands.delivering.recognizing import Recognized, recognize

RATE = 16_000
CUT_S = 5.0
SEED = 7
LEAST_FOUND, MOST_WRONG, LIMIT_MS = 0.99, 0.001, 50.0

Samples = NDArray[np.float32]


def clip_of(number: int, seconds: float) -> Samples:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
    from recipe.clips import clip

    return np.asarray(clip(SEED, number, seconds)[1], np.float32).reshape(1, -1)


def somebody_elses(samples: Samples, number: int) -> bytes:
    gain = 10 ** ((6.0 if number % 2 else -6.0) / 20)
    piece = np.clip(samples[:, round(CUT_S * RATE) + 137 * (number % 50) :] * gain, -1, 1)
    buffer = io.BytesIO()
    made = resample(piece, RATE, 44_100)
    soundfile.write(buffer, made.T, 44_100, format="MP3", bitrate_mode="CONSTANT", compression_level=2 / 3)
    return buffer.getvalue()


def make(number: int, seconds: float, take: str | None, piece: str) -> bytes:
    """Write a clip as a take, where it is one, and as the file that is asked for; its fingerprint."""
    samples = clip_of(number, seconds)
    if take is not None:
        soundfile.write(take, samples.T, RATE, subtype="PCM_16")
    Path(piece).write_bytes(somebody_elses(samples, number))
    return fingerprint(samples, RATE)


def ask(catalog: str, outputs: str, piece: str) -> tuple[list[Recognized], float]:
    began = time.process_time()
    with Reader.open(Path(catalog)) as reader:
        found = recognize(reader, Path(outputs), Path(piece), print)
    return found, time.process_time() - began


def identify(takes: int, strangers: int, seconds: float, processes: int) -> bool:
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(processes) as pool:
        home = Path(folder) / "home"
        (home / "outputs").mkdir(parents=True)
        fill(home, takes, 0.1)
        db = connect_writer(home / "catalog.db")
        rows = db.execute("SELECT id, path FROM outputs ORDER BY id").fetchall()
        files = [str(home / "outputs" / row["path"]) for row in rows]
        pieces = [str(Path(folder) / f"{number}.mp3") for number in range(takes + strangers)]
        began = time.perf_counter()
        made = list(
            pool.map(make, range(takes + strangers), [seconds] * len(pieces), [*files, *[None] * strangers], pieces)
        )
        with db:
            db.executemany(
                "INSERT OR REPLACE INTO fingerprints (output_id, data) VALUES (?, ?)",
                [(row["id"], data) for row, data in zip(rows, made, strict=False)],
            )
        db.close()
        size = np.mean([len(data) for data in made])
        print(f"made in {time.perf_counter() - began:.0f} s; a fingerprint has {size:.0f} bytes", flush=True)
        where = [str(home / "catalog.db")] * len(pieces), [str(home / "outputs")] * len(pieces)
        answers = list(pool.map(ask, *where, pieces))
    firsts = [found[0].output_id if found else None for found, _ in answers]
    right = sum(first == row["id"] for first, row in zip(firsts, rows, strict=False))
    none = sum(first is None for first in firsts[:takes])
    answered = sum(first is not None for first in firsts[takes:])
    agreements = [found[0].coherence or 0.0 for found, _ in answers[:takes] if found]
    wrong = takes - right - none
    print(f"{takes} takes: {right} found ({right / takes:.1%}), {wrong} taken for another, {none} not found")
    print(f"{strangers} strangers: {answered} taken for a take")
    print(f"coherence of those found: lowest {min(agreements):.2f}, median {np.median(agreements):.2f}")
    strange = sorted(found[0].coherence or 0.0 for found, _ in answers[takes:] if found)
    print(f"coherence of strangers taken for a take: {', '.join(f'{each:.2f}' for each in strange)}")
    print(f"processor time of an answer: median {np.median([spent for _, spent in answers]) * 1000:.0f} ms")
    return bool(right >= LEAST_FOUND * takes and wrong + answered <= MOST_WRONG * len(pieces))


def random_print(drawn: np.random.Generator, seconds: int = 10) -> bytes:
    count = KEPT_A_SECOND * seconds
    frames = np.sort(drawn.integers(0, SECOND * seconds, count)).astype("<u2")
    # As in takes, low bins are more frequent.
    bins = np.minimum(255, drawn.gamma(2.0, 40.0, count)).astype(np.uint8)
    return bytes([VERSION]) + drawn.bytes(HEAD - 1) + frames.tobytes() + bins.tobytes()


def search(many: int) -> bool:
    drawn = np.random.default_rng(SEED)
    prints = [random_print(drawn) for _ in range(many)]
    began = time.process_time(), time.perf_counter()
    index = Index([unpacked(data).landmarks for data in prints])
    cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{many} fingerprints loaded: processor {cpu:.1f} s, wall {wall:.1f} s, process {largest:.0f} MB")
    spent, found = [], 0
    for number in range(100):
        samples, rate = decode(somebody_elses(clip_of(number, 10.0), number))
        asked: list[Landmarks] = shifted(samples, rate)
        began_s = time.process_time()
        found += len(index.search(asked))
        spent.append((time.process_time() - began_s) * 1000)
    print(
        f"100 questions: processor time median {np.median(spent):.1f} ms, mean {np.mean(spent):.1f} ms, longest "
        f"{max(spent):.1f} ms; load {os.getloadavg()[0]:.0f}; {found} candidates to be listened to"
    )
    return float(np.median(spent)) <= LIMIT_MS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takes", type=int, default=1000)
    parser.add_argument("--strangers", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--many", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.many:
        kept = search(chosen.many)
    else:
        kept = identify(chosen.takes, chosen.strangers, chosen.seconds, chosen.processes)
    if not kept:
        sys.exit("a limit was missed")


if __name__ == "__main__":
    main()
