"""Between rows and nouns, and the two small writes that every stage of a job's life shares."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, cast

from soundmill.catalog.reports import changed
from soundmill.jobs import AudioFormat, Batch, Job, JobStatus, Parameters, QcAction, QualityKind

PARAMETERS = tuple(field.name for field in fields(Parameters))  # each has a column of its name in jobs
FLAGS = frozenset(field.name for field in fields(Parameters) if field.type in (bool, "bool"))  # SQLite has none
JOB_COLUMNS = "j.*, b.name AS batch_name, b.on_qc_fail AS on_qc_fail"
JOB = f"SELECT {JOB_COLUMNS} FROM jobs j JOIN batches b ON b.id = j.batch_id "

COUNTS = ("jobs", "succeeded", "failed", "cancelled", "flagged")
EVENTS_KEPT = 100_000
EVENTS_SLACK = 1_000  # pruned once in this many, so that an event costs one insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as it is on record; `counts` are how the jobs of its batch stand now."""

    id: int
    at: float
    kind: str
    message: str
    worker: str | None = None
    batch: str | None = None
    job: str | None = None
    counts: Mapping[str, int] | None = None


def batch_of(row: sqlite3.Row) -> Batch:
    return Batch(
        id=row["id"],
        ulid=row["ulid"],
        name=row["name"],
        job_count=row["job_count"],
        on_qc_fail=QcAction(row["on_qc_fail"]),
        paused=bool(row["paused"]),
        created_at=row["created_at"],
    )


def job_of(row: sqlite3.Row) -> Job:
    """A Job from a row of the JOB query."""
    return Job(
        id=row["id"],
        batch_id=row["batch_id"],
        batch_name=row["batch_name"],
        position=row["position"],
        name=row["name"],
        prompt=row["prompt"],
        model=row["model"],
        parameters=parameters_of(row),
        seed=row["seed"],
        priority=row["priority"],
        format=AudioFormat(row["format"]),
        melody=_path(row["melody"]),
        continue_from=_path(row["continue_from"]),
        on_qc_fail=QcAction(row["on_qc_fail"]),
        status=JobStatus(row["status"]),
        attempt=row["attempt"],
        strikes=row["strikes"],
        qc_retries=row["qc_retries"],
        labels=json.loads(row["labels"]),
        condition=json.loads(row["condition"]),
        replicate=row["replicate"],
        quality=None if row["quality"] is None else QualityKind(row["quality"]),
        keep_best=row["keep_best"],
    )


def parameters_of(row: sqlite3.Row | Mapping[str, Any]) -> Parameters:
    """A job's parameters from its row, which may hold more; what a row from before them lacks was not asked for."""
    held = row.keys()
    return Parameters(**{name: bool(row[name]) if name in FLAGS else row[name] for name in PARAMETERS if name in held})


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def to_json(value: object) -> str:
    """JSON as the catalogue keeps it: readable in any script, and without NaN, which is not JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def texts_to_json(texts: Mapping[str, str]) -> str:
    """`to_json` for labels and conditions: their names and values are text, and there is one per job of a
    million, where json.dumps takes a quarter of the ingest."""
    return "{" + ",".join(f"{encode_basestring(str(k))}:{encode_basestring(str(v))}" for k, v in texts.items()) + "}"


def plain(value: object) -> object:
    """The value in terms of JSON: None for NaN and the infinities, text for what JSON has no form for."""
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return str(value)


def finite(value: float | None) -> float | None:
    """The number, or None for NaN and the infinities, which no average or sort survives."""
    return value if value is not None and math.isfinite(value) else None


def add_event(
    db: sqlite3.Connection,
    now: float,
    kind: str,
    message: str,
    *,
    worker: str | None = None,
    batch_id: int | None = None,
    job_id: int | None = None,
) -> None:
    cursor = db.execute(
        "INSERT INTO events (at, kind, message, worker, batch_id, job_id) VALUES (?, ?, ?, ?, ?, ?)",
        (now, kind, message, worker, batch_id, job_id),
    )
    newest = cast("int", cursor.lastrowid)
    if newest % EVENTS_SLACK == 0:
        db.execute("DELETE FROM events WHERE id <= ?", (newest - EVENTS_KEPT,))


def last_event(db: sqlite3.Connection) -> int:
    """The number of the latest event; 0 where there is none."""
    return int(db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])


def events_after(db: sqlite3.Connection, event_id: int, limit: int) -> list[Event]:
    """The events after that one, oldest first."""
    found = db.execute(
        "SELECT e.id, e.at, e.kind, e.message, e.worker, b.name AS batch, j.name AS job, b.job_count AS jobs,"
        " b.n_succeeded AS succeeded, b.n_failed AS failed, b.n_cancelled AS cancelled, b.n_flagged AS flagged"
        " FROM events e LEFT JOIN batches b ON b.id = e.batch_id LEFT JOIN jobs j ON j.id = e.job_id"
        " WHERE e.id > ? ORDER BY e.id LIMIT ?",
        (event_id, limit),
    )
    return [
        Event(
            **{name: row[name] for name in ("id", "at", "kind", "message", "worker", "batch", "job")},
            counts=None if row["batch"] is None else {name: row[name] for name in COUNTS},
        )
        for row in found
    ]


def close_finished_batches(db: sqlite3.Connection, now: float, batch_ids: set[int]) -> None:
    """Mark those of the batches that have nothing queued or running any more as finished."""
    for batch_id in sorted(batch_ids):
        row = db.execute(
            "UPDATE batches SET finished_at = ? WHERE id = ? AND finished_at IS NULL"
            " AND n_queued = 0 AND n_running = 0 RETURNING name, n_succeeded, n_failed, n_cancelled, n_flagged",
            (now, batch_id),
        ).fetchone()
        if row is not None:
            changed(db, now, [batch_id])  # for the reports of those that go on with it
            counts = ", ".join(
                f"{row['n_' + what]} {what}"
                for what in ("succeeded", "failed", "cancelled", "flagged")
                if row["n_" + what] or what == "succeeded"
            )
            add_event(db, now, "batch finished", f"{row['name']}: {counts}", batch_id=batch_id)
