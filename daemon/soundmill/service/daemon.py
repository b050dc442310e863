"""The daemon: wires inbox, catalogue, workers and site, and owns their threads, signals and health."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundmill.catalog.catalog import Catalog
from soundmill.config import Config, load
from soundmill.engine.protocol import Engine
from soundmill.errors import CatalogError, StorageUnavailable
from soundmill.faults import passing
from soundmill.home import Home, lock_home
from soundmill.inbox.jobfile.context import Rules
from soundmill.schedule.ledger import Books
from soundmill.schedule.pool import Pool
from soundmill.schedule.storage import CLOSED as STORAGE_CLOSED
from soundmill.schedule.storage import StorageGate
from soundmill.schedule.worker import Worker
from soundmill.service import best_of_n as choosing
from soundmill.service import systemd, wiring
from soundmill.service.aside.asked import AskedDeliveries, asked_command
from soundmill.service.aside.deliveries import Deliveries, deliver_command
from soundmill.service.cluster.cluster import MODELS, Cluster
from soundmill.service.controls import Controls
from soundmill.service.date import Date
from soundmill.service.inbox_loop import InboxLoop, open_intake
from soundmill.service.keeping.pruning import Pruning
from soundmill.service.output_folder import MARKED, OutputFolder
from soundmill.service.reporter import Reporter, report_command
from soundmill.service.scoring import ScoringThread
from soundmill.service.settings import Settings
from soundmill.service.signals import Signals
from soundmill.service.survive import Troubles
from soundmill.service.telling.telling import Telling
from soundmill.service.watched_site import WatchedSite
from soundmill.words import listed

TICK_S = 0.25
STOP_GRACE_S = 10.0  # how long running clips may take to end after the first signal
LAST_ALERTS_S = 5.0  # how long a stop waits for whoever is told
REJUDGE_CHUNK = 200  # outputs judged anew per tick after a threshold changed
UPGRADE_S = 1800.0  # for a large catalogue to be copied and brought up to date
PATIENCE_S = 30.0  # how long `run --once` waits for what it cannot do without
CHOICE_PATIENCE_S = 5.0  # and for a choice among takes, which it can end without
NEEDED = ("storage", "inbox", "control", "queue", "cluster", "run --once")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a `run --once` ended; counts are of this run alone."""

    accepted: int
    rejected: int
    failed: int
    problem: str | None = None
    reports: tuple[str, ...] = ()  # batches whose report was made
    deliveries: tuple[Path, ...] = ()  # folders that were filled
    outdated: int = 0  # reports of earlier batches that are left to the daemon

    @property
    def ok(self) -> bool:
        return not (self.rejected or self.failed or self.problem)


