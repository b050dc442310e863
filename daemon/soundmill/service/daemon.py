"""The daemon: wires inbox, catalogue, workers and site, and owns their threads, signals and health."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from ulid import ULID

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf import files
from soundmill.config import Config
from soundmill.engine.protocol import Engine
from soundmill.errors import CatalogError, InvalidControl, StorageUnavailable
from soundmill.home import Home, lock_home
from soundmill.inbox import control
from soundmill.inbox.control import Control
from soundmill.inbox.intake import Intake
from soundmill.inbox.spool import Spool
from soundmill.schedule.ledger import Books
from soundmill.schedule.pool import Pool
from soundmill.schedule.storage import StorageGate
from soundmill.schedule.worker import Worker
from soundmill.service import best_of_n as choosing
from soundmill.service import systemd, wiring
from soundmill.service.inbox_loop import InboxLoop
from soundmill.service.reporter import Reporter, report_command
from soundmill.service.scoring import ScoringThread
from soundmill.service.watched_site import WatchedSite

log = logging.getLogger(__name__)

TICK_S = 0.25
STOP_GRACE_S = 10.0  # how long running clips may take to end after the first signal
REJUDGE_CHUNK = 200  # outputs judged anew per tick after a threshold changed
STORAGE_PATIENCE_S = 30.0  # how long `run --once` waits for room on the disk
COMPLAIN_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a `run --once` ended; counts are of this run alone."""

    accepted: int
    rejected: int
    failed: int
    problem: str | None = None
    reports: tuple[str, ...] = ()  # batches whose report was made
    outdated: int = 0  # reports of earlier batches that are left to the daemon

    @property
    def ok(self) -> bool:
        return not (self.rejected or self.failed or self.problem)


