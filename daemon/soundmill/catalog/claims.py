"""A job's life: claimed, then succeeded, failed, released or recovered.

Every finish is fenced: it changes something only while the job is running under the attempt's own
number, so an answer that comes late, twice, or after a cancel writes nothing. Strikes count the
attempts that speak against the job; the attempt number counts them all and never falls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from soundmill.catalog.outputs import add_output
from soundmill.catalog.rows import JOB, JOB_COLUMNS, add_event, close_finished_batches, job_of
from soundmill.catalog.selection import take_out_of_quarantine
from soundmill.jobs import (
    Attempt,
    AttemptStatus,
    FailureKind,
    Job,
    JobStatus,
    Judgement,
    ModelQueue,
    Output,
    Verdict,
    attempt_seed,
)

# The WHERE of the partial indexes jobs_claimable and jobs_oldest, word for word. They are named in the
# queries, because the planner would as soon take the index of all queued jobs and step over held ones.
CLAIMABLE = "status = 'queued' AND held = 0 AND not_before IS NULL"

MODEL_QUEUES = f"""
WITH RECURSIVE models (named) AS (  -- jumps from one model to the next in the index: jobs in between cost nothing
    SELECT min(model) FROM jobs INDEXED BY jobs_claimable WHERE {CLAIMABLE}
    UNION ALL
    SELECT (SELECT min(model) FROM jobs INDEXED BY jobs_claimable WHERE {CLAIMABLE} AND model > named) FROM models
    WHERE named IS NOT NULL
)
SELECT head.model AS model, head.id AS id, head.priority AS priority,
       (SELECT min(queued_at) FROM jobs INDEXED BY jobs_oldest WHERE {CLAIMABLE} AND model = named) AS oldest
FROM models
CROSS JOIN jobs head ON head.id = (
    SELECT id FROM jobs INDEXED BY jobs_claimable WHERE {CLAIMABLE} AND model = named
    ORDER BY priority DESC, id LIMIT 1
)
WHERE named IS NOT NULL
"""

HEADS = f"""
SELECT {JOB_COLUMNS} FROM jobs j INDEXED BY jobs_claimable JOIN batches b ON b.id = j.batch_id
WHERE {CLAIMABLE} AND model = ? AND suspect = ? ORDER BY j.priority DESC, j.id LIMIT ?
"""

DAEMON_ENDED = "the daemon ended while this attempt ran"
# A daemon that is killed, or loses its power, says nothing against the jobs that ran. One that ends again and again
# under the same job may be ended by it: then the job runs without neighbours, and at last it is given up, or the two
# would go on like that for ever.
ALONE_AFTER = 5
GIVEN_UP_AFTER = 20
# The same of a machine of a cluster: that one is lost says nothing against what ran there, until it goes on and on.
NODES_IN_A_ROW = """
SELECT count(*) FROM attempts WHERE job_id = :job AND number > coalesce(
    (SELECT max(number) FROM attempts WHERE job_id = :job AND number < :number AND error_kind IS NOT 'node_lost'), 0)
"""
ENDED_IN_A_ROW = """
SELECT count(*) FROM attempts WHERE job_id = :job AND number > coalesce(
    (SELECT max(number) FROM attempts WHERE job_id = :job AND number < :number AND error IS NOT :ended), 0)
"""

# A job that goes back to the queue of a paused batch must be held like the rest of it.
REQUEUE = """
UPDATE jobs SET status = 'queued', finished_at = NULL, steps_done = 0, steps_due = 0,
    held = (SELECT paused FROM batches WHERE id = jobs.batch_id),
    not_before = :not_before, strikes = strikes - :forgiven, qc_retries = qc_retries + :qc_retry,
    suspect = max(suspect, :suspect), error_kind = :error_kind, error = :error
