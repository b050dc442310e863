"""The world that a simulated daemon lives in: one clock, one disk, and a count of steps at which faults strike.

A step is whatever the process asks of the disk or of SQLite. A fault names the step that it strikes at, so that a
history of faults replays exactly.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from simulate.disk import Disk

JUMPS_S = (-7200.0, -3600.0, -60.0, 0.5, 60.0, 3600.0, 86400.0, 20 * 86400.0)
SPELL_S = 120.0  # an error of disk or catalogue lasts no longer, however few steps are tried meanwhile
TRACED = 60  # last steps that a violation is printed with
DISK_ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EROFS", "EMFILE", "ESTALE", "EDQUOT")}
# What meets which error: a full disk can be read, and one that is read-only too.
WRITES = frozenset({"write", "create", "mkdir", "link", "rename"})
CHANGES = WRITES | {"unlink", "fsync", "overwrite"}
OPENS = frozenset({"create", "open", "scandir"})
MEETS = {
    "ENOSPC": WRITES | {"fsync"},
    "EDQUOT": WRITES,
    "EROFS": CHANGES,
    "EIO": CHANGES | OPENS,
    "ESTALE": CHANGES | OPENS,
    "EMFILE": OPENS,
}
SQL_ERRORS = {
    "SQLITE_FULL": "database or disk is full",
    "SQLITE_IOERR": "disk I/O error",
    "SQLITE_BUSY": "database is locked",
    "SQLITE_READONLY": "attempt to write a readonly database",
    "SQLITE_CANTOPEN": "unable to open database file",
}


class Killed(BaseException):
    """The simulated process is dead: nothing that it still does reaches disk or catalogue."""


class Violation(BaseException):
    """A promise is broken; no part of the daemon may outlive it."""


class Mode(Enum):
    """Who asks something of the disk."""

    OUTSIDE = auto()  # the simulator: nothing is kept book of
    OTHERS = auto()  # another process: what it has not fsynced may be lost
    DAEMON = auto()  # the daemon: each step counts, and faults strike


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """`at` is the step it strikes at, `length` the steps it lasts; `pick` decides what is left open."""

    at: int
    kind: str
    length: int = 0
    pick: int = 0


class World:
    """`faults` in any order; those of kinds that are not a step's are others' business. `interrupt(fault)` lets
    another thread of the daemon go on in the middle of a step."""

    def __init__(self, folder: Path, faults: Sequence[Fault], *, steady_s: float = 1000.0) -> None:
        self.home = folder / "home"
        self.root = f"{self.home}/"
        self.disk = Disk(folder / "graveyard")
        self.steady_s = steady_s
        self.ahead_s = 1_750_000_000.0  # of the steady clock, the date
        self.database: str | None = None  # the catalogue's, where it is no file
        self.mode = Mode.OUTSIDE
        self.dead = False
        self.durable = True  # whether what is committed is on the disk
        self.power_cut: Fault | None = None  # how the process died
        self.steps = 0
        self.struck: Counter[str] = Counter()
        self.trace: deque[tuple[int, str, str]] = deque(maxlen=TRACED)
        self.handles: dict[int, str] = {}  # paths of what is open, by descriptor
        self.open_inodes: set[int] = set()  # files that another program has open for writing
        self.interrupt: Callable[[Fault], None] = lambda fault: None
        self.rewritten: dict[str, str] = {}  # fragments of SQL that a deliberate breakage replaces
        self.on_commit: Callable[[], None] = lambda: None
        self.on_rollback: Callable[[], None] = lambda: None
        self._faults = sorted(faults, reverse=True)
        self._next = self._faults[-1].at if self._faults else 1 << 60
        self._spells: list[tuple[int, float, Fault]] = []  # until which step and time

    # -- time --------------------------------------------------------------------------------

    def steady(self) -> float:
        return self.steady_s

    def clock(self) -> float:
        return self.steady_s + self.ahead_s

    def pass_time(self, seconds: float) -> None:
        self.steady_s += seconds
        self.disk.advance(self.steady_s)

    # -- who acts ----------------------------------------------------------------------------

    @contextmanager
    def acting(self, mode: Mode) -> Iterator[None]:
        before, self.mode = self.mode, mode
        try:
            yield
        finally:
            self.mode = before

    def is_mine(self, path: str) -> bool:
        return self.mode is not Mode.OUTSIDE and path.startswith(self.root)

    def is_open_for_writing(self, handle: int) -> bool:
        return bool(self.open_inodes) and os.fstat(handle).st_ino in self.open_inodes

    # -- steps -------------------------------------------------------------------------------

    def step(self, what: str, path: str) -> None:
        """Before the disk is asked. Raises Killed, or OSError where a fault says so."""
        if self.mode is not Mode.DAEMON:
            return
        if self.dead:
            raise Killed
        self.steps += 1
        self.trace.append((self.steps, what, path))
        if self.steps >= self._next:
            self._strike()
        if self._spells:
            self._suffer_disk(what, path)

    def sql(self, statement: str) -> None:
        """Before SQLite is asked. Raises Killed, or sqlite3.OperationalError."""
        if self.mode is not Mode.DAEMON:
            return
        if self.dead:
            raise Killed
        self.steps += 1
        self.trace.append((self.steps, "sql", statement))
        if self.steps >= self._next:
            self._strike()
        if self._spells:
            self._suffer_sql(statement)

    @property
    def suffers(self) -> bool:
        """Whether disk or catalogue may fail at the next step."""
        return bool(self._suffering())

    def revive(self) -> None:
        self.dead, self.power_cut = False, None
        self.handles.clear()

    def calm(self) -> None:
        """No more faults."""
        self._faults.clear()
        self._spells.clear()
        self._next = 1 << 60

    def add_faults(self, faults: Sequence[Fault]) -> None:
        self._faults = sorted([*self._faults, *faults], reverse=True)
        self._next = self._faults[-1].at if self._faults else 1 << 60

    def _strike(self) -> None:
        while self._faults and self._faults[-1].at <= self.steps:
            fault = self._faults.pop()
            self._next = self._faults[-1].at if self._faults else 1 << 60
            self.struck[fault.kind] += 1
            self.trace.append((self.steps, "FAULT", f"{fault.kind} for {fault.length}" if fault.length else fault.kind))
            if fault.kind in ("kill", "power cut"):
                self.dead = True
                self.power_cut = fault if fault.kind == "power cut" else None
                raise Killed
            if fault.kind == "clock":
                self.ahead_s += random.Random(fault.pick).choice(JUMPS_S)
            elif fault.kind in ("interrupt", "cancel meanwhile"):
                self.interrupt(fault)
            else:
                self._spells.append((self.steps + max(1, fault.length), self.steady_s + SPELL_S, fault))

    def _suffering(self) -> list[Fault]:
        self._spells = [each for each in self._spells if self.steps < each[0] and self.steady_s < each[1]]
        return [fault for _, _, fault in self._spells]

    def _suffer_disk(self, what: str, path: str) -> None:
        for fault in self._suffering():
            if fault.kind in DISK_ERRORS and what in MEETS[fault.kind]:
                self.struck[f"{fault.kind} on {what}"] += 1
                raise OSError(DISK_ERRORS[fault.kind], os.strerror(DISK_ERRORS[fault.kind]), path)

    def _suffer_sql(self, statement: str) -> None:
        if statement == "ROLLBACK" or statement.startswith("PRAGMA synchronous"):  # which ask nothing of the disk
            return
        for fault in self._suffering():
            if fault.kind not in SQL_ERRORS:
                continue
            reads = statement.startswith(("SELECT", "WITH", "PRAGMA"))
            if fault.kind == "SQLITE_BUSY" and not statement.startswith("BEGIN"):
                continue
            if reads and fault.kind not in ("SQLITE_IOERR", "SQLITE_CANTOPEN"):
                continue
            if fault.kind == "SQLITE_READONLY" and statement.startswith("BEGIN"):
                continue
            error = sqlite3.OperationalError(SQL_ERRORS[fault.kind])
            error.sqlite_errorcode = getattr(sqlite3, fault.kind)
            error.sqlite_errorname = fault.kind
            self.struck[f"{fault.kind} in SQL"] += 1
            raise error