class Service:
    """One daemon on one home, at work once it is made. `tick` until `stop`; `run` does both.

    `clock` gives Unix seconds, `steady` seconds that no change of the date moves. `engine_for(device)` makes an engine;
    the default one is a process per device. `reread` reads the settings again, by default from soundmill.yaml.
    `on_tick` is called in each tick (the terminal's progress bars).
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
        steady: Callable[[], float] = time.monotonic,
        engine_for: Callable[[str], Engine] | None = None,
        reread: Callable[[], Config] | None = None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the home, mend what the last run left, start every thread. Raises SoundmillError."""
        self.home = home
        self._clock = clock
        self._steady = steady
        self._engine_for = engine_for or self._engine
        self._on_tick = on_tick
        self._signals = Signals()
        self._grace_s = 0.0
        self._rejudging = True
        self._finished = False
        self._problem: str | None = None
        self._trade = wiring.trade_of(config, self.home)
        passing("home.root")
        home.root.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opened:  # closed in the opposite order, also when a later part cannot start
            opened.enter_context(lock_home(home))
            catalog = Catalog.open(home.catalog, clock=clock, before_upgrade=lambda: systemd.extend(UPGRADE_S))
            self.catalog = opened.enter_context(contextlib.closing(catalog))
            self._troubles = Troubles(self.catalog, clock=clock, steady=steady)
            self._telling = Telling(home, self.catalog, config.alerts, self._troubles, clock=clock, steady=steady)
            opened.callback(self._say_goodbye)
            if self._telling.died is not None:  # at once: should this start fail, the next one knows nothing of it
                self._record("daemon died", self._telling.died)
            opened.callback(lambda: self._telling.stop_alerts(min(self._grace_s, LAST_ALERTS_S)))
            self._settings = Settings(
                config, devices, reread=reread or self._load, record=self._record, troubles=self._troubles
            )
            self.catalog.use_ranking(config.scoring.rank_by)
            self._shelf = self._recover()
            self._gate = StorageGate(self._probe_storage, self._on_storage)
            self._gate.close(steady())  # before the first clip rather than after it; stays open where there is room
            self._date = Date(
                self.catalog,
                self._record,
                clock=clock,
                steady=steady,
                longest_wait_s=lambda: self.config.schedule.backoff_max_s,
            )
            self._failed_before = self.catalog.failed_count()
            outlive = self._troubles.outlive
            self._site = WatchedSite(home, config.web, self._record, outlive, steady) if with_site else None
            if self._site is not None:
                opened.callback(self._site.stop)
            self._scoring = ScoringThread(self.catalog, home.outputs, config, devices, self._record, outlive, steady)
            opened.callback(self._scoring.stop)
            intake = open_intake(home, config, self.catalog, self._rules(), steady)
            self.inbox = InboxLoop(
                intake, home.inbox, config.inbox, record=self._record, outlive=outlive, steady=steady
            )
            opened.callback(self.inbox.join)
            self._cluster = Cluster(
                home,
                config,
                troubles=self._troubles,
                record=self._record,
                show=lambda machines: self.catalog.set_setting("machines", machines),
                steady=steady,
            )
            opened.callback(self._cluster.close)
            self._pool = Pool(devices, self._hire, self._record, outlive, steady)
            opened.callback(lambda: self._pool.stop(self._grace_s, "the daemon was stopped"))
            self._reporter: Reporter | None = None
            if with_reports:
                command = report_command(home)
                self._reporter = Reporter(
                    self.catalog,
                    home.outputs,
                    command,
                    clock=clock,
                    steady=steady,
                    generating=lambda: self._pool.running > 0,
                )
                opened.callback(self._reporter.stop)
            self._deliveries = Deliveries(self.catalog, home, deliver_command(home), steady)
            opened.callback(self._deliveries.stop)
            self._asked = AskedDeliveries(self.catalog, home, asked_command(home), steady)
            opened.callback(self._asked.stop)
            opened.callback(self.inbox.stop)
            self._pruning = Pruning(
                self.catalog,
                home.outputs,
                wiring.retention_of(config),
                record=self._record,
                clock=clock,
                steady=steady,
            )
            self._controls = Controls(
                home.control,
                self.catalog,
                cancelled=self._pool.cancel,
                rated=self._expect,
                prune=self._pruning.ask,
                clock=clock,
            )
            self._parts = tuple(self._every_part())
            self._record("daemon started", f"soundmill started on {wiring.place_of(config, devices)}")
            self._opened = opened.pop_all()
        systemd.notify("READY=1")

    # -- start and stop ---------------------------------------------------------------------

    def stop(self, grace_s: float) -> None:
        """End everything; clips that run get `grace_s` to end."""
        systemd.notify("STOPPING=1")
        self._telling.heartbeat.stopping()
        self._grace_s = grace_s
        self._opened.close()

    def run(self, *, once: bool) -> Ended:
        """Work until a signal comes or, with `once`, until inbox and queue are empty; then stop."""
        pause = threading.Event()
        with self._signals:
            try:
                while not self._signals.stops:
                    self.tick()
                    if once and self._troubles.outlive("run --once", self._look_for_the_end) and self._finished:
                        break
                    pause.wait(TICK_S)
                return self._ended(once, self._problem)
            finally:
                self.stop(STOP_GRACE_S if self._signals.stops < 2 else 0.0)

    def _look_for_the_end(self) -> None:
        """Of a `run --once`: everything is worked off, or there is no hope of it."""
        self._problem = self._hopeless()
        self._finished = self._problem is not None or self.worked_off

    def _ended(self, once: bool, problem: str | None) -> Ended:
        failed = 0
        try:
            failed = self.catalog.failed_count() - self._failed_before
        except (CatalogError, StorageUnavailable) as error:
            problem = problem or str(error)
        reports: tuple[str, ...] = ()
        outdated = 0
        if self._reporter is not None:
            reports, outdated = tuple(dict.fromkeys(self._reporter.made)), self._reporter.outdated
            if once and problem is None and (missing := self._reporter.given_up):
                problem = f"no report of {', '.join(missing)}; the reason: soundmill report {missing[0]}"
        if once and problem is None and (missing := self._deliveries.given_up):
            problem = f"no delivery of {', '.join(missing)}; the reason: soundmill deliver {missing[0]} --to DIR"
        if self._signals.stops and once:
            problem = "stopped by a signal before the queue was empty"
        made = tuple(self._deliveries.made)
        return Ended(self.inbox.accepted, self.inbox.rejected, failed, problem, reports, made, outdated)

    # -- one round --------------------------------------------------------------------------

    def tick(self) -> None:
        """Housekeeping. Every part is safe to repeat, so what fails is only delayed, and holds up no other part."""
        for part, step in self._parts:
            self._telling.heartbeat.at(part)
            self._troubles.outlive_all(part, step)
        self.inbox.watch()
        self._telling.heartbeat.at("troubles")
        self._troubles.post()
        self._telling.heartbeat.at(None)

    def _every_part(self) -> Iterator[tuple[str, Callable[[], object]]]:
        yield "new settings", self._use_new_settings
        yield "date", self._date.check
        yield "control", self._controls.work_off
        yield "queue", lambda: self.catalog.wake_due(self._clock())
        yield "judging", self._rejudge
        yield "machines", self._attend
        yield "workers", self._pool.check
        yield "scoring process", self._scoring.check
        yield "outputs", self._mind_the_outputs
        yield "choosing", self._choose
        yield "retention", self._prune
        if self._reporter is not None:
            yield "reports", self._report
        yield "deliveries", self._deliver
        yield "deliveries asked for", self._deliver_what_was_asked
        yield "inbox thread", self.inbox.check
        if self._site is not None:
            yield "site", self._site.check
        yield "threads", self._mind_the_threads
        yield from self._telling.parts()
        yield "systemd", self._ping
        yield "progress", self._on_tick

    @property
    def worked_off(self) -> bool:
        """True when no file waits in the inbox, no job waits or runs, every take is judged by the present
        limits, scored and chosen among as far as that can be done, and no report of what this run did is owed."""
        if not self.inbox.quiet or self.inbox.stuck:
            return False
        if self._controls.waiting or self._rejudging or self.catalog.unfinished() > 0 or not self._pruning.idle:
            return False
        # In this order: a score may be what a choice waits for, and a choice what a report waits for.
        if not self._scoring.worked_off or (
            self.catalog.undecided() and not self._troubles.lasting("choosing", CHOICE_PATIENCE_S)
        ):
            return False
        if self._reporter is not None and not self._reporter.worked_off:
            return False
        return self._deliveries.worked_off and self._asked.worked_off

    def _hopeless(self) -> str | None:
        if self.inbox.quiet and self.inbox.stuck and self.catalog.unfinished() == 0:
            return next(iter(self.inbox.stuck.values()))
        needed = (*NEEDED, MODELS) if self._cluster.waits_in_vain and not self._pool.running else NEEDED
        lasting = (self._troubles.lasting(part, PATIENCE_S) for part in needed)
        return next((trouble for trouble in lasting if trouble is not None), None)

    def _rejudge(self) -> None:
        """After a threshold changed, bring old outputs' verdicts up to date, a few per tick."""
        if self._rejudging:
            rulesets = wiring.rulesets_of(self.config)
            self._rejudging = self.catalog.rejudge(self._trade.judge, rulesets, REJUDGE_CHUNK) == REJUDGE_CHUNK

    def _attend(self) -> None:
        self._cluster.check(self.catalog.unfinished)
        devices = (*self._settings.devices, *self._cluster.devices)
        self._pool.attend(devices)
        self._cluster.mind_models(devices, self.catalog.model_queues)

    def _use_new_settings(self) -> None:
        if self._signals.hung_up():
            self._settings.read_again()
        self._settings.hand_on(self._use)

    def _load(self) -> Config:
        config = load(self.home)
        wiring.rules_for(config, self.home.inbox)  # raises ConfigError
        wiring.places_of(config)  # the same
        return config

    def _use(self, former: Config) -> None:
        """What is in flight is finished by the settings before."""
        config, devices = self.config, self._settings.devices
        self._trade = wiring.trade_of(config, self.home)
        self._rejudging = True
        self._pool.use(self._trade)
        self.inbox.use(config, self._rules())
        self.catalog.use_ranking(config.scoring.rank_by)
        self._scoring.use(config, devices)
        self._pruning.use(wiring.retention_of(config))
        if self._site is not None:
            self._site.use(config.web)
        self._telling.use(config.alerts)
        self._cluster.use(config)
        if (config.engine, config.cluster, config.schedule.load_deadline_s) != (
            former.engine,
            former.cluster,
            former.schedule.load_deadline_s,
        ):
            self._pool.renew((*devices, *self._cluster.devices))

    def _mind_the_outputs(self) -> None:
        """A disk that goes while nothing is filed is noticed here."""
        if self._storage_is_open() and not self._shelf.is_there:
            self._gate.close(self._steady())

    def _storage_is_open(self) -> bool:
        return self._gate.is_open(self._steady())

    def _choose(self) -> None:
        if self._storage_is_open():
            choosing.step(self.catalog, self.home.outputs)

    def _prune(self) -> None:
        if self._shelf.is_there:
            self._pruning.step()

    def _report(self) -> None:
        if self._reporter is None or not self._storage_is_open():
            return
        self._reporter.tick()
        if (backlog := self._reporter.backlog) is not None:
            self._troubles.begin("report backlog", backlog)
        else:
            self._troubles.end("report backlog")

    def _mind_the_threads(self) -> None:
        hanging = [f"worker {device}" for device in self._pool.hanging]
        if self.inbox.alive and not self.inbox.making_progress(self._steady()):
            hanging.append("the inbox")
        if hanging:
            self._troubles.begin("hanging", f"no end of a round in the time it may take: {listed(hanging)}")
        else:
            self._troubles.end("hanging")

    def _deliver(self) -> None:
        if self._storage_is_open():
            self._deliveries.tick()

    def _deliver_what_was_asked(self) -> None:
        if self._storage_is_open():
            self._asked.tick()

    def _ping(self) -> None:
        if self.inbox.making_progress(self._steady()) and self._pool.making_progress():
            systemd.tell("WATCHDOG=1")

    def _probe_storage(self) -> None:
        """Raise StorageUnavailable unless both a take and the catalogue could be written now."""
        self._shelf.probe()
        self.catalog.set_setting("storage probed", str(self._clock()))

    def _on_storage(self, kind: str, message: str) -> None:
        self._record(kind, message)
        if kind == STORAGE_CLOSED:
            self._troubles.begin("storage", message, told=True)
        else:
            self._troubles.end("storage")

    def _record(self, kind: str, message: str, worker: str | None = None) -> None:
        try:
            self.catalog.event(kind, message, worker=worker)
        except (CatalogError, StorageUnavailable):
            self._telling.unrecorded(kind, message, worker)

    # -- the parts --------------------------------------------------------------------------

    def _recover(self) -> OutputFolder:
        """Give back what the last run left running; the outputs folder, which is yet to be rid of its files."""
        interrupted = self.catalog.recover()
        self.catalog.limit_waits(self.config.schedule.backoff_max_s)  # the clock may have been set back meanwhile
        in_use = self.catalog.get_setting(MARKED) is not None or self.catalog.has_takes()
        self._troubles.outlive("inbox", self.home.create_inbox if in_use else self.home.create)
        return OutputFolder(self.home, self.catalog, len(interrupted), self._record)

    def _say_goodbye(self) -> None:
        with contextlib.suppress(CatalogError, StorageUnavailable):
            self.catalog.workers_gone()
            self._troubles.clear()
        self._record("daemon stopped", "soundmill stopped")
        with contextlib.suppress(CatalogError, StorageUnavailable):
            self._telling.stop()

    def _rules(self) -> Callable[[str], Rules]:
        folders = wiring.input_folders(self.config, self.home)
        return wiring.rules_for(
            self.config, self.home.inbox, self.catalog.find_experiment, folders, self.home.deliveries
        )

    def _hire(self, device: str, allow_s: Callable[[float], None]) -> Worker:
        return Worker(
            device,
            self._engine_for(device),
            Books(ledger=self.catalog, shelf=self._shelf, gate=self._gate),
            self._trade,
            clock=self._clock,
            steady=self._steady,
            allow_s=allow_s,
        )

    def _engine(self, device: str) -> Engine:
        return self._cluster.engine_for(device) or wiring.engine_for(self.config)(device)

    def _expect(self, batch_ids: set[int]) -> None:
        if self._reporter is not None:
            self._reporter.expect(batch_ids)

    @property
    def config(self) -> Config:
        """The settings in use."""
        return self._settings.config

    @property
    def site_url(self) -> str | None:
        return self._site.url if self._site is not None else None

    @property
    def reporting_on(self) -> str | None:
        """The batch whose report is in the making."""
        return self._reporter.busy_with if self._reporter is not None else None
