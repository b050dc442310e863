"""What a person asks of batches and jobs from outside: cancel, pause, resume, retry, priority, archive; and what they
name by it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from soundmill.catalog.rows import add_event, close_finished_batches
from soundmill.catalog.selection import SET_ASIDE
from soundmill.errors import InvalidControl
from soundmill.jobs import AudioFormat
from soundmill.words import closest, composed

AUDIO_SUFFIXES = tuple(f".{format}" for format in AudioFormat)
SUGGESTED_FROM = 2000  # newest names that are compared with a mistyped one


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a target names: a whole batch, or one job of it."""

    batch_id: int
    label: str  # as messages call it
    job_id: int | None = None

    def where(self) -> tuple[str, int]:
        """A condition on jobs and its value."""
        return ("batch_id = ?", self.batch_id) if self.job_id is None else ("id = ?", self.job_id)


def resolve(db: sqlite3.Connection, target: str | int, *, is_file: bool = False, typed: bool = False) -> Target:
    """A batch by name or ulid, a job by `batch/job` or its number; a number that a person `typed` must mean
    nothing else, as they may have read it elsewhere.

    Raises InvalidControl with a suggestion, which with `is_file` speaks of audio files.
    """
    wanted = composed(str(target).strip())
    # 19 digits may not fit SQLite's integers.
    is_number = wanted.isascii() and wanted.isdecimal() and len(wanted) < 19
    if is_number and typed:
        return _numbered(db, wanted)
    row = None
    if isinstance(target, str):
        row = db.execute("SELECT id, name FROM batches WHERE name = ? OR ulid = ?", (wanted, wanted)).fetchone()
    if row is not None:
        return Target(batch_id=row["id"], label=row["name"])
    if is_number:
        row = _job(db, "j.id = ?", (int(wanted),))
    elif "/" in wanted:
        batch, _, job = wanted.partition("/")
        row = _job(db, "b.name = ? AND j.name = ?", (batch, job)) or _job(db, "b.ulid = ? AND j.name = ?", (batch, job))
    if row is None:
        missing = "no such file among the outputs" if is_file else "no such batch or job"
        listed = "`soundmill jobs` lists them" if is_file else "`soundmill status` lists the batches"
        raise InvalidControl(f"{wanted or 'nothing'}: {missing}; {_nearest(db, wanted) or listed}")
    return Target(batch_id=row["batch_id"], job_id=row["id"], label=f"{row['batch']}/{row['name']}")


def _numbered(db: sqlite3.Connection, wanted: str) -> Target:
    """What a bare number stands for: the job of that number, a row of a file, or what is so called; lists show all of
    these. Raises InvalidControl when it may be more than one thing, or none."""
    number = int(wanted)
    found = {
        (row["batch_id"], row["job_id"]): str(row["label"])
        for row in db.execute(
            "SELECT id AS batch_id, NULL AS job_id, name AS label FROM batches WHERE name = :text"
            " UNION ALL SELECT * FROM (SELECT j.batch_id, j.id, b.name || '/' || j.name FROM jobs j"
            " JOIN batches b ON b.id = j.batch_id WHERE j.id = :number)"
            " UNION ALL SELECT * FROM (SELECT b.id, j.id, b.name || '/' || j.name FROM batches b"
            " CROSS JOIN jobs j ON j.batch_id = b.id AND (j.position = :number OR j.name = :text) LIMIT 4)",
            {"text": wanted, "number": number},
        )
    }
    if not found:
        raise InvalidControl(f"{wanted}: no such batch or job; `soundmill jobs` lists them")
    if len(found) > 1:
        meanings = ", ".join(list(found.values())[:3]) + (", …" if len(found) > 3 else "")
        raise InvalidControl(f"{wanted}: may mean any of {meanings}; name the one you mean")
    (((batch_id, job_id), label),) = found.items()
    return Target(batch_id=batch_id, job_id=job_id, label=label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a command meets: the target's full name, how many of its jobs are in which status, whether it is held."""

    label: str
    is_job: bool
    jobs: dict[str, int]
    paused: bool


def prospect(db: sqlite3.Connection, target: str) -> Prospect:
    """What a command on `target` would meet now. Raises InvalidControl with a suggestion."""
    found = resolve(db, target, typed=True)
    where, value = found.where()
    jobs = db.execute(f"SELECT status, count(*) AS n FROM jobs WHERE {where} GROUP BY status", (value,))
    paused = db.execute("SELECT paused FROM batches WHERE id = ?", (found.batch_id,)).fetchone()["paused"]
    return Prospect(
        label=found.label,
        is_job=found.job_id is not None,
        jobs={str(row["status"]): int(row["n"]) for row in jobs},
        paused=bool(paused),
    )


def _job(db: sqlite3.Connection, condition: str, values: tuple[object, ...]) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT j.id, j.batch_id, j.name, b.name AS batch"
        f" FROM batches b JOIN jobs j ON j.batch_id = b.id WHERE {condition}",
        values,
    ).fetchone()
    return row


