"""The daemon: wires inbox, catalogue, workers and site, and owns their threads, signals and health."""

from __future__ import annotations

import logging
import os
import random
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from ulid import ULID

from soundmill.catalog import files
from soundmill.catalog.catalog import Catalog
from soundmill.config import Config, Home
from soundmill.engine.protocol import Engine
from soundmill.errors import CatalogError, InvalidControl, SoundmillError, StorageUnavailable
from soundmill.home import lock_home
from soundmill.inbox import control
from soundmill.inbox.control import Control
from soundmill.inbox.intake import Intake, Outcome
from soundmill.inbox.spool import Spool
from soundmill.inbox.watch import Watcher
from soundmill.publish import site
from soundmill.publish.site import Site
from soundmill.schedule.pool import LoopThread, Pool
from soundmill.schedule.storage import StorageGate
from soundmill.schedule.worker import Worker
from soundmill.service import best_of_n as choosing
from soundmill.service import wiring
from soundmill.service.reporter import Reporter, report_command
from soundmill.service.scoring import ScoringThread

log = logging.getLogger(__name__)

TICK_S = 0.25
STOP_GRACE_S = 10.0  # how long running clips may take to end after the first signal
REJUDGE_CHUNK = 200  # outputs judged anew per tick after a threshold changed
STORAGE_PATIENCE_S = 30.0  # how long `run --once` waits for room on the disk
SITE_RESTART_S = 5.0
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


def new_ulid() -> str:
    return str(ULID())


