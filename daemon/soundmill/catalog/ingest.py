"""An accepted job file becomes a batch and its jobs, in one transaction; a rejected one is remembered."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import cast

from soundmill.catalog.rows import JOB, PARAMETERS, add_event, batch_of, job_of, texts_to_json, to_json
from soundmill.errors import Problem
from soundmill.jobs import Batch, BatchSpec, Job, JobSpec, Source
from soundmill.words import same_name

CHUNK = 500  # rows held in memory at a time
PROBLEMS_KEPT = 1000  # of a rejected file; its errors.txt has them all

JOB_COLUMNS = (
    "batch_id", "position", "name", "prompt", "model", *PARAMETERS, "seed", "priority", "format", "melody",
    "continue_from", "labels", "condition", "replicate", "quality", "keep_best", "queued_at", "id",
)  # fmt: skip
INSERT_JOB = f"INSERT INTO jobs ({', '.join(JOB_COLUMNS)}) VALUES (?{', ?' * (len(JOB_COLUMNS) - 1)})"


_parameters = attrgetter(*PARAMETERS)


def ingest(db: sqlite3.Connection, now: float, spec: BatchSpec, source: Source) -> Batch:
    """Queue all jobs of a file, or none. The same `source.ulid` again returns the batch of the first time.

    Jobs are taken from `spec.jobs` as they are inserted; what iterating it raises is raised here.
    """
    known = by_ulid(db, source.ulid)
    if known is not None:
        return known
    name = free_name(db, spec.name)
    cursor = db.execute(
        "INSERT INTO batches (ulid, name, file_name, sha256, size_bytes, kept_as, modified_ns, kind, priority,"
        " on_qc_fail, experiment, labels, deliver, rest_of, extends, job_count, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT id FROM batches WHERE name = ?), 0, ?)",
        (
            source.ulid,
            name,
            source.file_name,
            source.sha256,
            source.size_bytes,
            source.kept_as,
            source.modified_ns,
            spec.kind,
            spec.priority,
            str(spec.on_qc_fail),
            None if spec.experiment is None else to_json(spec.experiment),
            to_json(spec.labels),
            None if spec.deliver is None else to_json(asdict(spec.deliver)),
            None if source.rest_of is None else source.rest_of.id,
            spec.extends,
            now,
        ),
    )
    batch_id = cast("int", cursor.lastrowid)
    first = int(db.execute("SELECT coalesce(max(id), 0) + 1 FROM jobs").fetchone()[0])
    count = _insert_jobs(db, batch_id, first, now, iter(spec.jobs))
    _index_text(db, first)
    db.execute(
        "UPDATE batches SET job_count = ?, n_queued = ?, finished_at = ? WHERE id = ?",
        (count, count, None if count else now, batch_id),
    )
    add_event(
        db,
        now,
        "batch accepted",
        f"{name}: {count} job{'' if count == 1 else 's'} from {source.file_name}"
        + ("" if source.rest_of is None else f", the rest of {source.rest_of.name}")
        + ("" if spec.extends is None else f", extends {spec.extends}")
        + (f"; labels: {', '.join(spec.labels)}" if spec.labels else ""),
        batch_id=batch_id,
    )
    return batch_of(db.execute("SELECT * FROM batches WHERE id = ?", (batch_id,)).fetchone())


def _insert_jobs(db: sqlite3.Connection, batch_id: int, first: int, now: float, jobs: Iterator[JobSpec]) -> int:
    count = 0
    while chunk := list(itertools.islice(jobs, CHUNK)):
        numbered = list(enumerate(chunk, start=first + count))
        db.executemany(INSERT_JOB, (_job_row(batch_id, now, job_id, job) for job_id, job in numbered))
        db.executemany(
            # A factor may bear a label's name and value; one row of it is enough to find the job.
            "INSERT OR IGNORE INTO job_labels (name, value, job_id) VALUES (?, ?, ?)",
            (
                (name, str(value), job_id)
                for job_id, job in numbered
                for name, value in itertools.chain(job.labels.items(), job.condition.items())
            ),
        )
        count += len(chunk)
    return count


def _job_row(batch_id: int, now: float, job_id: int, job: JobSpec) -> tuple[object, ...]:
    return (
        batch_id,
        job.position,
        job.name,
        job.prompt,
        job.model,
        *_parameters(job.parameters),
        job.seed,
        job.priority,
        job.format.value,
        None if job.melody is None else str(job.melody),
        None if job.continue_from is None else str(job.continue_from),
        texts_to_json(job.labels),
        texts_to_json(job.condition),
        job.replicate,
        None if job.quality is None else job.quality.value,
        job.keep_best,
        now,
        job_id,
    )


def _index_text(db: sqlite3.Connection, first: int) -> None:
    """Full text and label counts of the jobs from `first` on: once per batch is far cheaper than once per job.

    They are this batch's alone, because nobody else can insert while this transaction is open.
    """
    db.execute(
        "INSERT INTO jobs_fts (rowid, prompt, labels) SELECT id, prompt, labels FROM jobs WHERE id >= ?", (first,)
    )
    db.execute(
        "INSERT INTO label_totals (name, value, jobs)"
        " SELECT name, value, count(*) FROM job_labels WHERE job_id >= ? GROUP BY name, value"
        " ON CONFLICT (name, value) DO UPDATE SET jobs = jobs + excluded.jobs",
        (first,),
    )


def free_name(db: sqlite3.Connection, wanted: str) -> str:
    """`wanted`, or `wanted-2`, `wanted-3` … so that no batch has it yet, nor one that a file system takes for it."""

    # Most names are ASCII and lower case, the same as what they share with names that only look or spell otherwise.
    others = db.execute("SELECT name FROM batches WHERE length(name) < length(CAST(name AS BLOB))")
    written_otherwise = {same_name(row["name"]) for row in others}

    def is_taken(number: int) -> bool:
        name = wanted if number == 1 else f"{wanted}-{number}"
        same = same_name(name)
        found = db.execute("SELECT 1 FROM batches WHERE name IN (?, ?)", (name, same)).fetchone()
        return found is not None or same in written_otherwise

    if not is_taken(1):
        return wanted
    # The same name once a minute for a year must not cost half a million lookups: double, then halve.
    high = 2
    while is_taken(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_taken(middle) else (low, middle)
    return f"{wanted}-{high}"


def by_ulid(db: sqlite3.Connection, ulid: str) -> Batch | None:
    row = db.execute("SELECT * FROM batches WHERE ulid = ?", (ulid,)).fetchone()
    return None if row is None else batch_of(row)


def by_sha256(db: sqlite3.Connection, sha256: str) -> Batch | None:
    """The latest batch accepted from a file of this content."""
    row = db.execute("SELECT * FROM batches WHERE sha256 = ? ORDER BY id DESC LIMIT 1", (sha256,)).fetchone()
    return None if row is None else batch_of(row)


def kept_files(db: sqlite3.Connection, most: int) -> list[tuple[str, Source]]:
    """The files of the newest batches as they were when they were accepted, each with its batch's name; of a place in
    accepted/ that was used again, the last."""
    rows = db.execute(
        "SELECT name, ulid, file_name, sha256, size_bytes, kept_as, modified_ns, max(id) FROM"
        " (SELECT * FROM batches WHERE kept_as IS NOT NULL ORDER BY id DESC LIMIT ?) GROUP BY kept_as ORDER BY max(id)",
        (most,),
    )
    return [
        (
            str(row["name"]),
            Source(
                ulid=row["ulid"],
                file_name=row["file_name"],
                sha256=row["sha256"],
                size_bytes=row["size_bytes"],
                kept_as=row["kept_as"],
                modified_ns=row["modified_ns"],
            ),
        )
        for row in rows
    ]


def kept_as(db: sqlite3.Connection, name: str) -> Batch | None:
    """The latest batch whose file lies in accepted/ under this name, whatever its month."""
    row = db.execute(
        "SELECT * FROM batches WHERE substr(kept_as, instr(kept_as, '/') + 1) = ? ORDER BY id DESC LIMIT 1", (name,)
    ).fetchone()
    return None if row is None else batch_of(row)


def tell_jobs(db: sqlite3.Connection, batch_id: int, tell: Callable[[Job], None]) -> None:
    """Tell every job of a batch and of those that have its rest, one at a time: they may be many."""
    for row in db.execute(JOB + "WHERE b.id = ?1 OR b.rest_of = ?1", (batch_id,)):
        tell(job_of(row))


def rejection_exists(db: sqlite3.Connection, ulid: str) -> bool:
    return db.execute("SELECT 1 FROM rejections WHERE ulid = ?", (ulid,)).fetchone() is not None


def record_rejection(
    db: sqlite3.Connection, now: float, ulid: str, file_name: str, sha256: str | None, problems: Sequence[Problem]
) -> None:
    """Remember a refused file; the same `ulid` again changes nothing."""
    listed = [
        {"place": p.place, "line": p.line, "field": p.field, "value": p.value, "message": p.message}
        for p in problems[:PROBLEMS_KEPT]
    ]
    cursor = db.execute(
        "INSERT OR IGNORE INTO rejections (ulid, file_name, sha256, problem_count, problems, rejected_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (ulid, file_name, sha256, len(problems), to_json(listed), now),
    )
    if cursor.rowcount:
        message = f"{file_name}: {len(problems)} problem{'' if len(problems) == 1 else 's'}"
        if problems:
            message += f"; the first: {problems[0]}"
        add_event(db, now, "file rejected", message)