WHERE id = :id AND attempt = :attempt AND status = 'running'
"""


def wake_due(db: sqlite3.Connection, now: float) -> int:
    return db.execute("UPDATE jobs SET not_before = NULL WHERE not_before <= ?", (now,)).rowcount


def clock_moved(db: sqlite3.Connection, now: float, by_s: float, longest_s: float) -> None:
    """Waits end when they would have ended, though the date was set anew.

    Those that began after it was, before anybody noticed, go by the new date already: a wait that would become longer
    than any is, `longest_s`, is one of them.
    """
    db.execute(
        "UPDATE jobs SET not_before = not_before + :by WHERE not_before + :by <= :latest",
        {"by": by_s, "latest": now + longest_s},
    )
    limit_waits(db, now, longest_s)


def limit_waits(db: sqlite3.Connection, now: float, longest_s: float) -> None:
    """No job waits longer than that from now on."""
    db.execute("UPDATE jobs SET not_before = ? WHERE not_before > ?", (now + longest_s, now + longest_s))


def next_due(db: sqlite3.Connection) -> float | None:
    """When the next waiting job may run; None when none waits."""
    due = db.execute("SELECT min(not_before) FROM jobs WHERE not_before IS NOT NULL").fetchone()[0]
    return None if due is None else float(due)


def model_queues(db: sqlite3.Connection) -> list[ModelQueue]:
    """What can be claimed now, by model. Costs a few index lookups per model, however many jobs wait."""
    return [
        ModelQueue(model=row["model"], priority=row["priority"], oldest_queued_at=row["oldest"], head_job_id=row["id"])
        for row in db.execute(MODEL_QUEUES)
    ]


def claim(
    db: sqlite3.Connection, now: float, *, worker: str, device: str, model: str, limit: int, engine_idle: bool
) -> list[Attempt]:
    """Take up to `limit` jobs of a model, by priority, then age. The attempts are on record when this returns.

    Jobs whose attempt took an engine down come last: one at a time, with `alone` set, when no
    other job can be claimed and `engine_idle` says that nothing else is in flight.
    """
    rows = db.execute(HEADS, (model, 0, max(limit, 0))).fetchall()  # below nought SQLite knows no limit
    alone = not rows and engine_idle and limit > 0
    if alone:
        rows = db.execute(HEADS, (model, 1, 1)).fetchall()
    attempts = [_claimed(job_of(row), now, worker, alone) for row in rows]
    db.executemany(
        "UPDATE jobs SET status = 'running', attempt = attempt + 1, strikes = strikes + 1, started_at = ?,"
        " steps_done = 0, steps_due = 0, error_kind = NULL, error = NULL WHERE id = ?",
        ((now, attempt.job.id) for attempt in attempts),
    )
    db.executemany(
        "INSERT INTO attempts (job_id, number, worker, device, model, seed, status, started_at)"
        " VALUES (?, ?, ?, ?, ?, ?, 'running', ?)",
        ((a.job.id, a.number, worker, device, model, a.seed, now) for a in attempts),
    )
    return attempts


def _claimed(job: Job, now: float, worker: str, alone: bool) -> Attempt:
    number = job.attempt + 1
    return Attempt(
        job=replace(job, status=JobStatus.RUNNING, attempt=number, strikes=job.strikes + 1),
        number=number,
        seed=attempt_seed(job.seed, job.qc_retries),
        worker=worker,
        started_at=now,
        alone=alone,
    )


def succeed(
    db: sqlite3.Connection,
    now: float,
    attempt: Attempt,
    output: Output,
    judgement: Judgement,
    *,
    retry_for_quality: bool,
    final_attempt: int | None = None,
) -> bool:
    """File the output of an attempt and end its job; False, with nothing written, if the attempt was fenced.

    With `retry_for_quality` the output is kept as a take that did not pass, and the job is
    queued again for another one, with another seed. `final_attempt` names an earlier attempt
    whose take is the better one and counts instead.
    """
    job = attempt.job
    final_attempt = attempt.number if final_attempt is None else final_attempt
    if retry_for_quality:
        failed = ", ".join(check.name for check in judgement.checks if not check.passed)
        done = _requeue(
            db,
            attempt,
            forgiven=1,
            qc_retry=1,
            error=f"take {attempt.number} did not pass: {failed}" if failed else None,
        )
    else:
        done = (
            db.execute(
                "UPDATE jobs SET status = 'succeeded', finished_at = ?, final_attempt = ?, not_before = NULL,"
                " suspect = 0, error_kind = NULL, error = NULL WHERE id = ? AND attempt = ? AND status = 'running'",
                (now, final_attempt, job.id, attempt.number),
            ).rowcount
            == 1
        )
    if not done:
        return False
    _end(db, now, attempt, AttemptStatus.SUCCEEDED)
    add_output(db, now, attempt, output, judgement)
    if not retry_for_quality:
        db.execute(
            "UPDATE batches SET n_flagged = n_flagged +"
            " (SELECT verdict = ? FROM outputs WHERE job_id = ? AND attempt = ?) WHERE id = ?",
            (Verdict.FAILED.value, job.id, final_attempt, job.batch_id),
        )
        if final_attempt != attempt.number:
            take_out_of_quarantine(db, job, final_attempt)
        close_finished_batches(db, now, {job.batch_id})
    return True


def fail(
    db: sqlite3.Connection,
    now: float,
    attempt: Attempt,
    kind: FailureKind,
    message: str,
    *,
    retry_at: float | None,
    counts: bool,
    suspect: bool,
) -> bool:
    """End an attempt as failed; False, with nothing written, if it was fenced.

    The job is queued again for `retry_at`, or with None fails for good. `counts` says whether
    the attempt counts against max_attempts, `suspect` whether the job may have taken the engine down.
    """
    job = attempt.job
    if kind is FailureKind.NODE_LOST:
        in_a_row = db.execute(NODES_IN_A_ROW, {"job": job.id, "number": attempt.number}).fetchone()[0]
        suspect = suspect or in_a_row >= ALONE_AFTER
        if in_a_row >= GIVEN_UP_AFTER:
            kind, retry_at, counts = FailureKind.ENGINE_DIED, None, True
            message = f"its machine was lost {in_a_row} times in a row while this job ran: it may be why ({message})"
    if retry_at is None:
        done = _fail_for_good(db, now, attempt, kind, message, counts=counts, suspect=suspect)
    else:
        done = _requeue(
            db,
            attempt,
            not_before=retry_at if retry_at > now else None,
            forgiven=0 if counts else 1,
            suspect=suspect,
            error_kind=kind,
            error=message,
        )
    if not done:
        return False
    _end(db, now, attempt, AttemptStatus.FAILED, kind, message)
    if retry_at is None:
        close_finished_batches(db, now, {job.batch_id})
    return True


def release(db: sqlite3.Connection, now: float, attempts: Sequence[Attempt], reason: str) -> int:
    """Give attempts back at a clean stop, without a strike; how many were still running."""
    released = 0
    for attempt in attempts:
        if _requeue(db, attempt, forgiven=1):
            _end(db, now, attempt, AttemptStatus.INTERRUPTED, message=reason)
            released += 1
    return released


def running(db: sqlite3.Connection, worker: str | None = None) -> list[Attempt]:
    """The attempts that are on record as running; of one worker."""
    rows = db.execute(
        "SELECT * FROM attempts WHERE status = 'running' AND worker = coalesce(?, worker) ORDER BY id", (worker,)
    ).fetchall()
    return [_attempt(db, row) for row in rows]


def recover(db: sqlite3.Connection, now: float) -> list[Attempt]:
    """At start: end every attempt that a dead daemon left running. Its job is queued again, without a strike, unless
    the daemon has ended GIVEN_UP_AFTER times in a row while it ran."""
    found = running(db)
    for attempt in found:
        values = {"job": attempt.job.id, "number": attempt.number, "ended": DAEMON_ENDED}
        in_a_row = int(db.execute(ENDED_IN_A_ROW, values).fetchone()[0])
        if in_a_row >= GIVEN_UP_AFTER:
            message = (
                f"the daemon ended {in_a_row} times in a row while this job ran, the last times with nothing beside "
                "it: it may be what ends it; look at the log, then `soundmill retry` it"
            )
            _fail_for_good(db, now, attempt, FailureKind.ENGINE_DIED, message, counts=True, suspect=True)
            _end(db, now, attempt, AttemptStatus.FAILED, FailureKind.ENGINE_DIED, message)
        else:
            _requeue(db, attempt, forgiven=1, suspect=in_a_row >= ALONE_AFTER)
            _end(db, now, attempt, AttemptStatus.INTERRUPTED, message=DAEMON_ENDED)
    close_finished_batches(db, now, {attempt.job.batch_id for attempt in found})
    return found


def _attempt(db: sqlite3.Connection, row: sqlite3.Row) -> Attempt:
    job = job_of(db.execute(JOB + "WHERE j.id = ?", (row["job_id"],)).fetchone())
    return Attempt(job=job, number=row["number"], seed=row["seed"], worker=row["worker"], started_at=row["started_at"])


def _requeue(
    db: sqlite3.Connection,
    attempt: Attempt,
    *,
    not_before: float | None = None,
    forgiven: int = 0,
    qc_retry: int = 0,
    suspect: bool = False,
    error_kind: FailureKind | None = None,
    error: str | None = None,
) -> bool:
    values = {
        "id": attempt.job.id,
        "attempt": attempt.number,
        "not_before": not_before,
        "forgiven": forgiven,
        "qc_retry": qc_retry,
        "suspect": int(suspect),
        "error_kind": None if error_kind is None else error_kind.value,
        "error": error,
    }
    return db.execute(REQUEUE, values).rowcount == 1


def _fail_for_good(
    db: sqlite3.Connection,
    now: float,
    attempt: Attempt,
    kind: FailureKind,
    message: str,
    *,
    counts: bool,
    suspect: bool,
) -> bool:
    done = db.execute(
        "UPDATE jobs SET status = 'failed', finished_at = ?, strikes = strikes - ?, suspect = max(suspect, ?),"
        " error_kind = ?, error = ? WHERE id = ? AND attempt = ? AND status = 'running'",
        (now, 0 if counts else 1, int(suspect), kind.value, message, attempt.job.id, attempt.number),
    ).rowcount
    if done:
        job = attempt.job
        add_event(
            db,
            now,
            "job failed",
            f"{job.batch_name}/{job.name}: {message}",
            worker=attempt.worker,
            batch_id=job.batch_id,
            job_id=job.id,
        )
    return done == 1


def _end(
    db: sqlite3.Connection,
    now: float,
    attempt: Attempt,
    status: AttemptStatus,
    kind: FailureKind | None = None,
    message: str | None = None,
) -> None:
    db.execute(
        "UPDATE attempts SET status = ?, error_kind = ?, error = ?, finished_at = ? WHERE job_id = ? AND number = ?",
        (status.value, None if kind is None else kind.value, message, now, attempt.job.id, attempt.number),
    )
