"""Inbox: what has arrived in the folder: which job files are whole, which are waited for, what else lies there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soundmill.faults import passing
from soundmill.inbox import bystanders
from soundmill.inbox.filing import Filed
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES
from soundmill.inbox.names import asks_again, is_candidate, rest_of, tidy
from soundmill.inbox.notices import Notice
from soundmill.inbox.whole import Look, Witness, Writers, look_at, wait_s
from soundmill.words import listed, span

WHOLE = "user.soundmill.whole"  # an extended attribute: the size and time at which `submit` knew the file to be whole
_OUR_FOLDERS = {"accepted", "rejected"}
QUIET_S = 5.0  # what is no job file rests so long before it is spoken of: programs make files for a moment
UNFINISHED_S = 3600.0  # and so long under a name that programs give to what they have not finished
MOST_RIPE = 2000  # are found at one look: the opening of each file costs more than the listing of all
GIVEN_UP = 10  # times patience_s: `run --once` waits no longer for a file that never rests

State = tuple[int, int, int, int]


@dataclass(slots=True)
class _Seen:
    """What is known of one name. Times are the clock's."""

    state: State
    since: float  # when it last changed
    first: float
    longest_pause_s: float = 0.0
    look: tuple[Look, str] | None = None  # of this state
    explained: bool = False  # whether its pause is: it was seen to be open, or a part that nobody had open


@dataclass(frozen=True, slots=True, kw_only=True)
class Ripe:
    """What a job file that has rested was when it was seen, and whether somebody may be writing still."""

    state: State
    writers: Writers


class Arrivals:
    """One inbox folder's newcomers. `clock` gives seconds that no change of the date moves; `settle_s` and
    `patience_s` are those of whole.py; `command` is how soundmill is called for this home."""

    def __init__(
        self, inbox: Path, clock: Callable[[], float], *, settle_s: float, patience_s: float, command: str
    ) -> None:
        self._inbox = inbox
        self._accepted = Filed(inbox / "accepted")
        self._clock = clock
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._command = command
        self._seen: dict[str, _Seen] = {}
        self._ripe: dict[str, Ripe] = {}
        self.waiting = 0  # job files that the last look left for later, other than those that never rest
        self.notices: list[Notice] = []

    def use(self, *, settle_s: float, patience_s: float) -> None:
        self._settle_s, self._patience_s = settle_s, patience_s

    def look(self) -> list[Path]:
        """Job files that are whole, or were waited for long enough, oldest first. Raises OSError."""
        now = self._clock()
        self.notices, self.waiting = [], 0
        with os.scandir(self._inbox) as found:
            entries = {entry.name: entry for entry in found}
        witness = Witness()
        before, self._seen = self._seen, {}
        names = {bystanders.same_name(name) for name in entries}
        self._ripe = {}
        job_files: list[tuple[int, str, os.stat_result]] = []
        for name, entry in entries.items():
            if name.startswith(".") or name in _OUR_FOLDERS:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            seen = self._seen[name] = _seen(before.get(name), status, now)
            if is_candidate(name):
                job_files.append((status.st_mtime_ns, name, status))
            else:
                self._mention(entry, now - seen.since)
        for _, name, status in sorted(job_files, key=lambda each: each[:2]):
            if len(self._ripe) >= MOST_RIPE:
                break
            if (taken := self._judge(name, status, self._seen[name], witness, names, now)) is not None:
                self._ripe[name] = taken
        return [self._inbox / name for name in self._ripe]

    def taken(self, name: str) -> Ripe | None:
        """What the file was at the last look; the name is no longer its own."""
        self._seen.pop(name, None)
        return self._ripe.pop(name, None)

    def still_there(self, path: Path) -> None:
        """It is back, as new."""
        self._seen.pop(path.name, None)
        self.waiting += 1

    def _judge(
        self,
        name: str,
        status: os.stat_result,
        seen: _Seen,
        witness: Witness,
        names: set[str],
        now: float,
    ) -> Ripe | None:
        path = self._inbox / name
        rested = now - seen.since
        marked = rested >= self._settle_s and _is_marked(path, status)
        if stat.S_ISREG(status.st_mode) and not marked and (original := self._original(name, names)) is not None:
            if rested >= self._settle_s:
                message = bystanders.question(path.absolute(), original, self._command)
                self.notices.append(Notice(kind="held", file_name=name, message=message))
            return None
        writers, need = Writers.NOBODY, self._settle_s
        if rested >= self._settle_s and not marked:
            if seen.look is None:
                seen.look = look_at(path)
            writers = witness.writers_of(path, status)
            seen.explained = writers is Writers.SOMEBODY or (seen.look[0] is Look.PART and writers is Writers.NOBODY)
            need = wait_s(
                seen.look[0],
                writers,
                longest_pause_s=seen.longest_pause_s,
                settle_s=self._settle_s,
                patience_s=self._patience_s,
            )
        if rested >= need:
            return Ripe(state=state_of(status), writers=writers)
        if now - seen.first < GIVEN_UP * max(self._patience_s, self._settle_s):
            self.waiting += 1
        else:
            message = "has been written to for a long time and is still being changed; it is taken once it rests"
            self.notices.append(Notice(kind="not here yet", file_name=name, message=message))
            return None
        if need > self._settle_s:
            message = _why(seen.look, writers, need)
            self.notices.append(Notice(kind="not here yet", file_name=name, message=message))
        return None

    def _original(self, name: str, names: set[str]) -> str | None:
        if asks_again(name) or rest_of(name) is not None:
            return None
        return bystanders.original_of(
            name,
            lambda other: bystanders.same_name(other) in names or self._accepted.holds(tidy(other)),
        )

    def _mention(self, entry: os.DirEntry[str], rested: float) -> None:
        unfinished = bystanders.is_unfinished(entry.name)
        if bystanders.is_expected(entry.name) or rested < (UNFINISHED_S if unfinished else QUIET_S):
            return
        path = self._inbox.absolute() / entry.name
        if entry.is_dir(follow_symlinks=False):
            message = bystanders.about_folder(path, JOB_SUFFIXES)
        else:
            message = bystanders.about_file(path, JOB_SUFFIXES)
        if message is not None:
            self.notices.append(Notice(kind="not a job file", file_name=tidy(entry.name), message=message))


