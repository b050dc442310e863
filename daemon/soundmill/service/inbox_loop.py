"""The inbox as the daemon works it: a watched folder, a thread that scans it, and what came of its files."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from pathlib import Path

from ulid import ULID

from soundmill.config import Config, InboxConfig
from soundmill.home import Home
from soundmill.inbox.intake import CatalogPort, Intake, Outcome
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.spool import Spool
from soundmill.inbox.watch import Watcher
from soundmill.schedule.loop import LoopThread
from soundmill.service.survive import Outlive

STOP_PATIENCE_S = 30.0
WATCH_AGAIN_S = 10.0  # before a watch that could not be had is tried again
FAILED_SCAN_S = 1.0  # before a scan that failed is tried again, at the least


class InboxLoop:
    """Scans when something is written in the folder and at an interval; `check` replaces what of it died.

    `record(kind, message)` writes an event, `outlive` is that of survive.py, `steady` gives seconds that no change of
    the date moves. `accepted` and `rejected` count the files of this run; `stuck` maps the ulid of a claimed file that
    cannot be taken in yet to why.
    """

    def __init__(
        self,
        intake: Intake,
        folder: Path,
        settings: InboxConfig,
        *,
        record: Callable[[str, str], None],
        outlive: Outlive,
        steady: Callable[[], float],
    ) -> None:
        self.accepted = 0
        self.rejected = 0
        self.stuck: dict[str, str] = {}
        self.quiet = False  # nothing came in the last scan, nothing waits
        self._intake = intake
        self._settings = settings
        self._record = record
        self._outlive = outlive
        self._steady = steady
        self._outcomes: list[Outcome] = []
        self._wake = threading.Event()
        self._watcher = Watcher(folder, self._wake.set)
        self._watch_at = steady()
        self.watch()
        self._thread = self._new_thread()

    def use(self, config: Config, rules_for: Callable[[str], Rules]) -> None:
        """Take files in by other settings from the next one on."""
        self._settings = config.inbox
        self._intake.use(
            rules_for,
            most_bytes(config.inbox),
            settle_s=config.inbox.settle_s,
            patience_s=config.inbox.patience_s,
        )

    @property
    def alive(self) -> bool:
        return self._thread.alive

    def making_progress(self, now: float) -> bool:
        return self._thread.making_progress(now)

    def check(self) -> None:
        """Replace the thread if it died."""
        if not self._thread.alive:
            error = self._thread.error
            self._thread = self._new_thread()
            self._record("inbox restarted", f"the inbox thread ended: {error}")

    def watch(self) -> None:
        """See that the folder is watched; where it can't be, scans find the files."""
        if not self._watcher.alive and self._steady() >= self._watch_at:
            self._watch_at = self._steady() + WATCH_AGAIN_S
            self._outlive("inbox watching", self._start_watching)

    def _start_watching(self) -> None:
        self._watcher.start()
        if self._watcher.trouble is not None:
            raise OSError(
                f"changes cannot be seen ({self._watcher.trouble}); the inbox is looked through every "
                f"{self._settings.scan_interval_s:g} s instead; where inotify instances are used up: "
                "sysctl fs.inotify.max_user_instances=512"
            )

    def stop(self) -> None:
        """Take in nothing more once the scan that runs has ended."""
        self._thread.stop()
        self._wake.set()
        self._watcher.stop()

    def join(self) -> None:
        self._thread.join(STOP_PATIENCE_S)

    def _new_thread(self) -> LoopThread:
        thread = LoopThread("inbox", self._scan, clock=self._steady)
        thread.start()
        return thread

    def _scan(self) -> None:
        """One scan; then wait for an event, the settling of a new file, or the next full scan."""
        scanned = self._outlive("inbox", self._look)
        outcomes, self._outcomes = self._outcomes, []
        waiting = self._intake.waiting or not scanned
        for outcome in outcomes:
            self._note(outcome)
        if self._intake.more:
            self.quiet = False
            return
        self.quiet = not outcomes and not waiting
        longest_s = self._settings.scan_interval_s
        soon_s = self._settings.settle_s + 0.05 if scanned else FAILED_SCAN_S
        if self._wake.wait(min(soon_s, longest_s) if waiting else longest_s):
            self._wake.clear()
            self.quiet = False

    def _look(self) -> None:
        self._outcomes = self._intake.scan()

    def _note(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.stuck[outcome.ulid] = f"{outcome.file_name}: {outcome.reason}"
            self._record("file stuck", self.stuck[outcome.ulid])
            return
        self.stuck.pop(outcome.ulid, None)
        if outcome.batch is not None:
            self.accepted += 1
        else:
            self.rejected += 1


def open_intake(
    home: Home,
    config: Config,
    catalog: CatalogPort,
    rules_for: Callable[[str], Rules],
    steady: Callable[[], float],
) -> Intake:
    """What takes in the files of a home's inbox."""
    spool = Spool(
        home.inbox,
        clock=steady,  # a file rests however the date is set
        new_ulid=lambda: str(ULID()),
        settle_s=config.inbox.settle_s,
        patience_s=config.inbox.patience_s,
        command=f"soundmill --home {shlex.quote(str(home.root))}",
    )
    return Intake(spool, catalog, rules_for, most_bytes(config.inbox))


def most_bytes(settings: InboxConfig) -> int:
    """A larger job file is refused."""
    return int(settings.max_file_mb * 1024 * 1024)
