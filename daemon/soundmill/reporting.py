"""Making reports: the command reads and draws; the daemon has a process of low priority run that command."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from soundmill import show
from soundmill.catalog.reader import Reader
from soundmill.config import Home
from soundmill.errors import StorageUnavailable
from soundmill.jobs import Batch

if TYPE_CHECKING:
    from soundmill.report.batch import Progress

log = logging.getLogger(__name__)

TRIES = 3  # per start of the daemon; the report stays owed, so the next start tries again
RETRY_WAIT_S = 5.0  # times the tries so far
DEADLINE_S = 600.0
DEADLINE_PER_JOB_S = 0.5
LOWEST_PRIORITY = 19
SAID_BYTES = 2000  # of what a failed report said


# -- the command ------------------------------------------------------------------------------


def make_report(home: Home, batch: str, progress: Callable[[Progress], None]) -> Path:
    """Write the report of a batch, finished or not, into its folder; the path of its page.

    Raises InvalidControl when there is no such batch and StorageUnavailable when its folder cannot be written.
    """
    from soundmill.report.batch import write_report
    from soundmill.report.record import read_record

    made_at = time.time()
    with Reader.open(home.catalog) as reader:
        name = str(reader.batch(batch)["batch"])
        rows = {one: reader.everything_of(one) for one in (*reader.goes_on_with(name), name)}
    if not home.outputs.is_dir():  # not made here: where its disk is not mounted, files would vanish under the mount
        raise StorageUnavailable(f"{home.outputs}: the folder is gone: mount its disk or make it again")
    *earlier, record = (read_record(of_batch, home.outputs / one) for one, of_batch in rows.items())
    folder = home.outputs / name
    try:
        return write_report(
            record, folder, earlier=earlier, made_at=made_at, processes=_processors(), progress=progress
        )
    except OSError as error:
        where = error.filename or folder
        raise StorageUnavailable(
            f"{where}: {error.strerror or error}: mend that, then: soundmill report {name}"
        ) from error


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def progress_bar(batch: str) -> Iterator[Callable[[Progress], None]]:
    """Shows how far a report is, on a terminal; elsewhere nothing."""
    if not show.is_terminal():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[doing]}"),
        transient=True,
    ) as bar:
        task = bar.add_task(f"report of {batch}", total=None, doing="reading")
        yield lambda now: bar.update(task, completed=now.done, total=now.due, doing=now.doing)


# -- the daemon's side -------------------------------------------------------------------------


class Ledger(Protocol):
    """What the reporter needs of the catalogue."""

    def unreported(self) -> list[Batch]: ...
    def mark_reported(self, batch_id: int, *, read_at: float) -> None: ...
    def event(self, kind: str, message: str, *, batch_id: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A report in the making. `said` holds what its process writes to standard error."""

    batch: Batch
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    started_at: float
    due: float

    def kill(self) -> None:
        """End the process with those it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        self.said.seek(0)
        lines = self.said.read()[-SAID_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def report_command(home: Home) -> Callable[[str], list[str]]:
    return lambda batch: [sys.executable, "-m", "soundmill", "--home", str(home.root), "report", "--", batch]


class Reporter:
    """Has the report of every finished batch made, one at a time. `tick` never waits.

    `command(batch)` is the process to start. One that fails or overruns its deadline is tried again, TRIES times in
    all; then that is on record and the batch is left alone until the daemon starts anew.
    """

    def __init__(self, ledger: Ledger, command: Callable[[str], Sequence[str]], clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._command = command
        self._clock = clock
        self._running: Running | None = None
        self._tries: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self.made: list[str] = []  # names of batches, in the order of their reports

    @property
    def busy_with(self) -> str | None:
        """The batch whose report is in the making."""
        return self._running.batch.name if self._running is not None else None

    @property
    def idle(self) -> bool:
        """True when no report is being made or owed, but for those given up."""
        return self._running is None and not self._owed()

    @property
    def given_up(self) -> tuple[str, ...]:
        """Batches whose report could not be made."""
        return tuple(batch.name for batch in self._ledger.unreported() if self._tries.get(batch.id, 0) >= TRIES)

    def tick(self) -> None:
        now = self._clock()
        if self._running is not None:
            self._look_after(self._running, now)
        if self._running is None:
            ready = (batch for batch in self._owed() if self._not_before.get(batch.id, 0.0) <= now)
            if (batch := next(ready, None)) is not None:
                self._running = self._start(batch, now)

    def stop(self) -> None:
        """End the report in the making; the next start of the daemon makes it anew."""
        if self._running is not None:
            self._running.kill()
            self._running.said.close()
            self._running = None

    def _owed(self) -> list[Batch]:
        busy = self._running.batch.id if self._running is not None else None
        return [b for b in self._ledger.unreported() if b.id != busy and self._tries.get(b.id, 0) < TRIES]

    def _start(self, batch: Batch, now: float) -> Running:
        self._tries[batch.id] = self._tries.get(batch.id, 0) + 1
        said = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the process runs
        process = subprocess.Popen(
            self._command(batch.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # so that it can be ended with its children, and no Ctrl-C reaches it
        )
        with contextlib.suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
        due = now + DEADLINE_S + DEADLINE_PER_JOB_S * batch.job_count
        return Running(batch=batch, process=process, said=said, started_at=now, due=due)

    def _look_after(self, running: Running, now: float) -> None:
        status = running.process.poll()
        if status is None and now <= running.due:
            return
        if status is None:
            running.kill()
            trouble = f"took longer than {running.due - running.started_at:.0f} s"
        else:
            trouble = running.last_words()
        running.said.close()
        self._running = None
        batch = running.batch
        if status == 0:
            del self._tries[batch.id]
            self.made.append(batch.name)
            self._ledger.mark_reported(batch.id, read_at=running.started_at)
            self._record("report made", f"{batch.name}: outputs/{batch.name}/report.html", batch)
            return
        tries = self._tries[batch.id]
        self._not_before[batch.id] = now + RETRY_WAIT_S * tries
        if tries >= TRIES:
            mend = f"; given up after {tries} tries: soundmill report {batch.name} makes it by hand"
        else:
            mend = ""
        self._record("report failed", f"{batch.name}: {trouble}{mend}", batch)

    def _record(self, kind: str, message: str, batch: Batch) -> None:
        log.log(logging.WARNING if kind == "report failed" else logging.INFO, "%s: %s", kind, message)
        self._ledger.event(kind, message, batch_id=batch.id)
