"""The catalogue: everything that writes to catalog.db, behind one class. The modules beside it hold the SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from soundmill.catalog import claims, experiments, outputs, reports, rows, scores, selection, state, wishes
from soundmill.catalog import ingest as intake
from soundmill.catalog.connection import connect_writer, translated
from soundmill.catalog.methods import Database, changes, reads, writes
from soundmill.catalog.migrations import migrate


class Catalog(Database):
    """The one writer of a catalogue; safe to share between threads.

    Every method raises StorageUnavailable when the disk is full, read-only or failing, and
    CatalogError when the catalogue cannot be used otherwise; it has then changed nothing.
    """

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

    # the inbox's side
    ingest = writes(intake.ingest)
    batch_by_ulid = reads(intake.by_ulid)
    batch_by_sha256 = reads(intake.by_sha256)
    find_experiment = reads(experiments.find_experiment)
    rejection_exists = reads(intake.rejection_exists)
    record_rejection = writes(intake.record_rejection)

    # the workers' side
    next_due = reads(claims.next_due)
    model_queues = reads(claims.model_queues)
    claim = writes(claims.claim)
    succeed = writes(claims.succeed)
    better_take = reads(selection.better_take)
    fail = writes(claims.fail)
    release = writes(claims.release)
    recover = writes(claims.recover)
    progress = changes(claims.progress)
    worker_state = writes(state.set_worker)
    workers_gone = changes(state.stop_workers)
    _wake_due = changes(claims.wake_due)

    def wake_due(self, now: float) -> int:
        """Make the jobs claimable whose wait ends at `now` or before; how many there were."""
        due = self.next_due()
        return 0 if due is None or due > now else self._wake_due(now)  # asked many times a minute, mostly for nothing

    # what people ask for
    cancel = writes(wishes.cancel)
    pause = writes(wishes.pause)
    resume = writes(wishes.resume)
    retry = writes(wishes.retry)
    rate = writes(wishes.rate)

    # scores, and the choice among takes
    use_scorer = writes(scores.use_scorer)
    unscored = reads(scores.unscored)
    record_scores = writes(scores.record_scores)
    take_path = reads(scores.path_of)
    use_ranking = changes(selection.use_ranking)
    undecided = reads(selection.undecided)
    choose = writes(selection.choose)
    pending_moves = reads(selection.pending_moves)
    moves_arrived = writes(selection.arrived)
    moves_settled = changes(selection.settled)
    move_given_up = writes(selection.gone)

    # what the service keeps
    rejudge = writes(outputs.rejudge)
    event = writes(rows.add_event)
    batch = reads(rows.batch)
    job = reads(rows.job)
    unfinished = reads(state.unfinished)
    failed_count = reads(state.failed_count)
    knows_output = reads(state.knows_output)
    batch_finished = reads(state.batch_finished)
    unreported = reads(reports.unreported)
    mark_reported = changes(reports.mark_reported)
    get_setting = reads(state.get_setting)
    set_setting = changes(state.set_setting)