def notify_systemd(message: str) -> None:
    """Tell systemd about readiness and life (sd_notify(3)); does nothing outside a unit."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.sendall(message.encode())


class Service:
    """One daemon on one home. `start`, then `tick` until `stop`; `run` does all three.

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
        self.home = home
        self.config = config
        self._devices = devices
        self._with_site = with_site
        self._with_reports = with_reports
        self._clock = clock
        self._engine_for = engine_for or wiring.engine_for(config)
        self._on_tick = on_tick
        self._signals = 0
        self._wake_inbox = threading.Event()
        self._accepted = 0
        self._stuck: dict[str, str] = {}  # claimed files that cannot be taken in yet, and why
        self._rejected = 0
        self._inbox_quiet = False
        self._site: Site | None = None
        self._site_started = 0.0
        self._reporter: Reporter | None = None
        self._rejudging = True
        self._unmovable: str | None = None  # why takes that were chosen among are not where they belong yet
        self._complaint = ""
        self._complained_at = 0.0

    # -- start and stop ---------------------------------------------------------------------

    def start(self) -> None:
        """Take the home, mend what the last run left, start every thread. Raises SoundmillError."""
        self.home.create()
        self._lock = lock_home(self.home)
        self.catalog = Catalog.open(self.home.catalog, clock=self._clock)
        self._shelf = wiring.OutputFolder(self.home.outputs)
        self._judge = wiring.judge_with(self.config)
        self.catalog.use_ranking(self.config.scoring.rank_by)
        self._recover()
        self._gate = StorageGate(self._probe_storage, self._record)
        self._gate.close(self._clock())  # before the first clip rather than after it; stays open where there is room
        self._intake = self._make_intake()
        self._failed_before = self.catalog.failed_count()
        self._watcher = Watcher(self.home.inbox, self._wake_inbox.set)
        self._watcher.start()
        self._inbox = self._inbox_thread()
        self._pool = Pool(
            self._devices,
            self._hire,
            lambda kind, message, worker: self._record(kind, message, worker=worker),
            self._clock,
        )
        if self._with_reports:
            self._reporter = Reporter(self.catalog, self.home.outputs, report_command(self.home), self._clock)
        self._scoring = ScoringThread(
            self.catalog, self.home.outputs, self.config, self._devices, self._record, self._clock
        )
        if self._with_site:
            self._start_site()
        self._record("daemon started", f"soundmill started on {', '.join(self._devices)}")
        notify_systemd("READY=1")

    def stop(self, grace_s: float) -> None:
        notify_systemd("STOPPING=1")
        self._inbox.stop()
        self._wake_inbox.set()
        self._watcher.stop()
        if self._reporter is not None:
            self._reporter.stop()
        self._pool.stop(grace_s if self._signals < 2 else 0.0, "the daemon was stopped")
        self._inbox.join(30.0)
        self._scoring.stop()
        if self._site is not None:
            self._site.stop()
        try:
            self.catalog.workers_gone()
            self._record("daemon stopped", "soundmill stopped")
        finally:
            self.catalog.close()
            self._lock.close()

    def run(self, *, once: bool) -> Ended:
        """Work until a signal comes or, with `once`, until inbox and queue are empty."""
        former = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        pause = threading.Event()
        problem = None
        try:
            self.start()
            try:
                while not self._signals:
                    self.tick()
                    if once and (self.worked_off or (problem := self._hopeless())):
                        break
                    pause.wait(TICK_S)
                failed = self.catalog.failed_count() - self._failed_before
                outdated = self._reporter.outdated if self._reporter is not None else 0
                if once and problem is None and self._reporter is not None and (missing := self._reporter.given_up):
                    problem = f"no report of {', '.join(missing)}; the reason: soundmill report {missing[0]}"
            finally:
                self.stop(STOP_GRACE_S)
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
        if self._signals and once:
            problem = "stopped by a signal before the queue was empty"
        reports = tuple(dict.fromkeys(self._reporter.made)) if self._reporter is not None else ()
        return Ended(self._accepted, self._rejected, failed, problem, reports, outdated)

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
        if self._watcher.ensure():
            self._record("watcher restarted", "the folder watcher had died; scans found the files meanwhile")
        if not self._inbox.alive:
            self._record("inbox restarted", f"the inbox thread ended: {self._inbox.error}")
            self._inbox = self._inbox_thread()
        self._check_site()
        if self._inbox.making_progress(self._clock()) and self._pool.making_progress():
            notify_systemd("WATCHDOG=1")
        self._on_tick()

    @property
    def worked_off(self) -> bool:
        """True when no file waits in the inbox, no job waits or runs, every take is judged by the present
        limits, scored and chosen among as far as that can be done, and no report of what this run did is owed."""
        if not self._inbox_quiet or self._stuck:
            return False
        if control.pending(self.home.control) or self._rejudging or self.catalog.unfinished() > 0:
            return False
        # In this order: a score may be what a choice waits for, and a choice what a report waits for.
        if not self._scoring.worked_off or (self.catalog.undecided() and self._unmovable is None):
            return False
        return self._reporter is None or self._reporter.worked_off

    def _hopeless(self) -> str | None:
        if self._inbox_quiet and self._stuck and self.catalog.unfinished() == 0:
            return next(iter(self._stuck.values()))
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
            self._rejudging = self.catalog.rejudge(self._judge, rulesets, REJUDGE_CHUNK) == REJUDGE_CHUNK

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

    def _make_intake(self) -> Intake:
        spool = Spool(
            self.home.inbox,
            clock=time.monotonic,  # a file rests however the date is set
            new_ulid=new_ulid,
            settle_s=self.config.inbox.settle_s,
            patience_s=self.config.inbox.patience_s,
            command=f"soundmill --home {shlex.quote(str(self.home.root))}",
        )
        return Intake(
            spool,
            self.catalog,
            wiring.rules_for(self.config, self.home.inbox, self.catalog.find_experiment),
            max_bytes=int(self.config.inbox.max_file_mb * 1024 * 1024),
        )

    def _inbox_thread(self) -> LoopThread:
        thread = LoopThread("inbox", self._scan, clock=self._clock)
        thread.start()
        return thread

    def _scan(self) -> None:
        """One scan; then wait for an event, the settling of a new file, or the next full scan."""
        inbox = self.config.inbox
        try:
            outcomes = self._intake.scan()
        except (StorageUnavailable, CatalogError, OSError) as error:
            self._complain(f"inbox: {error}")
            outcomes = []
            waiting = True
        else:
            waiting = self._intake.waiting
        for outcome in outcomes:
            self._note(outcome)
        if self._intake.more:
            self._inbox_quiet = False
            return
        self._inbox_quiet = not outcomes and not waiting
        if self._wake_inbox.wait(
            min(inbox.settle_s + 0.05, inbox.scan_interval_s) if waiting else inbox.scan_interval_s
        ):
            self._wake_inbox.clear()
            self._inbox_quiet = False

    def _note(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._stuck[outcome.ulid] = f"{outcome.file_name}: {outcome.reason}"
            self._record("file stuck", self._stuck[outcome.ulid])
            return
        self._stuck.pop(outcome.ulid, None)
        if outcome.batch is not None:
            self._accepted += 1
            log.info("accepted %s as %s: %d jobs", outcome.file_name, outcome.batch.name, outcome.batch.job_count)
        else:
            self._rejected += 1
            log.warning("rejected %s: %s", outcome.file_name, outcome.reason)

    def _hire(self, device: str, allow_s: Callable[[float], None]) -> Worker:
        return Worker(
            device,
            device,
            engine=self._engine_for(device),
            ledger=self.catalog,
            shelf=self._shelf,
            gate=self._gate,
            request_for=wiring.request_for(self.config),
            sidecar_for=wiring.sidecar_for,
            judge=self._judge,
            policy=wiring.policy_of(self.config),
            clock=self._clock,
            jitter=random.random,
            allow_s=allow_s,
        )

    def _start_site(self) -> None:
        """A site that cannot start costs the pages, not the work."""
        web = self.config.web
        self._site_started = self._clock()
        try:
            self._site = site.start(self.home.catalog, self.home.outputs, web.host, web.port)
        except SoundmillError as error:
            self._record("site unavailable", str(error))
            log.error("%s", error)

    @property
    def site_url(self) -> str | None:
        return self._site.url if self._site is not None else None

    @property
    def reporting_on(self) -> str | None:
        """The batch whose report is in the making."""
        return self._reporter.busy_with if self._reporter is not None else None

    def _check_site(self) -> None:
        if self._site is None or self._site.running or self._clock() - self._site_started < SITE_RESTART_S:
            return
        self._record("site restarted", f"the site ended with exit status {self._site.process.returncode}")
        self._site.stop()
        self._start_site()
