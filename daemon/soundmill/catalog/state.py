"""What the daemon notes about itself: its workers, its settings, and how much is left to do."""

from __future__ import annotations

import sqlite3


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


def batch_finished(db: sqlite3.Connection, batch_id: int) -> bool:
    """Whether no job of the batch is queued or running."""
    row = db.execute("SELECT finished_at FROM batches WHERE id = ?", (batch_id,)).fetchone()
    return row is not None and row[0] is not None


def knows_output(db: sqlite3.Connection, path: str) -> bool:
    """Whether a take is on record under this path, relative to the outputs folder."""
    return db.execute("SELECT 1 FROM outputs WHERE path = ?", (path,)).fetchone() is not None


def get_setting(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_setting(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (key, value),
    )
