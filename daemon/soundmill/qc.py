"""`soundmill qc`: the daemon's quality checks on any audio files, without the daemon."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

from soundmill.errors import MissingInput, UsageError
from soundmill.jobs import Verdict
from soundmill.quality.checks import Thresholds, judge

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})


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


def judge_file(path: Path, thresholds: Thresholds) -> dict[str, object]:
    """Verdict, score, failed checks and measurements of one file; `error` when it cannot be read."""
    from soundmill.audio.encode import read_audio
    from soundmill.audio.loudness import integrated_loudness
    from soundmill.quality.measure import measure

    try:
        samples, sample_rate = read_audio(path)
    except (OSError, MissingInput) as error:
        return {"file": str(path), "verdict": "unreadable", "error": " ".join(str(error).split())}
    measured = measure(
        samples,
        sample_rate,
        requested_s=None,
        loudness_lufs=integrated_loudness(samples, sample_rate),
        before=None,
    )
    judgement = judge(measured.values, thresholds)
    return {
        "file": str(path),
        "verdict": str(judgement.verdict),
        "score": round(judgement.score, 1),
        "failed_checks": [check.name for check in judgement.checks if not check.passed],
        "reasons": [check.message for check in judgement.checks if not check.passed],
        "sample_rate": sample_rate,
        "channels": samples.shape[0],
        "measurements": dict(measured.values),
        "checks": [asdict(check) for check in judgement.checks],
        "defects": [dict(defect) for defect in measured.defects],
    }


def judge_files(paths: list[Path], thresholds: Thresholds, processes: int) -> Iterator[dict[str, object]]:
    """One row per file, in order; several processes once there are enough files to pay for them."""
    work = partial(judge_file, thresholds=thresholds)
    if processes < 2 or len(paths) < 8:
        yield from map(work, paths)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, paths, chunksize=4)


def passed(row: Mapping[str, object]) -> bool:
    return row["verdict"] == Verdict.PASSED


def why(row: Mapping[str, object]) -> str:
    """What is wrong with a file, in words; blank when nothing is."""
    reasons = row.get("reasons", [])
    assert isinstance(reasons, list)
    return "; ".join(reasons) or str(row.get("error", ""))


def write_csv(rows: list[dict[str, object]], out: TextIO) -> None:
    """One line per file: verdict, score, failed checks, then every measurement."""
    names = sorted({name for row in rows for name in _measurements(row)})
    writer = csv.writer(out)
    writer.writerow(["file", "verdict", "score", "failed_checks", "error", *names])
    for row in rows:
        failed = row.get("failed_checks", [])
        assert isinstance(failed, list)
        values = _measurements(row)
        writer.writerow(
            [row["file"], row["verdict"], row.get("score", ""), " ".join(failed), row.get("error", "")]
            + [values.get(name) for name in names]
        )


def _measurements(row: Mapping[str, object]) -> Mapping[str, object]:
    values = row.get("measurements", {})
    assert isinstance(values, Mapping)
    return values
