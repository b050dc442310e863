"""What the pages ask the catalogue: its views, and the index of its words. Every question is bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

VIEWS = (
    "overview", "batch_progress", "takes", "job_list", "running_jobs", "queue", "failed_checks", "worker_board",
    "event_log", "inbox_notices", "troubles", "heartbeat", "storage", "upkeep", "alert_posts", "queue_totals",
    "model_speed",
)  # fmt: skip
Row = dict[str, Any]

PAGE_SIZE = 24
STATUSES = ("succeeded", "failed", "running", "queued", "cancelled")
# How a take can be filed, each as a condition on the rows of `takes`.
FILED = {"kept": "kept = 1", "set_aside": "kept = 0", "quarantined": "quarantined = 1"}
# The takes of one row of the file stand together, those that were kept of them first. Scores are in whole points:
# decimals tell no take from another.
ORDERS = {
    "file": ("as in the file", "position, kept DESC, job_id"),
    "best": ("best score first", "round(score) DESC, position"),
    "worst": ("worst score first", "score IS NULL, round(score), position"),
    "end": ("end of the file first", "position DESC, kept DESC, job_id"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What part of a batch a page shows; empty strings mean all."""

    status: str = ""
    verdict: str = ""
    filed: str = ""
    model: str = ""
    words: str = ""
    order: str = "file"
    page: int = 1


def holds_catalog(connection: sqlite3.Connection) -> bool:
    """True when all the views the pages read are there."""
    marks = ", ".join("?" * len(VIEWS))
    try:
        found = connection.execute(
            f"SELECT count(*) FROM sqlite_master WHERE type = 'view' AND name IN ({marks})", VIEWS
        ).fetchone()
    except sqlite3.Error:
        return False
    return bool(found[0] == len(VIEWS))


async def overview(database: Any) -> Row:
    return (await ask(database, "SELECT * FROM overview"))[0]


async def front(database: Any) -> dict[str, Any]:
    """The sections of the board that the front page has too."""
    return {
        "overview": await overview(database),
        "batches": [_with_rest(row) for row in await ask(database, BATCHES)],
    }


async def newest_takes(database: Any) -> list[Row]:
    """The latest final takes, without those that were set aside."""
    return await ask(database, NEWEST_TAKES)


# A catalogue may end in a long row of tries that were replaced: looking back has an end.
NEWEST_TAKES = """
SELECT audio, batch, job, job_id, prompt, verdict, score, stars, licence
FROM takes
WHERE output_id > (SELECT output_id FROM takes ORDER BY output_id DESC LIMIT 1) - 1000 AND is_final AND kept IS NOT 0
    AND pruned_at IS NULL
ORDER BY output_id DESC LIMIT 6
"""


async def board(database: Any) -> dict[str, Any]:
    """What happens now: totals, workers, running jobs, what comes next, batches and events, newest first."""
    return {
        **await front(database),
        "workers": await ask(database, "SELECT * FROM worker_board ORDER BY worker LIMIT 64"),
        "running": await ask(database, "SELECT * FROM running_jobs ORDER BY started_at LIMIT 48"),
        "queue": await ask(database, "SELECT model, batch, job, job_id, prompt, state FROM queue LIMIT 8"),
        "inbox": await ask(database, "SELECT * FROM inbox_notices LIMIT 20"),
        "events": await ask(database, "SELECT * FROM event_log ORDER BY event_id DESC LIMIT 20"),
    }


BATCHES = """
SELECT batch, status, done, job_count, percent, n_queued, n_running, n_succeeded, n_failed, n_cancelled, flagged,
       outputs, jobs_per_hour, created_at, finished_at
FROM batch_progress WHERE archived_at IS NULL ORDER BY status = 'finished', batch_id DESC LIMIT 15
"""


async def batch(database: Any, name: str) -> Row | None:
    rows = await ask(database, "SELECT * FROM batch_progress WHERE batch = :name", {"name": name})
    return _with_rest(rows[0]) if rows else None


async def filed_counts(database: Any, name: str) -> list[tuple[str, int]]:
    """How many final takes of a batch were kept, set aside or quarantined; only what there is any of."""
    sums = ", ".join(f"coalesce(sum({condition}), 0) AS {how}" for how, condition in FILED.items())
    (row,) = await ask(database, f"SELECT {sums} FROM takes WHERE batch = :name AND is_final", {"name": name})
    return [(how, count) for how, count in row.items() if count]


async def batch_jobs(database: Any, name: str, wanted: Filter) -> tuple[list[Row], bool]:
    """One page of a batch's jobs, each with what is known of its final take; and whether more follow."""
    where = ["batch = :batch"]
    parameters: dict[str, Any] = {"batch": name, "offset": (wanted.page - 1) * PAGE_SIZE, "limit": PAGE_SIZE + 1}
    for column in ("status", "verdict", "model"):
        if value := getattr(wanted, column):
            where.append(f"{column} = :{column}")
            parameters[column] = value
    if wanted.filed:
        where.append(
            f"job_id IN (SELECT job_id FROM takes WHERE batch = :batch AND is_final AND {FILED[wanted.filed]})"
        )
    if wanted.words:
        # escape_fts is Datasette's: every word is meant literally. What has no words in it matches nothing.
        matching = "SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH coalesce(nullif(escape_fts(:words), ''), '\"\"')"
        where.append(f"job_id IN ({matching})")
        parameters["words"] = wanted.words
    jobs = await ask(
        database,
        f"SELECT * FROM job_list WHERE {' AND '.join(where)} ORDER BY {ORDERS[wanted.order][1]}"
        " LIMIT :limit OFFSET :offset",
        parameters,
    )
    page = jobs[:PAGE_SIZE]
    await _add_takes(database, page)
    return page, len(jobs) > PAGE_SIZE


async def _add_takes(database: Any, jobs: Sequence[Row]) -> None:
    """Put the final take of each job, and what its checks say, beside it."""
    ids = [job["job_id"] for job in jobs if job["audio"]]
    marks = ", ".join("?" * len(ids))
    takes = await ask(
        database,
        "SELECT job_id, output_id, stars, rejected, picks, loudness_lufs, licence, seed, quarantined FROM takes"
        f" WHERE is_final AND job_id IN ({marks})",
        ids,
    )
    messages = await ask(
        database, f"SELECT job_id, message FROM failed_checks WHERE is_final AND job_id IN ({marks})", ids
    )
    by_job = {take["job_id"]: take for take in takes}
    for job in jobs:
        job["take"] = by_job.get(job["job_id"])
        job["problems"] = [row["message"] for row in messages if row["job_id"] == job["job_id"]]


def _with_rest(row: Row) -> Row:
    """Add how long the rest of a batch takes at its pace so far, in words; None when nobody can know."""
    left = row["job_count"] - row["done"]
    known = left and row["jobs_per_hour"] and row["status"] == "running"
    return {**row, "rest": _spell(left / row["jobs_per_hour"] * 60) if known else None}


def _spell(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    if minutes < 100:
        return f"{minutes:.0f} min"
    if minutes < 6000:
        return f"{minutes / 60:.0f} h"
    return f"{minutes / 1440:.0f} days"


async def ask(database: Any, sql: str, parameters: Any = None) -> list[Row]:
    return [dict(row) for row in (await database.execute(sql, parameters)).rows]
