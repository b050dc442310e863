"""Reports as the daemon has them made: `soundmill report`, in a process of low priority."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundmill.catalog.reports import Owed
from soundmill.faults import passing
from soundmill.home import Home
from soundmill.service.aside.process import Aside, start

log = logging.getLogger(__name__)

TRIES = 3  # per start of the daemon; the report stays owed, so the next start, or the next change, tries again
RETRY_WAIT_S = 5.0  # times the tries so far
QUIET_S = 15.0  # after a change, before the report is made again: who rates one take mostly rates others too
PATIENCE_S = 300.0  # but no longer than this while changes keep coming
DEADLINE_S = 600.0
DEADLINE_PER_JOB_S = 0.5
LONGEST_REST_S = 60.0  # after a report, while clips are made
MOST_LOOKED_AT = 200  # of the reports owed, at a time
BEHIND = 20  # reports owed are many
BEHIND_FOR_S = 600.0  # and this long is no burst


class Ledger(Protocol):
    """What the reporter needs of the catalogue."""

    def unreported(self, limit: int = -1) -> list[Owed]: ...
    def mark_reported(self, batch_id: int, *, read_at: float) -> None: ...
    def event(self, kind: str, message: str, *, batch_id: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A report in the making."""

    owed: Owed
    aside: Aside