def state_of(status: os.stat_result) -> State:
    """What changes when a file does: size, times of content and of anything, inode."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def mark_as_whole(path: Path) -> None:
    """Say of a file that it is whole as it is now. Where the file system keeps no such word it waits for its signs."""
    status = path.stat()
    with contextlib.suppress(OSError, AttributeError):
        passing("submit.mark")
        os.setxattr(path, WHOLE, f"{status.st_size} {status.st_mtime_ns}".encode())


def _is_marked(path: Path, status: os.stat_result) -> bool:
    with contextlib.suppress(OSError, AttributeError):
        return os.getxattr(path, WHOLE, follow_symlinks=False) == f"{status.st_size} {status.st_mtime_ns}".encode()
    return False


def _seen(before: _Seen | None, status: os.stat_result, now: float) -> _Seen:
    state = state_of(status)
    if before is None or before.state[3] != state[3]:  # another file in its place
        return _Seen(state, since=now, first=now)
    if before.state == state:
        return before
    pause = before.longest_pause_s if before.explained else max(before.longest_pause_s, now - before.since)
    return _Seen(state, since=now, first=before.first, longest_pause_s=pause)


def _why(look: tuple[Look, str] | None, writers: Writers, need: float) -> str:
    reasons = []
    if look is not None and look[1]:
        reasons.append(f"it is {look[1]}" if look[1] in ("empty", "full of zeros") else f"it has {look[1]}")
    if writers is Writers.SOMEBODY:
        reasons.append("a program has it open for writing")
    why = listed(reasons) if reasons else "it paused while it was written"
    return f"is not taken yet: {why}; it is taken as it is once nothing has changed for {span(need)}"