def _nearest(db: sqlite3.Connection, wanted: str) -> str | None:
    """A question after the known name that is most like `wanted`, if any is like it."""
    batch, slash, _ = wanted.partition("/")
    known = db.execute("SELECT id, name FROM batches WHERE name = ?", (batch,)).fetchone() if slash else None
    if known is not None:
        rows = db.execute(
            "SELECT name FROM jobs WHERE batch_id = ? ORDER BY position LIMIT ?", (known["id"], SUGGESTED_FROM)
        )
        names = [f"{known['name']}/{row['name']}" for row in rows]
        for suffix in AUDIO_SUFFIXES:
            wanted = wanted.removesuffix(suffix)
    else:
        rows = db.execute("SELECT name FROM batches ORDER BY id DESC LIMIT ?", (SUGGESTED_FROM,))
        names = [str(row["name"]) for row in rows]
        wanted = batch
    close = closest(wanted, names)
    return f"did you mean {close}?" if close else None


def cancel(db: sqlite3.Connection, now: float, target: str) -> list[int]:
    """Cancel what is queued or running of a batch or job; the ids of the jobs that were running."""
    found = resolve(db, target)
    where, value = found.where()
    running = [
        int(row["id"]) for row in db.execute(f"SELECT id FROM jobs WHERE {where} AND status = 'running'", (value,))
    ]
    count = db.execute(
        "UPDATE jobs SET status = 'cancelled', finished_at = ?, held = 0, not_before = NULL"
        f" WHERE {where} AND status IN ('queued', 'running')",
        (now, value),
    ).rowcount
    db.executemany(
        "UPDATE attempts SET status = 'cancelled', finished_at = ? WHERE job_id = ? AND status = 'running'",
        ((now, job_id) for job_id in running),
    )
    _log(db, now, "cancelled", found, count)
    close_finished_batches(db, now, {found.batch_id})
    return running


def pause(db: sqlite3.Connection, now: float, target: str) -> int:
    """Hold the queued jobs of a batch; what runs, runs on. How many jobs are newly held."""
    return _hold(db, now, target, held=True)


def resume(db: sqlite3.Connection, now: float, target: str) -> int:
    return _hold(db, now, target, held=False)


def _hold(db: sqlite3.Connection, now: float, target: str, *, held: bool) -> int:
    found = resolve(db, target)
    if found.job_id is not None:
        raise InvalidControl(f"{found.label}: is a job, and only a whole batch can be paused or resumed")
    db.execute("UPDATE batches SET paused = ? WHERE id = ?", (int(held), found.batch_id))
    count = db.execute(
        "UPDATE jobs SET held = ? WHERE batch_id = ? AND status = 'queued' AND held <> ?",
        (int(held), found.batch_id, int(held)),
    ).rowcount
    _log(db, now, "paused" if held else "resumed", found, count)
    return count


