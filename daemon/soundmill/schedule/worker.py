"""One worker keeps one engine's slots full: poll, claim as many as are free, submit, finish what was made.

A worker is a plain object; `step()` is one round and returns quickly, except while a model loads.
pool.py gives it a thread, tests call `step()` themselves. Engine, catalogue, judge and files are
handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from soundmill.errors import (
    EngineDied,
    EngineError,
    EngineNotStarted,
    ModelUnavailable,
    OutOfMemory,
    StorageUnavailable,
    UnknownModel,
)
from soundmill.faults import passing
from soundmill.jobs import (
    Attempt,
    FailureKind,
    Generated,
    GenerationFailed,
    JobStatus,
    ModelInfo,
    Progress,
)
from soundmill.schedule.ledger import Books
from soundmill.schedule.places import serves
from soundmill.schedule.retry import LOST_THE_ENGINE, decide
from soundmill.schedule.scheduler import choose_model
from soundmill.schedule.takes import output_of, what_follows
from soundmill.schedule.trade import Trade

if TYPE_CHECKING:
    from soundmill.engine.protocol import Engine, Event

REPORT_INTERVAL_S = 0.5  # progress reaches the catalogue at most this often
LOAD_FAILURES: tuple[tuple[type[EngineError], FailureKind], ...] = (
    (UnknownModel, FailureKind.UNKNOWN_MODEL),
    (ModelUnavailable, FailureKind.MODEL_UNAVAILABLE),
    (OutOfMemory, FailureKind.OUT_OF_MEMORY),
    (EngineDied, FailureKind.ENGINE_DIED),
)


class Worker:
    """`device` is its name too. `clock` gives Unix seconds, `steady` seconds that no change of the date moves;
    `allow_s(seconds)` announces a round that may take that long (a model being fetched)."""

    def __init__(
        self,
        device: str,
        engine: Engine,
        books: Books,
        trade: Trade,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        allow_s: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self.device = device
        self._engine = engine
        self._ledger = books.ledger
        self._shelf = books.shelf
        self._gate = books.gate
        self._trade = trade
        self._clock = clock
        self._steady = steady
        self._allow_s = allow_s
        self._model: ModelInfo | None = None
        self._loaded: str  # as jobs name it, where there is a model; the engine may know it by a longer name
        self._loaded_since = 0.0
        self._reduced_with: frozenset[tuple[int, int]] = frozenset()  # the clips in flight when slots were halved
        self._in_flight: dict[tuple[int, int], Attempt] = {}
        self._alone = False
        self._unsure = False  # of what the last claim took: it may have been written and raised all the same
        self._unsettled: deque[Event] = deque()
        self._files_well = False  # the last take could be filed
        self._begun: dict[tuple[int, int], str] = {}  # paths of takes whose files may be there and whose rows are not
        self._progress: dict[tuple[int, int], Progress] = {}
        self._reported_at = -REPORT_INTERVAL_S
        self._reported: tuple[object, ...] = ()

    def use(self, trade: Trade) -> None:
        """Work by other numbers from now on."""
        self._trade = trade

    @property
    def in_flight(self) -> tuple[Attempt, ...]:
        return tuple(self._in_flight.values())

    def step(self, *, claiming: bool = True) -> None:
        """One round. With `claiming` False the worker only finishes what it has.

        Raises CatalogError and EngineNotStarted; the next round goes on where this one ended.
        """
        self._unsettled.extend(self._engine.poll(self._trade.policy.poll_s))
        try:
            if self._gate.is_open(self._steady()):
                self._clear_away()
                if claiming and self._made and self._files_well:
                    self._claim()  # the engine does not wait until its clips are filed
            while self._unsettled and self._gate.is_open(self._steady()):
                self._settle(self._unsettled[0])
                self._unsettled.popleft()
            if claiming and self._gate.is_open(self._steady()):
                self._claim()
            self._report()
        except StorageUnavailable:
            # Finished clips wait in memory (at most two per slot) until there is room: generating
            # them again would cost far more, and nothing is lost if the daemon dies meanwhile.
            self._files_well = False
            self._gate.close(self._steady())

    def cancel(self, job_ids: Iterable[int]) -> None:
        """Drop these jobs if this worker has them; the catalogue has them cancelled already."""
        dropped = set(job_ids)
        mine = [key for key in self._in_flight if key[0] in dropped]
        if mine:
            passing("worker.cancel")
            self._engine.cancel(key[0] for key in mine)
            for key in mine:
                self._forget(key)

    def close(self, reason: str) -> None:
        """Give back what is in flight and end the engine."""
        passing("worker.close")
        self._engine.close()
        for key in list(self._begun):
            self._take_back(key)  # before the job may be another worker's
        self._ledger.release(self.in_flight, reason)
        self._in_flight.clear()
        self._release_unknown(reason)
        self._unsettled.clear()
        self._state("stopped")

    # -- claiming ---------------------------------------------------------------------------

    @property
    def _made(self) -> int:
        """Clips that the engine has made and that are not filed yet, each once, though an answer may come twice; 0
        where something failed, which comes first."""
        if any(isinstance(event, GenerationFailed) for event in self._unsettled):
            return 0
        return len({event.key for event in self._unsettled if isinstance(event, Generated)} & self._in_flight.keys())

    @property
    def _free(self) -> int:
        if self._model is None:
            return 1
        slots, begun = self._model.slots, len(self._in_flight)
        return min(slots - (begun - self._made), 2 * slots - begun)

    def _claim(self) -> None:
        loaded = self._loaded if self._model else None
        if self._free <= 0 or self._alone:
            return
        self._release_unknown("its worker did not learn that it had it")
        model = choose_model(
            [each for each in self._ledger.model_queues() if serves(self._trade.places, self.device, each.model)],
            loaded=loaded,
            loaded_for_s=self._steady() - self._loaded_since,
            now=self._clock(),
            pass_over_s=self._trade.policy.pass_over_s,
        )
        if model is None:
            return
        if model != loaded:
            if self._in_flight:
                return  # drain first: an engine holds one model
            if not self._load(model):
                return
        assert self._model is not None
        attempts = self._take(model, self._free)
        if not attempts:
            return
        self._alone = any(attempt.alone for attempt in attempts)
        try:
            passing("worker.submit")
            self._engine.submit([self._trade.request_for(attempt) for attempt in attempts])
        except EngineDied as error:
            self._all_failed(attempts, FailureKind.ENGINE_DIED, str(error))
        except (OSError, MemoryError) as error:  # the engine does not know of them, so nothing would come of them
            self._all_failed(attempts, FailureKind.INTERNAL, f"the engine could not be asked: {error}")
            raise

    def _load(self, model: str) -> bool:
        """Make `model` the engine's; on failure the job at the head of its queue answers for it."""
        self._state("loading", model=model)
        self._allow_s(self._trade.policy.load_deadline_s)
        try:
            passing("worker.load")
            self._model = self._engine.load(model)
        except EngineNotStarted:
            self._model = None
            raise  # no job answers for it
        except EngineError as error:
            self._model = None
            kind = next((kind for cls, kind in LOAD_FAILURES if isinstance(error, cls)), FailureKind.INTERNAL)
            # A model that cannot be had fails every job waiting for it, one claim at a time; a load
            # that failed for want of memory or a dead process is retried with the job that asked.
            limit = 1000 if kind in (FailureKind.UNKNOWN_MODEL, FailureKind.MODEL_UNAVAILABLE) else 1
            self._all_failed(self._take(model, limit), kind, str(error))
            self._state("idle", error=str(error))
            return False
        self._loaded = model
        self._loaded_since = self._steady()
        return True

    def _take(self, model: str, limit: int) -> list[Attempt]:
        """Claim jobs, which are in flight from then on."""
        self._unsure = True
        attempts = self._ledger.claim(
            worker=self.device, device=self.device, model=model, limit=limit, engine_idle=not self._in_flight
        )
        self._unsure = False
        self._in_flight.update({attempt.key: attempt for attempt in attempts})
        return attempts

    def _release_unknown(self, reason: str) -> None:
        if self._unsure:
            known = self._in_flight
            self._ledger.release([a for a in self._ledger.running(self.device) if a.key not in known], reason)
            self._unsure = False

    def _all_failed(self, attempts: Sequence[Attempt], kind: FailureKind, message: str) -> None:
        """Settled with the next round's events, so that a full disk cannot lose the failure."""
        self._unsettled.extend(
            GenerationFailed(job_id=attempt.job.id, attempt=attempt.number, kind=kind, message=message)
            for attempt in attempts
        )

    # -- finishing --------------------------------------------------------------------------

    def _settle(self, event: Event) -> None:
        """Act on one event; when this raises, the same event is settled again later."""
        if isinstance(event, Progress):
            self._progress[event.key] = event
            return
        attempt = self._in_flight.get(event.key)
        if attempt is None:
            return
        if isinstance(event, Generated):
            self._finish(attempt, event)
        else:
            self._fail(attempt, event.kind, event.message)
        self._forget(event.key)

    def _forget(self, key: tuple[int, int]) -> None:
        self._in_flight.pop(key, None)
        if not self._in_flight:
            self._alone = False

    def _fail(self, attempt: Attempt, kind: FailureKind, message: str) -> None:
        slots = self._model.slots if self._model else 1
        if attempt.key in self._reduced_with:
            slots = max(slots, 2)  # it shared the memory with the clips for which the slots were halved
        if kind in LOST_THE_ENGINE and self._model is not None:
            self._model = None  # the next load starts a fresh process
            self._state("dead", error=message, restarted=True)
        decision = decide(
            kind,
            strikes=attempt.job.strikes,
            max_attempts=self._trade.policy.max_attempts,
            slots=slots,
            now=self._clock(),
            jitter=self._trade.jitter(),
            backoff_max_s=self._trade.policy.backoff_max_s,
        )
        if decision.reduce_slots:
            self._reduce_slots(attempt)
        self._ledger.fail(
            attempt,
            kind,
            message,
            retry_at=decision.retry_at,
            counts=decision.counts,
            suspect=decision.suspect,
        )

    def _reduce_slots(self, attempt: Attempt) -> None:
        """Halve the slots, once for all clips that ran out of memory together."""
        if self._model is None or attempt.key in self._reduced_with:
            return
        self._reduced_with = frozenset(self._in_flight)
        try:
            passing("worker.reduce")
            self._model = self._engine.reduce_slots()
        except EngineDied:
            self._model = None

    def _finish(self, attempt: Attempt, clip: Generated) -> None:
        if not self._is_current(attempt):
            return  # what may be filed of it already, goes in the next round
        job = attempt.job
        judgement = self._trade.judge(job.model, job.quality, clip.measurements, clip.defects)
        then = what_follows(
            attempt, judgement, qc_retries=self._trade.policy.qc_retries, better_take=self._ledger.better_take
        )
        relative = self._shelf.path_of(job, quarantined=then.quarantined, attempt=attempt.number)
        self._begun[attempt.key] = relative
        try:
            passing("worker.file")
            filed = self._shelf.file(relative, clip.audio, self._trade.sidecar_for(attempt, clip, judgement))
        except StorageUnavailable as error:
            if self._gate.close(self._steady()):
                raise
            self._take_back(attempt.key)  # where that cannot be done, this comes again
            self._fail(attempt, FailureKind.IO, str(error))  # there is room: this one file is the trouble
            return
        self._files_well = True
        done = self._ledger.succeed(
            attempt,
            output_of(clip, filed, self._trade.request_for(attempt), quarantined=then.quarantined),
            judgement,
            retry_for_quality=then.retry,
            final_attempt=then.final_attempt,
        )
        if done:
            del self._begun[attempt.key]
        else:
            self._take_back(attempt.key)  # cancelled while it was being filed

    def _take_back(self, key: tuple[int, int]) -> None:
        """Remove what was filed of an attempt that has come to nothing. Raises StorageUnavailable, CatalogError."""
        path = self._begun.get(key)
        if path is None:
            return
        job = self._ledger.job(key[0])
        if job.status is JobStatus.RUNNING and job.attempt != key[1]:
            return  # the next attempt's file may have the name by now; looked at again once that has ended
        if not self._ledger.knows_output(path):
            passing("worker.discard")
            self._shelf.discard(path)
        del self._begun[key]

    def _clear_away(self) -> None:
        """Take back what is left of attempts that were dropped. Raises StorageUnavailable, CatalogError."""
        for key in [key for key in self._begun if key not in self._in_flight]:
            self._take_back(key)

    def _is_current(self, attempt: Attempt) -> bool:
        """False once the job was cancelled or taken up by another attempt: its file is not ours to write."""
        job = self._ledger.job(attempt.job.id)
        return job.status is JobStatus.RUNNING and job.attempt == attempt.number

    # -- reporting --------------------------------------------------------------------------

    def _report(self) -> None:
        now = self._steady()
        if now - self._reported_at < REPORT_INTERVAL_S:
            return
        self._reported_at = now
        if self._progress:
            self._ledger.progress(tuple(self._progress.values()))
            self._progress.clear()
        self._state("working" if self._in_flight else "idle")

    def _state(
        self, status: str, *, model: str | None = None, error: str | None = None, restarted: bool = False
    ) -> None:
        shown = model or (self._loaded if self._model else None)
        slots = self._model.slots if self._model else 0
        state = (status, shown, slots, len(self._in_flight))
        # An idle daemon writes its workers' rows once in ten seconds, not twice a second.
        heartbeat = int(self._steady() / 10)
        if (state, heartbeat) == self._reported:
            return
        self._reported = (state, heartbeat)
        self._ledger.worker_state(
            self.device,
            device=self.device,
            model=shown,
            status=status,
            slots=slots,
            running=len(self._in_flight),
            error=error,
            restarted=restarted,
        )
