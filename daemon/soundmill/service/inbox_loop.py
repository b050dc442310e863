"""The inbox as the daemon works it: a watched folder, a thread that scans it, and what came of its files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from soundmill.config import InboxConfig
from soundmill.errors import CatalogError, StorageUnavailable
from soundmill.inbox.intake import Intake, Outcome
from soundmill.inbox.watch import Watcher
from soundmill.schedule.loop import LoopThread

log = logging.getLogger(__name__)

STOP_PATIENCE_S = 30.0


class InboxLoop:
    """Scans when something is written in the folder and at an interval; `check` replaces what of it died.

    `record(kind, message)` writes an event, `complain(trouble)` logs what may keep happening. `accepted` and
    `rejected` count the files of this run; `stuck` maps the ulid of a claimed file that cannot be taken in yet to why.
    """

    def __init__(
        self,
        intake: Intake,
        folder: Path,
        settings: InboxConfig,
        *,
        record: Callable[[str, str], None],
        complain: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.accepted = 0
        self.rejected = 0
        self.stuck: dict[str, str] = {}
        self.quiet = False  # nothing came in the last scan, nothing waits
        self._intake = intake
        self._settings = settings
        self._record = record
        self._complain = complain
        self._clock = clock
        self._wake = threading.Event()
        self._watcher = Watcher(folder, self._wake.set)
        self._watcher.start()
        self._thread = self._new_thread()

    @property
    def alive(self) -> bool:
        return self._thread.alive

    def making_progress(self, now: float) -> bool:
        return self._thread.making_progress(now)

    def check(self) -> None:
        if self._watcher.ensure():
            self._record("watcher restarted", "the folder watcher had died; scans found the files meanwhile")
        if not self._thread.alive:
            self._record("inbox restarted", f"the inbox thread ended: {self._thread.error}")
            self._thread = self._new_thread()

    def stop(self) -> None:
        """Take in nothing more once the scan that runs has ended."""
        self._thread.stop()
        self._wake.set()
        self._watcher.stop()

    def join(self) -> None:
        self._thread.join(STOP_PATIENCE_S)

    def _new_thread(self) -> LoopThread:
        thread = LoopThread("inbox", self._scan, clock=self._clock)
        thread.start()
        return thread

    def _scan(self) -> None:
        """One scan; then wait for an event, the settling of a new file, or the next full scan."""
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
            self.quiet = False
            return
        self.quiet = not outcomes and not waiting
        longest_s = self._settings.scan_interval_s
        if self._wake.wait(min(self._settings.settle_s + 0.05, longest_s) if waiting else longest_s):
            self._wake.clear()
            self.quiet = False

    def _note(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.stuck[outcome.ulid] = f"{outcome.file_name}: {outcome.reason}"
            self._record("file stuck", self.stuck[outcome.ulid])
            return
        self.stuck.pop(outcome.ulid, None)
        if outcome.batch is not None:
            self.accepted += 1
            log.info("accepted %s as %s: %d jobs", outcome.file_name, outcome.batch.name, outcome.batch.job_count)
        else:
            self.rejected += 1
            log.warning("rejected %s: %s", outcome.file_name, outcome.reason)