class Service:
    """One daemon on one home, at work once it is made. `tick` until `stop`; `run` does both.

    `clock` gives Unix seconds. `engine_for(device)` makes an engine; the default one is a process
    per device. `on_tick` is called after each tick (the terminal's progress bars).
    """

    def __init__(
        self,
        home: Home,
        config: Config,
        *,
        devices: Sequence[str],
        with_site: bool,
        with_reports: bool,
        clock: Callable[[], float] = time.time,
        engine_for: Callable[[str], Engine] | None = None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the home, mend what the last run left, start every thread. Raises SoundmillError."""
        self.home = home
        self.config = config
        self._clock = clock
        self._engine_for = engine_for or wiring.engine_for(config)
        self._on_tick = on_tick
        self._signals = 0
        self._grace_s = 0.0
        self._rejudging = True
        self._unmovable: str | None = None  # why takes that were chosen among are not where they belong yet
        self._complaint = ""
        self._complained_at = 0.0
        self._trade = wiring.trade_of(config)
        self._shelf = wiring.OutputFolder(home.outputs)
        home.create()
        with contextlib.ExitStack() as opened:  # closed in the opposite order, also when a later part cannot start
            opened.enter_context(lock_home(home))
            self.catalog = opened.enter_context(contextlib.closing(Catalog.open(home.catalog, clock=clock)))
            opened.callback(self._say_goodbye)
            self.catalog.use_ranking(config.scoring.rank_by)
            self._recover()
            self._gate = StorageGate(self._probe_storage, self._record)
            self._gate.close(clock())  # before the first clip rather than after it; stays open where there is room
            self._failed_before = self.catalog.failed_count()
            self._site = WatchedSite(home, config.web, self._record, clock) if with_site else None
            if self._site is not None:
                opened.callback(self._site.stop)
            self._scoring = ScoringThread(self.catalog, home.outputs, config, devices, self._record, clock)
            opened.callback(self._scoring.stop)
            self.inbox = self._open_inbox()
            opened.callback(self.inbox.join)
            self._pool = Pool(devices, self._hire, self._record, clock)
            opened.callback(lambda: self._pool.stop(self._grace_s, "the daemon was stopped"))
            self._reporter = Reporter(self.catalog, home.outputs, report_command(home), clock) if with_reports else None
            if self._reporter is not None:
                opened.callback(self._reporter.stop)
            opened.callback(self.inbox.stop)
            self._record("daemon started", f"soundmill started on {', '.join(devices)}")
            self._opened = opened.pop_all()
        systemd.notify("READY=1")

    # -- start and stop ---------------------------------------------------------------------

    def stop(self, grace_s: float) -> None:
        """End everything; clips that run get `grace_s` to end."""
        systemd.notify("STOPPING=1")
        self._grace_s = grace_s
        self._opened.close()

    def run(self, *, once: bool) -> Ended:
        """Work until a signal comes or, with `once`, until inbox and queue are empty; then stop."""
        pause = threading.Event()
        problem = None
        with _signals_go_to(self._on_signal):
            try:
                while not self._signals:
                    self.tick()
                    if once and (self.worked_off or (problem := self._hopeless())):
                        break
                    pause.wait(TICK_S)
                return self._ended(once, problem)
            finally:
                self.stop(STOP_GRACE_S if self._signals < 2 else 0.0)

    def _ended(self, once: bool, problem: str | None) -> Ended:
        failed = self.catalog.failed_count() - self._failed_before
        reports: tuple[str, ...] = ()
        outdated = 0
        if self._reporter is not None:
            reports, outdated = tuple(dict.fromkeys(self._reporter.made)), self._reporter.outdated
            if once and problem is None and (missing := self._reporter.given_up):
                problem = f"no report of {', '.join(missing)}; the reason: soundmill report {missing[0]}"
        if self._signals and once:
            problem = "stopped by a signal before the queue was empty"
        return Ended(self.inbox.accepted, self.inbox.rejected, failed, problem, reports, outdated)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 2:
            os._exit(130)  # whoever asks a third time does not want to wait for a clean end

    # -- one round --------------------------------------------------------------------------

    def tick(self) -> None:
        """Housekeeping; every part is safe to repeat, so a full disk only delays it."""
        try:
            self.apply_controls()
            self.catalog.wake_due(self._clock())
            self._rejudge()
            self._pool.check()
            self._scoring.check()
            self._choose()
            if self._reporter is not None:
                self._reporter.tick()
        except (StorageUnavailable, CatalogError) as error:
            self._complain(str(error))
        self.inbox.check()
        if self._site is not None:
            self._site.check()
        if self.inbox.making_progress(self._clock()) and self._pool.making_progress():
            systemd.notify("WATCHDOG=1")
        self._on_tick()

    @property
    def worked_off(self) -> bool:
        """True when no file waits in the inbox, no job waits or runs, every take is judged by the present
        limits, scored and chosen among as far as that can be done, and no report of what this run did is owed."""
        if not self.inbox.quiet or self.inbox.stuck:
            return False
        if control.pending(self.home.control) or self._rejudging or self.catalog.unfinished() > 0:
            return False
        # In this order: a score may be what a choice waits for, and a choice what a report waits for.
        if not self._scoring.worked_off or (self.catalog.undecided() and self._unmovable is None):
            return False
        return self._reporter is None or self._reporter.worked_off

    def _hopeless(self) -> str | None:
        if self.inbox.quiet and self.inbox.stuck and self.catalog.unfinished() == 0:
            return next(iter(self.inbox.stuck.values()))
        reason = self._gate.closed_because
        return reason if reason and self._gate.closed_for_s(self._clock()) > STORAGE_PATIENCE_S else None

    def apply_controls(self) -> None:
        for path, found in control.pending(self.home.control):
            try:
                if isinstance(found, InvalidControl):
                    raise found
                self._apply(found)
            except InvalidControl as error:
                self._record("control refused", str(error))
            path.unlink(missing_ok=True)

    def _apply(self, wish: Control) -> None:
        match wish.action:
            case "cancel":
                self._pool.cancel(self.catalog.cancel(wish.target))
            case "pause":
                self.catalog.pause(wish.target)
            case "resume":
                self.catalog.resume(wish.target)
            case "retry":
                self.catalog.retry(wish.target)
            case "rate":
                assert wish.stars is not None
                telling = self.catalog.rate(wish.target, wish.stars, wish.note)
                if self._reporter is not None:
                    self._reporter.expect(telling)
        self._record("control applied", f"{wish.action} {wish.target}")

    def _rejudge(self) -> None:
        """After a threshold changed, bring old outputs' verdicts up to date, a few per tick."""
        if self._rejudging:
            rulesets = wiring.rulesets_of(self.config)
            self._rejudging = self.catalog.rejudge(self._trade.judge, rulesets, REJUDGE_CHUNK) == REJUDGE_CHUNK

    def _choose(self) -> None:
        """Best of n. Files that cannot be moved now are tried again at every tick, and hold nothing else up."""
        try:
            choosing.step(self.catalog, self.home.outputs)
        except StorageUnavailable as error:
            self._unmovable = str(error)
            self._complain(self._unmovable)
        else:
            self._unmovable = None

    def _probe_storage(self) -> None:
        """Raise StorageUnavailable unless both a take and the catalogue could be written now."""
        self._shelf.probe()
        self.catalog.set_setting("storage probed", str(self._clock()))

    def _complain(self, trouble: str) -> None:
        """Log what keeps happening once a minute, not four times a second."""
        if trouble != self._complaint or self._clock() - self._complained_at > COMPLAIN_INTERVAL_S:
            self._complaint, self._complained_at = trouble, self._clock()
            log.warning("%s", trouble)

    def _record(self, kind: str, message: str, worker: str | None = None) -> None:
        log.info("%s: %s", kind, message)
        try:
            self.catalog.event(kind, message, worker=worker)
        except (CatalogError, StorageUnavailable) as error:
            log.warning("cannot record %s: %s", kind, error)

    # -- the parts --------------------------------------------------------------------------

    def _recover(self) -> None:
        """Give back what the last run left running; remove files that no row knows."""
        interrupted = self.catalog.recover(self.config.schedule.max_attempts)
        strays = files.sweep_parts(self.home.outputs)
        for attempt in interrupted:
            for quarantined in (False, True):
                path = self._shelf.path_of(attempt.job, quarantined=quarantined, attempt=attempt.number)
                if not self.catalog.knows_output(path):
                    self._shelf.discard(path)
        if interrupted or strays:
            self._record("recovered", f"{len(interrupted)} interrupted attempts, {strays} half-written files removed")

    def _say_goodbye(self) -> None:
        self.catalog.workers_gone()
        self._record("daemon stopped", "soundmill stopped")

    def _open_inbox(self) -> InboxLoop:
        settings, folder = self.config.inbox, self.home.inbox
        spool = Spool(
            folder,
            clock=time.monotonic,  # a file rests however the date is set
            new_ulid=lambda: str(ULID()),
            settle_s=settings.settle_s,
            patience_s=settings.patience_s,
            command=f"soundmill --home {shlex.quote(str(self.home.root))}",
        )
        intake = Intake(
            spool,
            self.catalog,
            wiring.rules_for(self.config, folder, self.catalog.find_experiment),
            max_bytes=int(settings.max_file_mb * 1024 * 1024),
        )
        return InboxLoop(intake, folder, settings, record=self._record, complain=self._complain, clock=self._clock)

    def _hire(self, device: str, allow_s: Callable[[float], None]) -> Worker:
        return Worker(
            device,
            self._engine_for(device),
            Books(ledger=self.catalog, shelf=self._shelf, gate=self._gate),
            self._trade,
            clock=self._clock,
            allow_s=allow_s,
        )

    @property
    def site_url(self) -> str | None:
        return self._site.url if self._site is not None else None

    @property
    def reporting_on(self) -> str | None:
        """The batch whose report is in the making."""
        return self._reporter.busy_with if self._reporter is not None else None


@contextlib.contextmanager
def _signals_go_to(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    former = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)
