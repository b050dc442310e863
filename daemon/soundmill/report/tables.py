"""Report: the batch as tables for other programs, jobs.csv and takes.jsonl."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from io import StringIO

from soundmill.jobs import Parameters
from soundmill.report.record import BatchRecord, Found, JobRecord, TakeRecord
from soundmill.words import iso, safe_cell

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # without it Excel reads UTF-8 as the machine's old code page


def jobs_csv(record: BatchRecord, pictures: Mapping[str, str]) -> str:
    """One row per job in the order of the file, with its final take; `pictures` maps a take's file to its picture.

    Factors and labels are columns `factor.<name>` and `label.<name>`, other scorers `score.<scorer>`.
    """
    names: dict[str, None] = {}
    rows = [_job_row(record, job, pictures) for job in record.jobs]
    for row in rows:
        names.update(dict.fromkeys(row))
    text = StringIO()
    text.write(BOM)
    writer = csv.writer(text)
    writer.writerow([safe_cell(name) for name in names])
    writer.writerows([safe_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def _job_row(record: BatchRecord, job: JobRecord, pictures: Mapping[str, str]) -> dict[str, object]:
    take = job.final
    row: dict[str, object] = {
        "batch": record.name,
        "position": job.position,
        "replicate": job.replicate,
        "job": job.name,
        "status": str(job.status),
        "verdict": str(take.verdict) if take else None,
        "score": take.score if take else None,
        "stars": take.stars if take else None,
        "rejected": int(take.rejected) if take else None,
        "note": take.note if take else None,
        "audio": take.file if take and take.present else None,
        "picture": pictures.get(take.file) if take else None,
        "prompt": job.prompt,
        "model": job.model,
        **{each.name: getattr(job, each.name) for each in fields(Parameters)},
        "seed": take.seed if take else job.seed,
        "attempts": job.attempts,
        "failed_checks": " ".join(check.name for check in take.checks if not check.passed) if take else None,
        "problems": "; ".join(take.problems) if take else None,
        "kept": None if take is None or take.kept is None else int(take.kept),
        "quarantined": int(take.quarantined) if take else None,
        "generation_s": take.generation_s if take else None,
        "device_s": take.device_s if take else None,
        "error_kind": job.error_kind,
        "error": job.error,
        "queued_at": iso(job.queued_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "worker": take.worker if take else None,
        "device": take.device if take else None,
        "format": take.format if take else job.format,
        "sample_rate": take.sample_rate if take else None,
        "channels": take.channels if take else None,
        "size_bytes": take.size_bytes if take else None,
        "sha256": take.sha256 if take else None,
        "licence": take.licence if take else None,
        "melody": job.melody,
        "continue_from": job.continue_from,
    }
    row |= {f"factor.{name}": level for name, level in job.condition.items()}
    row |= {f"label.{name}": value for name, value in job.labels.items()}
    if take:
        row |= {f"score.{scorer}": score for scorer, score in take.scores.items()}
        row |= dict(take.measurements)
    return row


def takes_jsonl(takes: Sequence[Found], pictures: Mapping[str, str]) -> str:
    """Everything known of every take, one JSON object a line, also of those that were tried again."""
    return "".join(f"{json.dumps(_take_row(job, take, pictures), ensure_ascii=False)}\n" for job, take in takes)


def _take_row(job: JobRecord, take: TakeRecord, pictures: Mapping[str, str]) -> dict[str, object]:
    about = asdict(job)
    for name in ("takes", "id", "error", "error_kind", "attempts", "seed", "format"):
        del about[name]
    about["job"] = about.pop("name")
    row = about | asdict(take) | {"picture": pictures.get(take.file)}
    for name in ("queued_at", "started_at", "finished_at", "created_at"):
        row[name] = iso(row[name])
    return row
