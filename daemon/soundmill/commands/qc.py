"""`soundmill qc`: the daemon's quality checks on any audio files, without the daemon."""

from __future__ import annotations

import csv
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

from soundmill.commands import terminal as show
from soundmill.commands.judging import TooShort, judge_audio
from soundmill.config import load
from soundmill.errors import MissingInput, SoundmillError, UsageError
from soundmill.home import Home
from soundmill.jobs import ALIKE_POINTS, CANNOT_TELL, QualityKind, Verdict
from soundmill.quality.limits import Limits
from soundmill.service.wiring import limits_of

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
FILES_PER_PROCESS = 4  # fewer do not pay for starting one
LONG_SAMPLES = 50_000_000  # over all channels, nine minutes of stereo: longer files are judged one at a time
PROCESS_BYTES = 600e6  # what a process takes that judges files up to that long
COLUMNS = {"file": "file", "verdict": "verdict", "score": "score", "why": "why"}
CSV_COLUMNS = ("file", "verdict", "score", "failed_checks", "why", "defects", "kind", "sample_rate", "channels")


def qc(home: Home, paths: Iterable[Path], kind: QualityKind, *, as_json: bool, as_csv: bool) -> None:
    """Judge files and folders and print what came of it; raises SoundmillError when one did not pass."""
    files = audio_files(paths)
    rows = list(judge_files(files, limits_of(load(home), kind), kind, os.cpu_count() or 1))
    if as_csv and not as_json:
        write_csv(rows, sys.stdout)
    else:
        found = rows if as_json else [{**row, "score": whole(row), "why": why(row)} for row in rows]
        show.table(found, COLUMNS, "", as_json=as_json)
        if not as_json and cannot_tell(rows):
            print(CANNOT_TELL, file=sys.stderr)  # a line of the table is a file
    failed = sum(not passed(row) for row in rows)
    if failed:
        raise SoundmillError(f"{failed} of {len(rows)} files did not pass")


def audio_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those in the folders named; raises UsageError where there is nothing."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such file or folder")
    if not found:
        raise UsageError(f"no audio files ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, paths))}")
    return found


def judge_file(path: Path, limits: Limits, kind: QualityKind) -> dict[str, object]:
    """Verdict, score, failed checks, measurements and defects of one file.

    Where it cannot be read or is too short the verdict is unreadable or unjudged, and `error` says why.
    """
    try:
        judged = judge_audio(path, kind=kind, limits=limits)
    except TooShort as error:
        return {"file": str(path), "verdict": "unjudged", "error": str(error)}
    except OSError as error:
        said = f"The file cannot be read: {error.strerror or error}."
        return {"file": str(path), "verdict": "unreadable", "error": said}
    except MissingInput as error:
        said = " ".join(str(error).removeprefix(f"{path}: ").split())
        return {"file": str(path), "verdict": "unreadable", "error": f"The file {said}."}
    return {
        "file": str(path),
        "verdict": str(judged.verdict),
        "score": round(judged.score, 1),
        "failed_checks": [check.name for check in judged.failed],
        "reasons": [check.message for check in judged.failed],
        "kind": str(kind),
        "sample_rate": judged.sample_rate,
        "channels": judged.channels,
        "measurements": dict(judged.measurements),
        "checks": [asdict(check) for check in judged.checks],
        "defects": [dict(defect) for defect in judged.defects],
    }


def judge_files(paths: list[Path], limits: Limits, kind: QualityKind, processes: int) -> Iterator[dict[str, object]]:
    """One row per file, in order; several processes once there are enough files to pay for them.

    Judging takes some 9 bytes of memory for each sample of each channel, so the processes leave long files to this one,
    which judges them one at a time.
    """
    processes = at_once(len(paths), processes)
    if processes < 2:
        for path in paths:
            yield judge_file(path, limits, kind)
        return
    work = partial(_judge_unless_long, limits=limits, kind=kind, long_samples=LONG_SAMPLES)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for path, row in zip(paths, pool.map(work, paths, chunksize=FILES_PER_PROCESS), strict=True):
            yield judge_file(path, limits, kind) if row is None else row


def at_once(files: int, processes: int) -> int:
    """How many processes judge so many files: as many as half of the free memory holds, up to `processes`."""
    import psutil

    room = psutil.virtual_memory().available / 2 / PROCESS_BYTES
    return max(1, min(processes, files // FILES_PER_PROCESS, int(room)))


def _judge_unless_long(path: Path, limits: Limits, kind: QualityKind, long_samples: int) -> dict[str, object] | None:
    from soundmill.audio.decode import samples_in

    return judge_file(path, limits, kind) if samples_in(path) <= long_samples else None


def _one_thread() -> None:
    """Each process is a core's; matrix products on all cores in each would only get in each other's way."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def passed(row: Mapping[str, object]) -> bool:
    return row["verdict"] == Verdict.PASSED


def whole(row: Mapping[str, object]) -> int | None:
    """The score as it is shown: its decimals tell nothing."""
    score = row.get("score")
    return round(score) if isinstance(score, float) else None


def cannot_tell(rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether several files passed and their scores differ by decimals."""
    scores = [score for row in rows if passed(row) and isinstance(score := row.get("score"), float)]
    return len(scores) > 1 and max(scores) - min(scores) < ALIKE_POINTS


def why(row: Mapping[str, object]) -> str:
    """What is wrong with a file and where, in words; blank when nothing is."""
    reasons = row.get("reasons", [])
    assert isinstance(reasons, list)
    return " ".join(reasons) or str(row.get("error", ""))


def write_csv(rows: list[dict[str, object]], out: TextIO) -> None:
    """One line per file: verdict and what is wrong, kind and format, then every measurement to 6 digits.

    No spreadsheet runs a cell.
    """
    from soundmill.words import safe_cell

    names = sorted({name for row in rows for name in _measurements(row)})
    writer = csv.writer(out)
    writer.writerow([*CSV_COLUMNS, *names])
    for row in rows:
        failed = row.get("failed_checks", [])
        assert isinstance(failed, list)
        told = {**row, "failed_checks": " ".join(failed), "why": why(row), "defects": _places(row)}
        measured = _measurements(row)
        cells = [told.get(name) for name in CSV_COLUMNS] + [_to_six_digits(measured.get(name)) for name in names]
        writer.writerow(map(safe_cell, cells))


def _to_six_digits(value: object) -> object:
    """A number to 6 significant digits: samples are read in single precision, which has seven."""
    return float(f"{value:.6g}") if isinstance(value, float) and math.isfinite(value) else value


def _places(row: Mapping[str, object]) -> str:
    """The defects as "clicks 4.18; silence_tail 3.2-10" in seconds."""
    defects = row.get("defects", [])
    assert isinstance(defects, list)
    return "; ".join(
        f"{each['name']} {each['start_s']:g}" + (f"-{each['end_s']:g}" if each["end_s"] > each["start_s"] else "")
        for each in defects
    )


def _measurements(row: Mapping[str, object]) -> Mapping[str, object]:
    values = row.get("measurements", {})
    assert isinstance(values, Mapping)
    return values
