"""The catalogue: everything that writes to catalog.db, behind one class.

One connection behind one lock, because SQLite before 3.51.3 can damage a write-ahead log that two
connections write or checkpoint at the same instant. Every write is one transaction. The modules
beside this one hold the SQL by noun: ingest, claims, outputs, commands.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from soundmill.catalog import claims, experiments, ingest, outputs, reports, scores, selection, state
from soundmill.catalog import wishes as commands
from soundmill.catalog.connection import connect_writer, transaction, translated
from soundmill.catalog.migrations import migrate
from soundmill.catalog.reports import Owed
from soundmill.catalog.rows import JOB, add_event, batch_of, job_of
from soundmill.catalog.scores import Unscored
from soundmill.catalog.selection import Move
from soundmill.errors import CatalogError, Problem
from soundmill.jobs import (
    Attempt,
    Batch,
    BatchSpec,
    FailureKind,
    Job,
    Judge,
    Judgement,
    ModelQueue,
    Output,
    Progress,
    Source,
)


class Catalog:
    """The one writer of a catalogue; safe to share between threads.

    Every method raises StorageUnavailable when the disk is full, read-only or failing, and
    CatalogError when the catalogue cannot be used otherwise; it has then changed nothing.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float]) -> Catalog:
        """Open the catalogue, making or migrating it as needed. Raises CatalogTooNew."""
        with translated(path):
            connection = connect_writer(path)
            try:
                migrate(connection)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, clock)

    def close(self) -> None:
        with self._lock, translated(self._path):
            self._connection.close()

    @contextmanager
    def _write(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        with self._lock, translated(self._path), transaction(self._connection):
            yield self._connection, self._clock()

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self._path):
            yield self._connection

    # --- the inbox's side ---

    def ingest(self, spec: BatchSpec, source: Source) -> Batch:
        """Queue all jobs of a file, or none. The same `source.ulid` again returns the batch of the first time.

        Jobs are taken from `spec.jobs` as they are inserted; what iterating it raises is raised here.
        """
        with self._write() as (db, now):
            return ingest.ingest(db, now, spec, source)

    def batch_by_ulid(self, ulid: str) -> Batch | None:
        with self._read() as db:
            return ingest.by_ulid(db, ulid)

    def batch_by_sha256(self, sha256: str) -> Batch | None:
        """The latest batch accepted from a file of this content."""
        with self._read() as db:
            return ingest.by_sha256(db, sha256)

    def find_experiment(self, name: str) -> experiments.Experiment:
        """The experiment of a batch and its family. Raises InvalidControl where there is none."""
        with self._read() as db:
            return experiments.find_experiment(db, name)

    def rejection_exists(self, ulid: str) -> bool:
        with self._read() as db:
            return ingest.rejection_exists(db, ulid)

    def record_rejection(self, ulid: str, file_name: str, sha256: str | None, problems: Sequence[Problem]) -> None:
        """Remember a refused file; the same `ulid` again changes nothing."""
        with self._write() as (db, now):
            ingest.record_rejection(db, now, ulid, file_name, sha256, problems)

    # --- the workers' side ---

    def wake_due(self, now: float) -> int:
        """Make the jobs claimable whose wait ends at `now` or before; how many there were."""
        with self._read() as db:
            due = claims.next_due(db)
        if due is None or due > now:  # asked many times a minute, and nearly always for nothing
            return 0
        with self._write() as (db, _):
            return claims.wake_due(db, now)

    def next_due(self) -> float | None:
        """When the next waiting job may run; None when none waits."""
        with self._read() as db:
            return claims.next_due(db)

    def model_queues(self) -> list[ModelQueue]:
        """What can be claimed now, by model. Costs a few index lookups per model, however many jobs wait."""
        with self._read() as db:
            return claims.model_queues(db)

    def claim(self, *, worker: str, device: str, model: str, limit: int, engine_idle: bool) -> list[Attempt]:
        """Take up to `limit` jobs of a model, by priority, then age. The attempts are on record when this returns.

        Jobs whose attempt took an engine down come last: one at a time, with `alone` set, when no
        other job can be claimed and `engine_idle` says that nothing else is in flight.
        """
        with self._write() as (db, now):
            return claims.claim(
                db, now, worker=worker, device=device, model=model, limit=limit, engine_idle=engine_idle
            )

    def succeed(
        self,
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
        with self._write() as (db, now):
            return claims.succeed(
                db,
                now,
                attempt,
                output,
                judgement,
                retry_for_quality=retry_for_quality,
                final_attempt=attempt.number if final_attempt is None else final_attempt,
            )

    def better_take(self, job_id: int, judgement: Judgement) -> int | None:
        """The attempt with the best take a job has so far, if that take is better than one so judged."""
        with self._read() as db:
            return selection.better_take(db, job_id, judgement)

    def fail(
        self,
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
        with self._write() as (db, now):
            return claims.fail(db, now, attempt, kind, message, retry_at=retry_at, counts=counts, suspect=suspect)

    def release(self, attempts: Sequence[Attempt], reason: str) -> int:
        """Give attempts back at a clean stop, without a strike; how many were still running."""
        with self._write() as (db, now):
            return claims.release(db, now, attempts, reason)

    def recover(self, max_attempts: int) -> list[Attempt]:
        """At start: end every attempt that a dead daemon left running. Its job is queued again, or
        fails once `max_attempts` attempts have counted against it."""
        with self._write() as (db, now):
            return claims.recover(db, now, max_attempts)

    def progress(self, progresses: Sequence[Progress]) -> None:
        if progresses:
            with self._write() as (db, _):
                claims.progress(db, progresses)

    def worker_state(
        self,
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
        with self._write() as (db, now):
            state.set_worker(
                db,
                now,
                name,
                device=device,
                model=model,
                status=status,
                slots=slots,
                running=running,
                error=error,
                restarted=restarted,
            )

    def workers_gone(self) -> None:
        """Mark every worker as stopped: at a clean stop, and at start for those of a dead daemon."""
        with self._write() as (db, _):
            state.stop_workers(db)

    # --- what people ask for ---

    def cancel(self, target: str) -> list[int]:
        """Cancel what is queued or running of a batch or job; the ids of the jobs that were running."""
        with self._write() as (db, now):
            return commands.cancel(db, now, target)

    def pause(self, target: str) -> int:
        """Hold the queued jobs of a batch; what runs, runs on. How many jobs are newly held."""
        with self._write() as (db, now):
            return commands.pause(db, now, target)

    def resume(self, target: str) -> int:
        with self._write() as (db, now):
            return commands.resume(db, now, target)

    def retry(self, target: str) -> int:
        """Queue failed and cancelled jobs of a batch, or one such job, as if new; how many."""
        with self._write() as (db, now):
            return commands.retry(db, now, target)

    def rate(self, target: str, stars: int, note: str | None) -> set[int]:
        """Rate a take: by its file, or the latest take of a job. Another rating replaces the first.

        The ids of the batches whose reports tell of it.
        """
        with self._write() as (db, now):
            return commands.rate(db, now, target, stars, note)

    # --- scores and the choice among takes ---

    def use_scorer(self, scorer: str, model: str, names: Sequence[str]) -> None:
        """Say which model a scorer uses now and the names it scores under; another model's scores are forgotten."""
        with self._write() as (db, now):
            scores.use_scorer(db, now, scorer, model, names)

    def unscored(self, scorer: str, limit: int) -> list[Unscored]:
        """Up to `limit` takes that the scorer has not heard yet: new ones first."""
        with self._read() as db:
            return scores.unscored(db, scorer, limit)

    def record_scores(self, scorer: str, found: Mapping[int, Mapping[str, float | None]]) -> None:
        """Keep the scores of the first takes of an answer of `unscored`; None is "heard, but no score"."""
        with self._write() as (db, now):
            scores.record_scores(db, now, scorer, found)

    def take_path(self, output_id: int) -> str:
        """Where a take lies now, relative to the outputs folder."""
        with self._read() as db:
            return scores.path_of(db, output_id)

    def use_ranking(self, rank_by: str) -> None:
        """Rank takes by a scorer's name, or by `stars`, when the best are chosen."""
        with self._write() as (db, _):
            selection.use_ranking(db, rank_by)

    def undecided(self) -> bool:
        """Whether takes are still to be chosen among or moved, as far as that can be done now."""
        with self._read() as db:
            return selection.undecided(db)

    def choose(self, limit: int) -> int:
        """Choose the best takes of up to `limit` groups whose jobs have ended; how many were looked at."""
        with self._write() as (db, now):
            return selection.choose(db, now, limit)

    def pending_moves(self, limit: int) -> list[Move]:
        with self._read() as db:
            return selection.pending_moves(db, limit)

    def moves_arrived(self, moves: Sequence[tuple[Move, str]]) -> None:
        """Takes lie at the places named beside them, and still at their former ones."""
        with self._write() as (db, now):
            selection.arrived(db, now, moves)

    def moves_settled(self, moves: Sequence[Move]) -> None:
        """The former places of these takes are cleared."""
        with self._write() as (db, _):
            selection.settled(db, moves)

    def move_given_up(self, move: Move) -> None:
        """The file that was to be moved is not there."""
        with self._write() as (db, now):
            selection.gone(db, now, move)

    # --- what the service keeps ---

    def rejudge(self, judge: Judge, rulesets: Collection[str], limit: int) -> int:
        """Judge up to `limit` outputs that were judged by other thresholds than those of `rulesets`; how many.

        From the measurements on record: no audio is touched, and no job runs again.
        """
        with self._write() as (db, now):
            return outputs.rejudge(db, now, judge, rulesets, limit)

    def event(
        self,
        kind: str,
        message: str,
        worker: str | None = None,
        batch_id: int | None = None,
        job_id: int | None = None,
    ) -> None:
        with self._write() as (db, now):
            add_event(db, now, kind, message, worker=worker, batch_id=batch_id, job_id=job_id)

    def batch(self, batch_id: int) -> Batch:
        """Raises CatalogError when there is none."""
        with self._read() as db:
            row = db.execute("SELECT * FROM batches WHERE id = ?", (batch_id,)).fetchone()
        if row is None:
            raise CatalogError(f"{self._path}: no batch has the id {batch_id}")
        return batch_of(row)

    def job(self, job_id: int) -> Job:
        """Raises CatalogError when there is none."""
        with self._read() as db:
            row = db.execute(JOB + "WHERE j.id = ?", (job_id,)).fetchone()
        if row is None:
            raise CatalogError(f"{self._path}: no job has the id {job_id}")
        return job_of(row)

    def unfinished(self) -> int:
        """How many jobs are queued, waiting or running, leaving out the queues of paused batches."""
        with self._read() as db:
            return state.unfinished(db)

    def failed_count(self) -> int:
        """How many jobs stand as failed in all batches."""
        with self._read() as db:
            return state.failed_count(db)

    def knows_output(self, path: str) -> bool:
        """Whether a take is on record under this path, relative to the outputs folder."""
        with self._read() as db:
            return state.knows_output(db, path)

    def batch_finished(self, batch_id: int) -> bool:
        """Whether no job of the batch is queued or running."""
        with self._read() as db:
            row = db.execute("SELECT finished_at FROM batches WHERE id = ?", (batch_id,)).fetchone()
        return row is not None and row[0] is not None

    def unreported(self) -> list[Owed]:
        """Finished batches whose report is owed, for the first time or again, also after a restart."""
        with self._read() as db:
            return reports.unreported(db)

    def mark_reported(self, batch_id: int, *, read_at: float) -> None:
        """The batch's report is written, of what was known at `read_at`; ignored when the batch was taken up
        again meanwhile, and perhaps finished again. What changed after `read_at` makes it owed again."""
        with self._write() as (db, _):
            reports.mark_reported(db, batch_id, read_at)

    def get_setting(self, key: str) -> str | None:
        with self._read() as db:
            return state.get_setting(db, key)

    def set_setting(self, key: str, value: str) -> None:
        with self._write() as (db, _):
            state.set_setting(db, key, value)