def retry(db: sqlite3.Connection, now: float, target: str) -> int:
    """Queue failed and cancelled jobs of a batch, or one such job, as if new; how many."""
    found = resolve(db, target)
    where, value = found.where()
    count = db.execute(
        "UPDATE jobs SET status = 'queued', strikes = 0, qc_retries = 0, suspect = 0, not_before = NULL,"
        " error_kind = NULL, error = NULL, steps_done = 0, steps_due = 0, queued_at = ?, started_at = NULL,"
        " finished_at = NULL, held = (SELECT paused FROM batches WHERE id = jobs.batch_id)"
        f" WHERE {where} AND status IN ('failed', 'cancelled')",
        (now, value),
    ).rowcount
    if count:
        db.execute(
            "UPDATE batches SET finished_at = NULL, reported_at = NULL, archived_at = NULL WHERE id = ?",
            (found.batch_id,),
        )
    _log(db, now, "retried", found, count)
    return count


def take_of(db: sqlite3.Connection, target: str, *, typed: bool = False) -> int:
    """The id of one take: by its file (`batch/job.wav`), or the final take of a job, or the latest it has.

    `typed` as for `resolve`. Raises InvalidControl with a suggestion.
    """
    row = _take_at(db, composed(target.strip()))
    if row is None:
        found = resolve(db, target, is_file=target.strip().lower().endswith(AUDIO_SUFFIXES), typed=typed)
        if found.job_id is None:
            raise InvalidControl(f"{found.label}: is a batch; rate one job of it, as `{found.label}/<job>`")
        row = db.execute(
            "SELECT o.id FROM outputs o JOIN jobs j ON j.id = o.job_id WHERE o.job_id = ?"
            " ORDER BY o.attempt IS j.final_attempt DESC, o.attempt DESC LIMIT 1",
            (found.job_id,),
        ).fetchone()
        if row is None:
            raise InvalidControl(f"{found.label}: has no take to rate yet")
    return int(row["id"])


def _take_at(db: sqlite3.Connection, path: str) -> sqlite3.Row | None:
    """The take whose file is there, or was until it was set aside or chosen after all."""
    batch, _, rest = path.partition("/")
    other = rest.removeprefix(f"{SET_ASIDE}/") if rest.startswith(f"{SET_ASIDE}/") else f"{SET_ASIDE}/{rest}"
    row: sqlite3.Row | None = db.execute(
        "SELECT id FROM outputs WHERE path IN (?, ?) ORDER BY path <> ? LIMIT 1", (path, f"{batch}/{other}", path)
    ).fetchone()
    return row


def prioritise(db: sqlite3.Connection, now: float, target: str, priority: int) -> None:
    """Set the priority of a batch and all its jobs that have not succeeded, or of one such job."""
    found = resolve(db, target)
    where, value = found.where()
    if found.job_id is None:
        db.execute("UPDATE batches SET priority = ? WHERE id = ?", (priority, found.batch_id))
    count = db.execute(
        f"UPDATE jobs SET priority = ? WHERE {where} AND status <> 'succeeded'", (priority, value)
    ).rowcount
    if found.job_id is not None and not count:
        raise InvalidControl(f"{found.label}: has succeeded already, so its priority means nothing")
    _log(db, now, f"priority {priority}", found, count)


def archive(db: sqlite3.Connection, now: float, target: str, *, archived: bool) -> None:
    """Put a batch that has ended out of the way of lists, or back; nothing of it is lost."""
    found = resolve(db, target)
    if found.job_id is not None:
        raise InvalidControl(f"{found.label}: is a job, and only a whole batch can be archived")
    row = db.execute("SELECT finished_at, archived_at FROM batches WHERE id = ?", (found.batch_id,)).fetchone()
    if archived and row["finished_at"] is None:
        raise InvalidControl(f"{found.label}: is still at work; let it end, or cancel it, and archive it then")
    if (row["archived_at"] is not None) != archived:
        db.execute("UPDATE batches SET archived_at = ? WHERE id = ?", (now if archived else None, found.batch_id))
        add_event(db, now, "archived" if archived else "unarchived", found.label, batch_id=found.batch_id)


def _log(db: sqlite3.Connection, now: float, what: str, found: Target, count: int) -> None:
    message = f"{found.label}: {count} job{'' if count == 1 else 's'}"
    add_event(db, now, what, message, batch_id=found.batch_id, job_id=found.job_id)
