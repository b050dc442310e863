"""Looks at what `make demo` made: audio that sounds, a report of every batch, and a row for every file.

    python tests/support/demo_seen.py HOME

Prints what was found. Ends with 1 where something is not as the README promises.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from soundmill.catalog.reader import Reader
from soundmill.home import Home

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
QUIETEST_RMS = 1e-3  # -60 dBFS
BATCHES, TAKES = 5, 63  # of the small examples; `make demo` promises every one


def look(home: Home, batches: int, takes: int) -> Iterator[str]:
    """What is wrong with a home in which so many batches with so many takes in all should have ended."""
    with Reader.open(home.catalog) as reader:
        ended = [str(row["batch"]) for row in reader.batches() if row["status"] == "finished"]
        jobs = [row for batch in ended for row in reader.jobs(batch)]
        rows = {str(row["audio"]) for batch in ended for row in reader.takes(batch)}
    if len(ended) != batches:
        yield f"{len(ended)} batches ended, not {batches}: {', '.join(sorted(ended))}"
    for batch in ended:
        report = home.outputs / batch / "report.html"
        if not report.is_file() or "</html>" not in report.read_text(encoding="utf-8"):
            yield f"{batch}: no whole report"
    yield from (f"job {row['job']}: {row['status']}" for row in jobs if row["status"] != "succeeded")
    found = [path for path in sorted(home.outputs.rglob("*")) if path.suffix in SUFFIXES]
    names = {path.relative_to(home.outputs).as_posix() for path in found}
    if len(jobs) != takes:
        yield f"{len(jobs)} jobs in the catalogue, not {takes}"
    yield from (f"{name}: in the catalogue, but no file" for name in sorted(rows - names))
    yield from (f"{name}: a file, but not in the catalogue" for name in sorted(names - rows))
    for path in found:
        try:
            samples, _ = soundfile.read(path)
        except soundfile.SoundFileError as error:
            yield f"{path.name}: no audio ({error})"
            continue
        if samples.size == 0 or np.sqrt(np.mean(np.square(samples))) < QUIETEST_RMS:
            yield f"{path.name}: silent"


def main(arguments: Sequence[str]) -> int:
    (folder,) = arguments
    problems = list(look(Home(Path(folder).absolute()), BATCHES, TAKES))
    print("\n".join(problems) or f"demo: {BATCHES} batches, {TAKES} jobs, audio that sounds, reports, rows: all there")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
