"""What the pages ask the catalogue: its views, and the index of its words. Every question is bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from datasette.database import QueryInterrupted
from datasette.utils import sqlite_timelimit

from soundmill.jobs import ALIKE_POINTS, CANNOT_TELL

VIEWS = (
    "overview", "batch_progress", "batch_filed", "takes", "job_list", "running_jobs", "queue", "failed_checks",
    "worker_board", "event_log", "inbox_notices", "troubles", "heartbeat", "storage", "upkeep", "alert_posts",
    "queue_totals", "model_speed", "machines",
)  # fmt: skip
Row = dict[str, Any]
Found = TypeVar("Found")

PAGE_SIZE = 24
STATUSES = ("succeeded", "failed", "running", "queued", "cancelled")
# How a take can be filed, each as a condition on the rows of `takes`.
FILED = {"kept": "kept = 1", "set_aside": "kept = 0", "quarantined": "quarantined = 1"}
# The takes of one row of the file stand together, those that were kept of them first. Scores are in whole points:
# decimals tell no take from another.
WHOLE = "coalesce(round(score), -1)"  # as it is indexed: decimals tell no take from another
ORDERS = {
    "file": ("as in the file", "position, kept DESC, job_id"),
    "best": ("best score first", f"{WHOLE} DESC, position"),
    "worst": ("worst score first", f"score IS NULL, {WHOLE}, position"),
    "end": ("end of the file first", "position DESC, kept DESC, job_id"),
}
BY_SCORE = {"best": "DESC", "worst": "ASC"}


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


# Asks one question, in the thread and on the connection of a visit.
Ask = Callable[..., list[Row]]


async def visit(database: Any, work: Callable[[Ask], Found]) -> Found:
    """What `work` makes of the answers to its questions, which it asks in one of Datasette's threads: to change threads
    takes longer than most questions do, above all where other programs want the processor.

    Each question has the site's time limit. Raises QueryInterrupted and sqlite3.Error.
    """

    def in_thread(connection: sqlite3.Connection) -> Found:
        def ask(sql: str, parameters: Any = ()) -> list[Row]:
            with sqlite_timelimit(connection, database.ds.sql_time_limit_ms):
                try:
                    return [dict(row) for row in connection.execute(sql, parameters)]
                except sqlite3.OperationalError as error:
                    if error.args == ("interrupted",):
                        raise QueryInterrupted(error, sql, parameters) from error
                    raise

        return work(ask)

    return cast(Found, await database.execute_fn(in_thread))


async def ask(database: Any, sql: str, parameters: Any = ()) -> list[Row]:
    """The answer to one question."""
    return await visit(database, lambda ask: ask(sql, parameters))


def overview(ask: Ask) -> Row:
    return ask("SELECT * FROM overview")[0]


def front(ask: Ask) -> dict[str, Any]:
    """The sections of the board that the front page has too."""
    return {"overview": overview(ask), "batches": [_with_rest(row) for row in ask(BATCHES)]}


def newest_takes(ask: Ask) -> list[Row]:
    """The latest final takes, without those that were set aside."""
    return ask(NEWEST_TAKES)


# A catalogue may end in a long row of tries that were replaced: looking back has an end.
NEWEST_TAKES = """
SELECT audio, batch, job, job_id, prompt, verdict, score, stars, licence
FROM takes
WHERE output_id > (SELECT output_id FROM takes ORDER BY output_id DESC LIMIT 1) - 1000 AND is_final AND kept IS NOT 0
    AND pruned_at IS NULL
ORDER BY output_id DESC LIMIT 6
"""


def board(ask: Ask) -> dict[str, Any]:
    """What happens now: totals, workers, running jobs, what comes next, batches and events, newest first."""
    return {
        **front(ask),
        "machines": ask("SELECT * FROM machines ORDER BY machine LIMIT 64"),
        "workers": ask("SELECT * FROM worker_board ORDER BY worker LIMIT 64"),
        "running": ask("SELECT * FROM running_jobs ORDER BY started_at LIMIT 48"),
        "queue": ask("SELECT model, batch, job, job_id, prompt, state FROM queue LIMIT 8"),
        "inbox": ask("SELECT * FROM inbox_notices LIMIT 20"),
        "events": ask("SELECT * FROM event_log ORDER BY event_id DESC LIMIT 20"),
    }


BATCHES = """
SELECT batch, status, done, job_count, percent, n_queued, n_running, n_succeeded, n_failed, n_cancelled, flagged,
       outputs, jobs_per_hour, created_at, finished_at
FROM batch_progress WHERE archived_at IS NULL ORDER BY status = 'finished', batch_id DESC LIMIT 15
"""


def batch(ask: Ask, name: str) -> Row | None:
    rows = ask("SELECT * FROM batch_progress WHERE batch = :name", {"name": name})
    return _with_rest(rows[0]) if rows else None


def filed_counts(ask: Ask, name: str) -> list[tuple[str, int]]:
    """How many final takes of a batch were kept, set aside or quarantined; only what there is any of."""
    (row,) = ask("SELECT kept, set_aside, quarantined FROM batch_filed WHERE batch = :name", {"name": name})
    return [(how, count) for how, count in row.items() if count]


def batch_jobs(ask: Ask, batch: Row, wanted: Filter) -> tuple[list[Row], bool]:
    """One page of a batch's jobs, each with what is known of its final take; and whether more follow."""
    offset, limit = (wanted.page - 1) * PAGE_SIZE, PAGE_SIZE + 1
    where, values = _conditions(ask, batch, wanted)
    if wanted.order in BY_SCORE and wanted.status in ("", "succeeded"):
        jobs = _by_score(ask, where, values, BY_SCORE[wanted.order], offset, limit)
    else:
        jobs = _jobs(ask, where, values, ORDERS[wanted.order][1], offset, limit)
    page = jobs[:PAGE_SIZE]
    _add_takes(ask, page)
    return page, len(jobs) > PAGE_SIZE


