"""Tempo and key of rendered pieces: how often they are right, by style, and what they cost.

python benchmarks/tempo.py [--each 10] [--seconds 15]
python benchmarks/tempo.py --published            the tempo of published pieces; needs apt and fluidsynth
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from scores import SKIPPED_S, played, scores
from soundmill.audio.musical.heard import musical
from soundmill.audio.musical.key import key
from soundmill.audio.musical.tempo import tempo
from soundmill.music.asked import Asked, tempo_difference
from support.rendered import RATE, Piece, held_out, learn, render

NEAR = 0.04
TIMED_S, TIMES = 30, 5


def look(piece: Piece, seconds: float) -> tuple[bool, bool, bool]:
    """Whether the tempo is right, whether it is or an octave off, and whether the key is."""
    sound = render(piece, seconds)
    beat, tonic = tempo(sound, RATE), key(sound, RATE)
    return (
        beat is not None and abs(beat.bpm / piece.bpm - 1) <= NEAR,
        beat is not None and tempo_difference(piece.bpm, beat.bpm) <= NEAR,
        tonic is not None and tonic.number == piece.tonic + 12 * piece.minor,
    )


def table(pieces: list[Piece], seconds: float) -> None:
    found = defaultdict(list)
    for piece in pieces:
        found[piece.name].append(look(piece, seconds))
    found["all"] = [row for rows in found.values() for row in rows]
    print("| style | pieces | tempo | or an octave off | key |\n| --- | --- | --- | --- | --- |")
    for name, rows in found.items():
        print(f"| {name} | {len(rows)} | " + " | ".join(f"{share:.0%}" for share in np.mean(rows, axis=0)) + " |")


def published(seconds: float) -> None:
    print("| pieces | tempo | or an octave off |\n| --- | --- | --- |")
    found = defaultdict(list)
    for score in scores():
        bpm, sound = score.bpm(SKIPPED_S, SKIPPED_S + seconds), None
        if bpm is None or (sound := played(score, seconds)) is None:
            continue
        beat = tempo(sound, RATE)
        near = beat is not None and abs(beat.bpm / bpm - 1) <= NEAR
        found[score.name.partition("/")[0]].append((near, beat is not None and tempo_difference(bpm, beat.bpm) <= NEAR))
    for package, rows in found.items():
        print(f"| {package}, {len(rows)} | " + " | ".join(f"{share:.0%}" for share in np.mean(rows, axis=0)) + " |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--each", type=int, default=10)
    options.add_argument("--seconds", type=float, default=15.0)
    options.add_argument("--published", action="store_true")
    wanted = options.parse_args()
    if wanted.published:
        published(2 * wanted.seconds)
        return
    for title, pieces in (("tuned on", learn(wanted.each)), ("held out", held_out(wanted.each))):
        print(f"\n{title}\n")
        table(pieces, wanted.seconds)
    sound = np.repeat(render(held_out(1)[0], TIMED_S), 2, axis=0)
    began = time.process_time()
    for _ in range(TIMES):
        musical(sound, RATE, asked=Asked(), looped=False)
    print(f"\n{1000 * (time.process_time() - began) / TIMES:.1f} ms of a CPU for {TIMED_S} s in stereo")


if __name__ == "__main__":
    main()
