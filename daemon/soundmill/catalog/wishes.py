"""What a person asks of the catalogue from outside: cancel, pause, resume, retry, rate."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from soundmill.catalog.outputs import batches_of
from soundmill.catalog.reports import changed
from soundmill.catalog.rows import add_event, close_finished_batches
from soundmill.catalog.selection import note_rating
from soundmill.catalog.state import get_setting, set_setting
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


APPLIED = "controls applied"  # a setting: names of control files that may still lie there, or again after a power cut


def applied(db: sqlite3.Connection) -> list[str]:
    """The control files that are done with, and whose removal may not have reached the disk yet."""
    return [str(name) for name in json.loads(get_setting(db, APPLIED) or "[]")]


def note_applied(db: sqlite3.Connection, control: str) -> None:
    """In the transaction that does what a control file asks: found again, it must not be done once more."""
    set_setting(db, APPLIED, json.dumps([*applied(db), control]))


def forget_applied(db: sqlite3.Connection, controls: Collection[str]) -> None:
    """Their removal has reached the disk."""
    set_setting(db, APPLIED, json.dumps([name for name in applied(db) if name not in controls]))


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
        db.execute("UPDATE batches SET finished_at = NULL, reported_at = NULL WHERE id = ?", (found.batch_id,))
    _log(db, now, "retried", found, count)
    return count


def take_of(db: sqlite3.Connection, target: str, *, typed: bool = False) -> int:
    """The id of one take: by its file (`batch/job.wav`), or the final take of a job, or the latest it has.

    `typed` as for `resolve`. Raises InvalidControl with a suggestion.
    """
    row = db.execute("SELECT id FROM outputs WHERE path = ?", (composed(target.strip()),)).fetchone()
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


def rate(db: sqlite3.Connection, now: float, target: str, stars: int, note: str | None) -> set[int]:
    """Rate a take: by its file, or the latest take of a job. Another rating replaces the first.

    Where stars count, the takes that compete with it are chosen among anew.

    The ids of the batches whose reports tell of it.
    """
    if not 1 <= stars <= 5:
        raise InvalidControl(f"{target}: a rating is 1 to 5 stars, not {stars}")
    take = take_of(db, target)
    db.execute(
        "INSERT INTO ratings (output_id, stars, note, rated_at) VALUES (?, ?, ?, ?) ON CONFLICT (output_id)"
        " DO UPDATE SET stars = excluded.stars, note = excluded.note, rated_at = excluded.rated_at",
        (take, stars, note, now),
    )
    note_rating(db, take)
    return changed(db, now, batches_of(db, [take]))


def _log(db: sqlite3.Connection, now: float, what: str, found: Target, count: int) -> None:
    message = f"{found.label}: {count} job{'' if count == 1 else 's'}"
    add_event(db, now, what, message, batch_id=found.batch_id, job_id=found.job_id)
