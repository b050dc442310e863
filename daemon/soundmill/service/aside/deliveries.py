"""Deliveries that job files ask for: `soundmill deliver` when the batch ends, in a process of low priority."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from soundmill.catalog.reports import Undelivered
from soundmill.home import Home
from soundmill.service.aside.process import Aside, start

log = logging.getLogger(__name__)

TRIES = 3  # per start of the daemon; the delivery stays owed, and the next start tries again
RETRY_WAIT_S = 5.0  # times the tries so far
DEADLINE_S = 600.0
DEADLINE_PER_JOB_S = 10.0


class Ledger(Protocol):
    """What deliveries need of the catalogue."""

    def undelivered(self, limit: int = -1) -> list[Undelivered]: ...
    def mark_delivered(self, batch_id: int, *, read_at: float) -> None: ...
    def event(self, kind: str, message: str, *, batch_id: int) -> None: ...


def folder_of(owed: Undelivered, home: Home) -> Path:
    """Where a batch's delivery goes: where its job file says, else a folder of the batch's name."""
    return Path(owed.asked.to) if owed.asked.to else home.deliveries / owed.name


def deliver_command(home: Home) -> Callable[[Undelivered], list[str]]:
    def command(owed: Undelivered) -> list[str]:
        options = ["--to", str(folder_of(owed, home)), "--profile", owed.asked.profile]
        options += ["--zip"] if owed.asked.zipped else []
        return [sys.executable, "-m", "soundmill", "--home", str(home.root), "deliver", *options, "--", owed.ulid]

    return command


class Deliveries:
    """Has the deliveries made that batches which have ended ask for, one at a time. `tick` never waits.

    One that fails is tried again, TRIES times in all; then that is on record and the batch is left alone until the
    daemon starts anew or jobs of it ran again.
    """

    def __init__(
        self, ledger: Ledger, home: Home, command: Callable[[Undelivered], Sequence[str]], steady: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._home = home
        self._command = command
        self._steady = steady
        self._running: tuple[Undelivered, Aside] | None = None
        self._failed: dict[tuple[int, float], tuple[int, float]] = {}  # batch and its end: tries, and not before when
        self.made: list[Path] = []

    @property
    def worked_off(self) -> bool:
        """True when none is being made or owed, but for those given up."""
        return self._running is None and not self._owed()

    @property
    def given_up(self) -> tuple[str, ...]:
        """Batches whose delivery could not be made."""
        return tuple(owed.name for owed in self._ledger.undelivered() if self._tries(owed) >= TRIES)

    def tick(self) -> None:
        now = self._steady()
        if self._running is not None and self._running[1].ended(now):
            self._look_after(*self._running, now)
        if self._running is None:
            ready = (owed for owed in self._owed() if self._failed.get(_key(owed), (0, now))[1] <= now)
            if (owed := next(ready, None)) is not None:
                deadline = DEADLINE_S + DEADLINE_PER_JOB_S * owed.job_count
                self._running = owed, start(self._command(owed), now, deadline)

    def stop(self) -> None:
        """End the delivery in the making; the next start of the daemon goes on with it."""
        if self._running is not None:
            self._running[1].kill()
            self._running[1].close()
            self._running = None

    def _owed(self) -> list[Undelivered]:
        return [owed for owed in self._ledger.undelivered() if self._tries(owed) < TRIES]

    def _tries(self, owed: Undelivered) -> int:
        return self._failed.get(_key(owed), (0, 0.0))[0]

    def _look_after(self, owed: Undelivered, aside: Aside, now: float) -> None:
        trouble = aside.trouble(now)
        aside.close()
        self._running = None
        folder = folder_of(owed, self._home)
        if trouble is None:
            self._ledger.mark_delivered(owed.id, read_at=owed.finished_at)
            self.made.append(folder)
            self._record("delivery made", f"{owed.name}: {folder}", owed)
            return
        tries = self._tries(owed) + 1
        self._failed[_key(owed)] = tries, now + RETRY_WAIT_S * tries
        mend = (
            f"; given up after {tries} tries: soundmill deliver {owed.name} --to DIR makes it" if tries >= TRIES else ""
        )
        self._record("delivery failed", f"{owed.name}: {trouble}{mend}", owed)

    def _record(self, kind: str, message: str, owed: Undelivered) -> None:
        log.log(logging.WARNING if kind == "delivery failed" else logging.INFO, "%s: %s", kind, message)
        self._ledger.event(kind, message, batch_id=owed.id)


def _key(owed: Undelivered) -> tuple[int, float]:
    return owed.id, owed.finished_at