def _conditions(ask: Ask, batch: Row, wanted: Filter) -> tuple[list[str], dict[str, Any]]:
    """Which jobs, or takes, a filter lets through, with the parameters."""
    where, values = ["batch = :batch"], {"batch": batch["batch"]}
    for column in ("verdict", "model"):
        if value := getattr(wanted, column):
            where.append(f"{column} = :{column}")
            values[column] = value
    if wanted.filed:
        where.append(
            f"job_id IN (SELECT job_id FROM takes WHERE batch = :batch AND is_final AND {FILED[wanted.filed]})"
        )
    if wanted.words:
        # The jobs of a batch were numbered together, so any of them tells about where all are; words may be in a
        # million others. escape_fts is Datasette's: every word is meant literally. What has no words in it matches
        # nothing.
        where.append(
            "job_id IN (SELECT rowid FROM jobs_fts WHERE rowid BETWEEN :one - :count AND :one + :count"
            " AND jobs_fts MATCH coalesce(nullif(escape_fts(:words), ''), '\"\"'))"
        )
        first = ask("SELECT job_id FROM job_list WHERE batch = :batch ORDER BY position LIMIT 1", values)
        values |= {"words": wanted.words, "one": first[0]["job_id"] if first else 0, "count": batch["job_count"]}
    if wanted.status:
        # What the batch has none of is not looked for in a million rows.
        where.append("status = :status" if batch[f"n_{wanted.status}"] else "0")
        values["status"] = wanted.status
    return where, values


def _jobs(ask: Ask, where: Sequence[str], values: dict[str, Any], order: str, offset: int, limit: int) -> list[Row]:
    return ask(
        f"SELECT * FROM job_list WHERE {' AND '.join(where)} ORDER BY {order} LIMIT :limit OFFSET :offset",
        values | {"limit": limit, "offset": offset},
    )


def _by_score(ask: Ask, where: Sequence[str], values: dict[str, Any], way: str, offset: int, limit: int) -> list[Row]:
    """Jobs by the points of their takes, for which those have an index; then jobs without, as in the file."""
    scored = [each for each in where if each != "status = :status"]  # whose takes are final, they have succeeded
    takes = f"FROM takes WHERE {' AND '.join(scored)} AND is_final AND score IS NOT NULL"
    found = ask(
        f"SELECT job_id {takes} ORDER BY {WHOLE} {way}, position LIMIT :limit OFFSET :offset",
        values | {"limit": limit, "offset": offset},
    )
    rows = {row["job_id"]: row for row in _jobs_of(ask, [row["job_id"] for row in found])}
    jobs = [rows[row["job_id"]] for row in found]
    if len(jobs) < limit:
        before = offset + len(jobs) if jobs or not offset else ask(f"SELECT count(*) AS n {takes}", values)[0]["n"]
        rest = max(0, offset - before)
        jobs += _jobs(ask, [*where, "score IS NULL"], values, "position, kept DESC, job_id", rest, limit - len(jobs))
    return jobs


def _jobs_of(ask: Ask, ids: Sequence[int]) -> list[Row]:
    return ask(f"SELECT * FROM job_list WHERE job_id IN ({', '.join('?' * len(ids))})", ids)


def alike(jobs: Sequence[Row]) -> str:
    """A sentence on the takes that nothing puts before each other: they passed, nobody has said anything of them, and
    their scores are the best, but for decimals. Blank where there are no two."""
    said = [job["take"] and (job["take"]["stars"] or job["take"]["rejected"]) for job in jobs]
    scores = [
        job["score"]
        for job, word in zip(jobs, said, strict=True)
        if job["verdict"] == "passed" and job["score"] is not None and not word
    ]
    best = sum(max(scores) - score < ALIKE_POINTS for score in scores)
    if best < 2:
        return ""
    many = sum(bool(job["audio"]) for job in jobs)
    return CANNOT_TELL if best == many else f"The checks cannot tell {best} of these {many} takes apart: listen."


def _add_takes(ask: Ask, jobs: Sequence[Row]) -> None:
    """Put the final take of each job, and what its checks say, beside it."""
    ids = [job["job_id"] for job in jobs if job["audio"]]
    marks = ", ".join("?" * len(ids))
    takes = ask(
        "SELECT job_id, output_id, stars, rejected, picks, loudness_lufs, licence, seed, quarantined FROM takes"
        f" WHERE is_final AND job_id IN ({marks})",
        ids,
    )
    messages = ask(f"SELECT job_id, message FROM failed_checks WHERE is_final AND job_id IN ({marks})", ids)
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
