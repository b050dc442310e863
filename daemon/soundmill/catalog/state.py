"""What the daemon notes about itself: its workers, its settings, and how much is left to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from soundmill.catalog.rows import JOB, batch_of, job_of
from soundmill.errors import CatalogError
from soundmill.jobs import Attempt, Batch, Job, Progress


def set_worker(
    db: sqlite3.Connection,
    now: float,
    name: str,
    *,
    device: str,
    model: str | None,
    status: str,
    slots: int,
    running: int,
    error: str | None = None,
    restarted: bool = False,
) -> None:
    """Record what a worker is doing: starting, idle, loading, working, stopped or dead."""
    db.execute(
        "INSERT INTO workers (name, device, model, status, slots, running, started_at, seen_at, restarts, error)"
        " VALUES (:name, :device, :model, :status, :slots, :running, :now, :now, :restarts, :error)"
        " ON CONFLICT (name) DO UPDATE SET device = :device, model = :model, status = :status, slots = :slots,"
        " running = :running, seen_at = :now, restarts = restarts + :restarts, error = :error,"
        " started_at = CASE :status WHEN 'starting' THEN :now ELSE started_at END",
        {
            "name": name,
            "device": device,
            "model": model,
            "status": status,
            "slots": slots,
            "running": running,
            "now": now,
            "restarts": int(restarted),
            "error": error,
        },
    )


def stop_workers(db: sqlite3.Connection) -> None:
    """Mark every worker as stopped: at a clean stop, and at start for those of a dead daemon."""
    db.execute("UPDATE workers SET status = 'stopped', running = 0, model = NULL WHERE status <> 'stopped'")


def progress(db: sqlite3.Connection, progresses: Sequence[Progress]) -> None:
    """How far running clips are."""
    db.executemany(
        "UPDATE jobs SET steps_done = ?, steps_due = ? WHERE id = ? AND attempt = ? AND status = 'running'",
        ((p.done, p.due, p.job_id, p.attempt) for p in progresses),
    )


def batch(db: sqlite3.Connection, batch_id: int) -> Batch:
    """Raises CatalogError when there is none."""
    row = db.execute("SELECT * FROM batches WHERE id = ?", (batch_id,)).fetchone()
    if row is None:
        raise CatalogError(f"no batch has the id {batch_id}")
    return batch_of(row)


def job(db: sqlite3.Connection, job_id: int) -> Job:
    """Raises CatalogError when there is none."""
    row = db.execute(JOB + "WHERE j.id = ?", (job_id,)).fetchone()
    if row is None:
        raise CatalogError(f"no job has the id {job_id}")
    return job_of(row)


def batch_finished(db: sqlite3.Connection, batch_id: int) -> bool:
    """Whether no job of the batch is queued or running."""
    row = db.execute("SELECT finished_at FROM batches WHERE id = ?", (batch_id,)).fetchone()
    return row is not None and row[0] is not None


def unfinished(db: sqlite3.Connection) -> int:
    """How many jobs are queued, waiting or running, leaving out the queues of paused batches."""
    row = db.execute(
        "SELECT coalesce(sum(n_running + CASE WHEN paused THEN 0 ELSE n_queued END), 0) FROM batches"
        " WHERE finished_at IS NULL"
    ).fetchone()
    return int(row[0])


def failed_count(db: sqlite3.Connection) -> int:
    """How many jobs stand as failed in all batches."""
    return int(db.execute("SELECT coalesce(sum(n_failed), 0) FROM batches").fetchone()[0])


def knows_output(db: sqlite3.Connection, path: str) -> bool:
    """Whether a take is on record under this path, relative to the outputs folder."""
    return db.execute("SELECT 1 FROM outputs WHERE path = ?", (path,)).fetchone() is not None


def newest_attempt(db: sqlite3.Connection) -> int:
    """The id of the attempt that was begun last; 0 before the first."""
    return int(db.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()[0])


def unfiled(db: sqlite3.Connection, after: int) -> list[Attempt]:
    """The attempts with an id above `after` that may have ended between filing a take and recording it."""
    rows = db.execute(
        "SELECT a.job_id, a.number, a.seed, a.worker, a.started_at FROM attempts a WHERE a.id > ?"
        " AND (a.status IN ('interrupted', 'cancelled') OR a.error_kind = 'io')"
        " AND NOT EXISTS (SELECT 1 FROM outputs o WHERE o.job_id = a.job_id AND o.attempt = a.number)",
        (after,),
    ).fetchall()
    return [
        Attempt(
            job=job(db, row["job_id"]),
            number=row["number"],
            seed=row["seed"],
            worker=row["worker"],
            started_at=row["started_at"],
        )
        for row in rows
    ]


def has_takes(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM outputs LIMIT 1").fetchone() is not None


def get_setting(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_setting(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (key, value),
    )


def last_beat(db: sqlite3.Connection) -> dict[str, object] | None:
    """The row of the view heartbeat."""
    row = db.execute("SELECT * FROM heartbeat").fetchone()
    return None if row is None else dict(row)
