"""The catalogue: everything that writes to catalog.db, behind one class.

One connection behind one lock, because SQLite before 3.51.3 can damage a write-ahead log that two
connections write or checkpoint at the same instant. Every write is one transaction. The modules
beside this one hold the SQL by noun, as functions of a connection; here they become methods.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

from soundmill.catalog import claims, experiments, outputs, reports, rows, scores, selection, state
from soundmill.catalog import ingest as ingesting
from soundmill.catalog.asking import answers, deliveries
from soundmill.catalog.connection import Asked, Together, connect_writer, not_durable, transaction, translated, written
from soundmill.catalog.keeping import retention
from soundmill.catalog.migrations import known, migrate, pending
from soundmill.catalog.upgrade import copies
from soundmill.errors import CatalogTooNew
from soundmill.faults import passing

P = ParamSpec("P")
R = TypeVar("R")


class Reading(Generic[P, R]):
    """A method that calls `function(db, …)`; with `together` along with what other threads ask for."""

    def __init__(self, function: Callable[Concatenate[sqlite3.Connection, P], R], *, together: bool = False) -> None:
        self._function = function
        self._together = together
        self._name = function.__name__

    def __get__(self, catalog: Catalog, _: type[Catalog]) -> Callable[P, R]:
        def call_together(*args: P.args, **kwargs: P.kwargs) -> R:
            asked = Asked(self._name, lambda db: self._function(db, *args, **kwargs), reads=True)
            return catalog.together.do(asked, catalog.connected)

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with catalog.connected() as db:
                return self._function(db, *args, **kwargs)

        return call_together if self._together else call


class Writing(Reading[P, R]):
    """A method that calls `function(db, …)` in a transaction."""

    def __set_name__(self, _: type[Catalog], name: str) -> None:
        self._name = name.lstrip("_")

    def __get__(self, catalog: Catalog, _: type[Catalog]) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with catalog.connected() as db:
                return written(db, self._name, lambda db: self._function(db, *args, **kwargs))

        return call


class WritingAt(Generic[P, R]):
    """A method that calls `function(db, now, …)` in a transaction, with the time of the catalogue's clock; with
    `together` in one that calls of other threads share."""

    def __init__(
        self, function: Callable[Concatenate[sqlite3.Connection, float, P], R], *, together: bool = False
    ) -> None:
        self._function = function
        self._together = together
        self._name = function.__name__

    def __set_name__(self, _: type[Catalog], name: str) -> None:
        self._name = name.lstrip("_")

    def __get__(self, catalog: Catalog, _: type[Catalog]) -> Callable[P, R]:
        def call_together(*args: P.args, **kwargs: P.kwargs) -> R:
            asked = Asked(self._name, lambda db: self._function(db, catalog.clock(), *args, **kwargs))
            return catalog.together.do(asked, catalog.connected)

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with catalog.connected() as db:
                return written(db, self._name, lambda db: self._function(db, catalog.clock(), *args, **kwargs))

        return call_together if self._together else call


class Catalog:
    """The one writer of a catalogue; safe to share between threads.

    Every method raises StorageUnavailable when the disk is full, read-only or failing, and
    CatalogError when the catalogue cannot be used otherwise; it has then changed nothing.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._path = path
        self.clock = clock
        self._lock = threading.Lock()
        self.together = Together()

    @classmethod
    def open(
        cls, path: Path, *, clock: Callable[[], float], before_upgrade: Callable[[], None] = lambda: None
    ) -> Catalog:
        """Open the catalogue, making or migrating it as needed; an older one is copied first, which may take minutes
        and is told to `before_upgrade`. Raises CatalogTooNew."""
        with translated(path):
            connection = connect_writer(path)
            try:
                _bring_up_to_date(connection, path, clock(), before_upgrade)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, clock)

    def close(self) -> None:
        with self.connected() as db:
            db.close()

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time."""
        with self._lock, translated(self._path):
            yield self._connection

    # --- the inbox's side ---
    ingest = WritingAt(ingesting.ingest)
    batch_by_ulid = Reading(ingesting.by_ulid)
    batch_by_sha256 = Reading(ingesting.by_sha256)
    kept_files = Reading(ingesting.kept_files)
    kept_as = Reading(ingesting.kept_as)
    tell_jobs = Reading(ingesting.tell_jobs)
    find_experiment = Reading(experiments.find_experiment)
    rejection_exists = Reading(ingesting.rejection_exists)
    record_rejection = WritingAt(ingesting.record_rejection)

    # --- the workers' side ---
    def wake_due(self, now: float) -> int:
        """Make the jobs claimable whose wait ends at `now` or before; how many there were."""
        due = self.next_due()
        if due is None or due > now:  # asked many times a minute, and nearly always for nothing
            return 0
        return self._wake_due(now)

    _wake_due = Writing(claims.wake_due)

    clock_moved = WritingAt(claims.clock_moved)
    limit_waits = WritingAt(claims.limit_waits)
    next_due = Reading(claims.next_due)
    model_queues = Reading(claims.model_queues, together=True)
    claim = WritingAt(claims.claim, together=True)
    succeed = WritingAt(claims.succeed, together=True)
    better_take = Reading(selection.better_take, together=True)
    fail = WritingAt(claims.fail, together=True)
    running = Reading(claims.running)
    release = WritingAt(claims.release)
    recover = WritingAt(claims.recover)
    progress = Writing(state.progress)
    worker_state = WritingAt(state.set_worker, together=True)
    workers_gone = Writing(state.stop_workers)

    # --- what people ask for ---
    answer = WritingAt(answers.answer)

    # --- scores and the choice among takes ---
    use_scorer = WritingAt(scores.use_scorer)
    unscored = Reading(scores.unscored)
    record_scores = WritingAt(scores.record_scores)
    take_path = Reading(scores.path_of)
    use_ranking = Writing(selection.use_ranking)
    undecided = Reading(selection.undecided)
    choose = WritingAt(selection.choose)
    pending_moves = Reading(selection.pending_moves)
    moves_arrived = WritingAt(selection.arrived)
    moves_settled = Writing(selection.settled)
    move_given_up = WritingAt(selection.gone)

    # --- what need not be kept ---
    stored = Reading(retention.stored)
    needed_takes = Reading(retention.needed)
    prune = WritingAt(retention.prune)
    files_to_go = Reading(retention.files_to_go)
    pruned = Writing(retention.pruned)

    # --- what the service keeps ---
    rejudge = WritingAt(outputs.rejudge)
    event = WritingAt(rows.add_event)
    last_event = Reading(rows.last_event)
    events_after = Reading(rows.events_after)
    batch = Reading(state.batch)
    job = Reading(state.job, together=True)
    unfinished = Reading(state.unfinished)
    failed_count = Reading(state.failed_count)
    has_takes = Reading(state.has_takes)
    newest_attempt = Reading(state.newest_attempt)
    unfiled = Reading(state.unfiled)
    knows_output = Reading(state.knows_output, together=True)
    batch_finished = Reading(state.batch_finished)
    unreported = Reading(reports.unreported)
    mark_reported = Writing(reports.mark_reported)
    undelivered = Reading(reports.undelivered)
    mark_delivered = Writing(reports.mark_delivered)
    next_wanted = Reading(deliveries.next_wanted)
    delivery_begun = Writing(deliveries.delivery_begun)
    delivery_ended = WritingAt(deliveries.delivery_ended)
    get_setting = Reading(state.get_setting)
    set_setting = Writing(state.set_setting)

    last_beat = Reading(state.last_beat)

    @property
    def writing(self) -> bool:
        """Whether a transaction is under way, in whichever thread; waits for none."""
        try:
            return self._connection.in_transaction
        except sqlite3.ProgrammingError:  # closed
            return False

    def beat(self, *, pid: int, at: float, steady_s: float, doing: str) -> None:
        """Note that the daemon lives: its process, Unix seconds, the machine's own seconds, running or stopped."""
        value = rows.to_json({"pid": pid, "at": at, "steady_s": steady_s, "state": doing})
        with self.connected() as db, not_durable(db), transaction(db):
            state.set_setting(db, "heartbeat", value)
            passing("catalog.beat")


def _bring_up_to_date(db: sqlite3.Connection, path: Path, now: float, before_upgrade: Callable[[], None]) -> None:
    try:
        had, lacking = known(db), pending(db)
    except CatalogTooNew as error:
        copy = copies.latest(path)
        raise CatalogTooNew(f"{path}: {error}" + (f", or go back to its copy {copy}" if copy else "")) from error
    copy = None
    if had and lacking:
        before_upgrade()
        copy = copies.copy_before(db, path, lacking[0], now=now).name
    migrate(db)
    if copy is not None:
        message = f"by {', '.join(lacking)}; as it was before, it is in {copies.FOLDER}/{copy}"
        with transaction(db):
            rows.add_event(db, now, "catalogue brought up to date", message)
            passing("catalog.upgraded")
        copies.forget_old(path)
