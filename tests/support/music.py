"""What the checks say of published game music, by music's limits and at the length of a take.

    python tests/support/music.py FOLDER PACKAGE…

PACKAGE is a Debian package, fetched to FOLDER and unpacked unless it is there. Every audio file of 15 s or more is
judged unless it lies in a folder of sounds, speech or units: whole up to 30 s, else up to three random excerpts of
30 s with fades of 10 ms where they are cut, as the daemon cuts its takes. The same file is judged once. Prints each
alarm, then files and excerpts with an alarm, by check, and of the files those whose fault a plain look at the samples
does not show.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":  # pytest has the folder on its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soundmill.audio.decode import read_audio
from soundmill.audio.fade import fade
from soundmill.errors import MissingInput
from soundmill.report.statistics.intervals import wilson
from support.published import NO_MUSIC, failed, fetched

Samples = NDArray[np.float32]

LEAST_S = 15.0
EXCERPT_S = 30.0
EXCERPTS = 3
FADE_S = 0.01


def excerpts(samples: Samples, rate: int, name: str) -> Iterator[tuple[float, Samples]]:
    """(Where in seconds, excerpt); they do not overlap, and are the same each time for a file's name."""
    length, whole = round(EXCERPT_S * rate), samples.shape[1]
    if whole <= length:
        yield 0.0, samples
        return
    count = min(EXCERPTS, whole // length)
    gaps = np.sort(np.random.default_rng(zlib.crc32(name.encode())).integers(0, whole - count * length + 1, count))
    for number, gap in enumerate(gaps):
        start = int(gap) + number * length
        excerpt = samples[:, start : start + length]
        yield start / rate, fade(excerpt, rate, FADE_S, start=start > 0)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("package", nargs="+")
    asked = arguments.parse_args()
    seen: set[bytes] = set()
    by_check: collections.Counter[str] = collections.Counter()
    files = heard = alarms = excerpt_alarms = unexplained = 0
    for path in fetched(asked.folder, asked.package):
        if NO_MUSIC.search(str(path)):
            continue
        try:
            samples, rate = read_audio(path)
        except MissingInput:
            continue
        if samples.shape[1] < LEAST_S * rate or (key := hashlib.sha256(samples.tobytes()).digest()) in seen:
            continue
        seen.add(key)
        names: set[str] = set()
        unseen = False
        for at_s, excerpt in excerpts(samples, rate, path.name):
            said = failed(excerpt, rate, "music")
            for check, plain in said:
                print(f"{path.name} from {at_s:.1f} s: {check.name} ({'' if plain else 'not '}plain): {check.message}")
            names |= {check.name for check, _ in said}
            unseen |= any(not plain for _, plain in said)
            heard += 1
            excerpt_alarms += bool(said)
        files += 1
        alarms += bool(names)
        unexplained += unseen
        by_check.update(names)
    low, high = wilson(unexplained, files, 0.95)
    print(f"{files} files, {alarms} with an alarm; {heard} excerpts, {excerpt_alarms} with an alarm")
    print("files by check:", ", ".join(f"{name} {count}" for name, count in by_check.most_common()) or "none")
    print(f"not plain: {unexplained} files, {unexplained / files:.1%} (95 %: {low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main()