def report_command(home: Home) -> Callable[[str], list[str]]:
    return lambda batch: [sys.executable, "-m", "soundmill", "--home", str(home.root), "report", "--", batch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A report that could not be made of what was known at `changed_at`, after so many tries."""

    changed_at: float | None
    tries: int
    not_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A report that waits for the changes to end: the last one known, since when nothing came after it, and since when
    it is waited for."""

    changed_at: float
    quiet_since: float
    since: float


class Reporter:
    """Has the report of every finished batch made, one at a time, and made again some time after the last of the
    changes that it should tell of. `tick` never waits.

    `command(batch)` is the process to start. One that fails or overruns its deadline is tried again, TRIES times in
    all; then that is on record and the batch is left alone until something of it changes or the daemon starts anew.
    A batch whose folder in `outputs` somebody has taken away gets no new report. `clock` gives Unix seconds, `steady`
    seconds that no change of the date moves, and `generating` says whether clips are being made: then a report is
    followed by a rest as long as it took, so that however many are owed, they take no more than half the time.

    `run --once` waits for the first report of each batch, also where it is due again in the same run, and for those
    that `expect` names. The others, of earlier batches whose takes were judged by new limits or heard by a new scorer,
    come last: there may be any number of them, and they stay owed until they are made.
    """

    def __init__(
        self,
        ledger: Ledger,
        outputs: Path,
        command: Callable[[str], Sequence[str]],
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        generating: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._outputs = outputs
        self._command = command
        self._clock = clock
        self._steady = steady
        self._generating = generating
        self._rest_until = 0.0
        self._many_since: float | None = None
        self._running: Running | None = None
        self._failed: dict[int, Failed] = {}
        self._waiting: dict[int, Waiting] = {}  # for the changes to end
        self._expected: set[int] = set()  # ids of batches whose report is waited for also when it is made again
        self.made: list[str] = []  # names of batches, in the order of their reports

    @property
    def busy_with(self) -> str | None:
        """The batch whose report is in the making."""
        return self._running.owed.name if self._running is not None else None

    @property
    def idle(self) -> bool:
        """True when no report is being made or owed, but for those given up."""
        return self._running is None and not self._owed()

    @property
    def worked_off(self) -> bool:
        """True when no report that `run --once` waits for is being made or owed, but for those given up."""
        if self._running is not None and self._is_expected(self._running.owed):
            return False
        return not any(self._is_expected(owed) for owed in self._owed())

    @property
    def outdated(self) -> int:
        """How many reports are owed that `run --once` does not wait for."""
        return sum(not self._is_expected(owed) and self._tries(owed) < TRIES for owed in self._ledger.unreported())

    def expect(self, batch_ids: Iterable[int]) -> None:
        """Have `run --once` wait for the reports of these batches, which are to be made again."""
        self._expected |= set(batch_ids)

    @property
    def given_up(self) -> tuple[str, ...]:
        """Batches whose report could not be made."""
        return tuple(owed.name for owed in self._ledger.unreported() if self._tries(owed) >= TRIES)

    @property
    def backlog(self) -> str | None:
        """That reports have fallen behind, as a sentence; None while they keep up."""
        count, now = len(self._owed()), self._steady()
        if count < BEHIND:
            self._many_since = None
            return None
        self._many_since = now if self._many_since is None else self._many_since
        if now - self._many_since < BEHIND_FOR_S:
            return None
        some = f"{MOST_LOOKED_AT} or more" if count >= MOST_LOOKED_AT else str(count)
        return f"{some} reports are owed; they are made one at a time, while generation leaves room, and none is lost"

    def tick(self) -> None:
        now = self._steady()
        if self._running is not None:
            self._look_after(self._running, now)
        if self._running is None and (now >= self._rest_until or not self._generating()):
            in_turn = sorted(self._owed(), key=lambda owed: not self._is_expected(owed))
            ready = (owed for owed in in_turn if self._is_ready(owed, now))
            if (owed := next(ready, None)) is not None:
                self._running = self._start(owed, now)

    def stop(self) -> None:
        """End the report in the making; the next start of the daemon makes it anew."""
        if self._running is not None:
            self._running.aside.kill()
            self._running.aside.close()
            self._running = None

    def _owed(self) -> list[Owed]:
        busy = self._running.owed.id if self._running is not None else None
        most = MOST_LOOKED_AT + len(self._failed)
        return [owed for owed in self._ledger.unreported(most) if owed.id != busy and self._tries(owed) < TRIES]

    def _is_expected(self, owed: Owed) -> bool:
        return not owed.again or owed.id in self._expected

    def _tries(self, owed: Owed) -> int:
        """How often the report of what is known now has failed."""
        failed = self._failed.get(owed.id)
        return failed.tries if failed is not None and failed.changed_at == owed.changed_at else 0

    def _is_ready(self, owed: Owed, now: float) -> bool:
        if self._tries(owed) and now < self._failed[owed.id].not_before:
            return False
        if not owed.again or owed.changed_at is None:
            return True
        if self._outputs.is_dir() and not (self._outputs / owed.name).is_dir():
            log.info("%s: its folder is gone, so its report is not made again", owed.name)
            self._ledger.mark_reported(owed.id, read_at=owed.known_at)
            return False
        waiting = self._waiting.get(owed.id)
        if waiting is None or waiting.changed_at != owed.changed_at:
            since = waiting.since if waiting is not None else now
            waiting = self._waiting[owed.id] = Waiting(changed_at=owed.changed_at, quiet_since=now, since=since)
        quiet_s = max(self._clock() - owed.changed_at, now - waiting.quiet_since)
        return quiet_s >= QUIET_S or now - waiting.since >= PATIENCE_S

    def _start(self, owed: Owed, now: float) -> Running:
        self._waiting.pop(owed.id, None)
        if not owed.again:
            self._expected.add(owed.id)
        passing("report.start")
        deadline = DEADLINE_S + DEADLINE_PER_JOB_S * owed.job_count
        return Running(owed=owed, aside=start(self._command(owed.name), now, deadline))

    def _look_after(self, running: Running, now: float) -> None:
        if not running.aside.ended(now):
            return
        trouble = running.aside.trouble(now)
        running.aside.close()
        self._running = None
        self._rest_until = now + min(now - running.aside.started_at, LONGEST_REST_S)
        owed = running.owed
        if trouble is None:
            self._failed.pop(owed.id, None)
            self.made.append(owed.name)
            self._ledger.mark_reported(owed.id, read_at=owed.known_at)
            self._record("report made", f"{owed.name}: outputs/{owed.name}/report.html", owed)
            return
        tries = self._tries(owed) + 1
        not_before = now + RETRY_WAIT_S * tries
        self._failed[owed.id] = Failed(changed_at=owed.changed_at, tries=tries, not_before=not_before)
        if tries >= TRIES:
            mend = f"; given up after {tries} tries: soundmill report {owed.name} makes it by hand"
        else:
            mend = ""
        self._record("report failed", f"{owed.name}: {trouble}{mend}", owed)

    def _record(self, kind: str, message: str, owed: Owed) -> None:
        self._ledger.event(kind, message, batch_id=owed.id)
