"""Inbox: the folder. What has arrived and settled, whose it is, and where it goes.

A file is ours once it is renamed to .claimed/<ulid>__<name>; a rename happens or doesn't, so no crash
leaves half of it. The scan is the truth: events lose files (4,678 of 20,000 dropped at once), a scan none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soundmill.disk import (
    NO_LINKS,
    PART,
    NotPlain,
    TooLarge,
    part_file,
    read_plain,
    sync_file,
    sync_folder,
    write_whole,
)
from soundmill.errors import InvalidJobFile, Problem, UsageError
from soundmill.faults import passing
from soundmill.inbox.arrivals import Arrivals, Ripe, State, mark_as_whole, state_of
from soundmill.inbox.filing import Filed, month_of
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES
from soundmill.inbox.names import AGAIN, REST, asks_again, numbered, rest_of, tidy
from soundmill.inbox.notices import Notice
from soundmill.inbox.whole import Writers, ask_for_lease

_CLAIM = re.compile(r"([0-9A-Za-z]{26})__(.+)", re.DOTALL)
GIVEN_BACK_AS = 100  # names with a number that a file is looked for under after it was given back
_KINDS = (
    (stat.S_ISLNK, "is a link, and links are not followed; put the file itself into the inbox"),
    (stat.S_ISDIR, "is a folder; put the job files themselves into the inbox"),
    (stat.S_ISFIFO, "is a pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISREG, ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A job file that is ours. `file_name` is the name it was dropped under, made printable."""

    path: Path
    ulid: str
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A claimed file's bytes, and what the file was when they were read."""

    data: bytes
    sha256: str
    state: State


class Spool:
    """One inbox folder. `clock` gives seconds that no change of the date moves; for `settle_s` and `patience_s` see
    whole.py; `command` is how soundmill is called for this home."""

    def __init__(
        self,
        inbox: Path,
        clock: Callable[[], float],
        new_ulid: Callable[[], str],
        *,
        settle_s: float,
        patience_s: float,
        command: str,
    ) -> None:
        self.inbox = inbox
        self.clock = clock
        self.command = command
        self._new_ulid = new_ulid
        self._arrivals = Arrivals(inbox, clock, settle_s=settle_s, patience_s=patience_s, command=command)
        self._filed = {name: Filed(inbox / name) for name in ("accepted", "rejected")}
        self._numbers: dict[tuple[str, str], int] = {}  # last number a name got, so that no one counts from 1 again
        with contextlib.suppress(OSError):  # the first look says what is wrong
            self._make_folders()
            self._sweep()

    def use(self, *, settle_s: float, patience_s: float) -> None:
        """Wait by other numbers from the next look on."""
        self._arrivals.use(settle_s=settle_s, patience_s=patience_s)

    @property
    def unsettled(self) -> int:
        """How many job files the last look left for later."""
        return self._arrivals.waiting

    @property
    def notices(self) -> list[Notice]:
        """What lies in the inbox and was not taken at the last look."""
        return self._arrivals.notices

    def settled(self) -> list[Path]:
        """Job files that are whole, or were waited for long enough, oldest first."""
        try:
            return self._arrivals.look()
        except FileNotFoundError:
            self._make_folders()
            return []

    def claim(self, path: Path) -> Claimed | None:
        """Take the file; None if it has gone or was written to meanwhile. Raises OSError."""
        ulid = self._new_ulid()
        file_name = tidy(path.name)
        target = self._folder(".claimed") / f"{ulid}__{file_name}"
        passing("spool.claim")
        # Whoever wrote it may not have: what is claimed is read again after a power cut, and must be whole then.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if stat.S_ISREG(path.lstat().st_mode):
                sync_file(path)
        try:
            path.rename(target)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
            self._make_folders()
            passing("spool.claim.again")
            path.rename(target)
        passing("spool.claim.sync")
        # Or a power cut would give the inbox a file back whose batch is in the catalogue: it would be ingested twice.
        sync_folder(target.parent)
        passing("spool.claim.done")
        claimed = Claimed(path=target, ulid=ulid, file_name=file_name)
        seen = self._arrivals.taken(path.name)
        status = target.lstat()
        if seen is not None and not _is_as_seen(target, status, seen):
            self.give_back(claimed)
            return None
        self.is_back(claimed)  # removes what it was claimed as before
        return claimed

    def keep(self, claimed: Claimed) -> None:
        """See that a power cut does not take the claim back: under another ulid the file would be taken in once more.
        Raises OSError."""
        passing("spool.keep")
        sync_folder(claimed.path.parent)

    def give_back(self, claimed: Claimed) -> Path:
        """Put a file that was not whole after all back where it was. Raises OSError."""
        number = 1
        while True:
            target = self.inbox / numbered(claimed.file_name, number)
            try:
                _move_without_overwriting(claimed.path, target)
            except FileExistsError:
                number += 1
                continue
            self.let_go(claimed)
            self._arrivals.still_there(target)
            return target

    def has(self, name: str) -> bool:
        """Whether something of that name lies in the inbox."""
        return os.path.lexists(self.inbox / name)

    def let_go(self, claimed: Claimed) -> None:
        """Of a file that has its name in the inbox again. Raises OSError."""
        passing("spool.back.clear")
        claimed.path.unlink(missing_ok=True)

    def is_back(self, claimed: Claimed) -> bool:
        """Whether a claimed file has its name in the inbox already, or a later claim: the daemon ended while it was
        giving it back, or the claim could not be removed then. Its earlier claims are. Raises OSError."""
        status = claimed.path.lstat()
        if status.st_nlink == 1:
            return False
        for other in self.pending():
            same = {claimed.file_name, other.file_name}
            if other.ulid != claimed.ulid and other.path.lstat().st_ino == status.st_ino and _given_back(same):
                if other.ulid > claimed.ulid:
                    return True
                self.let_go(other)
        names = (self.inbox / numbered(claimed.file_name, number) for number in range(1, GIVEN_BACK_AS))
        return any(os.path.lexists(path) and path.lstat().st_ino == status.st_ino for path in names)

    def pending(self) -> list[Claimed]:
        """What was claimed and not finished, oldest first."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder(".claimed")) as entries:
            matches = [(Path(entry.path), match) for entry in entries if (match := _CLAIM.fullmatch(entry.name))]
            found = [Claimed(path=path, ulid=match[1], file_name=match[2]) for path, match in matches]
            return sorted(found, key=lambda claimed: claimed.ulid)
        return []

    def read(self, claimed: Claimed, max_bytes: int) -> Content:
        """What is in the file. Raises InvalidJobFile if it isn't a plain file of acceptable size; BlockingIOError if
        it changes meanwhile; OSError."""
        status = claimed.path.lstat()
        if not stat.S_ISREG(status.st_mode):
            reason = next((text for test, text in _KINDS if test(status.st_mode)), "is a device, not a file")
            raise InvalidJobFile([Problem(message=reason, value=claimed.file_name)])
        try:
            data = read_plain(claimed.path, max_bytes)
        except NotPlain:
            message = "is not a plain file"  # it was exchanged after the look above
        except TooLarge:
            message = f"the file is larger than {max_bytes / 2**20:g} MB; share its rows among several files"
        except PermissionError:
            message = "Soundmill may not read this file; change its permissions"
        else:
            return Content(data=data, sha256=hashlib.sha256(data).hexdigest(), state=state_of(status))
        raise InvalidJobFile([Problem(message=message)])

    def is_still(self, claimed: Claimed, content: Content) -> bool:
        """Whether the file is what it was when it was read. Raises OSError."""
        try:
            now = self.read(claimed, len(content.data))
        except (InvalidJobFile, BlockingIOError):
            return False
        return now == content

    def accept(self, claimed: Claimed) -> Path:
        """Move to accepted/, into its month. Raises OSError."""
        target = self.place_for(claimed, "accepted")
        passing("spool.accept")
        claimed.path.rename(target)
        passing("spool.accept.done")
        return target

    def reject(self, claimed: Claimed, problems: Sequence[Problem]) -> Path:
        """Move to rejected/, into its month, beside `<name>.errors.txt`. Raises OSError."""
        target = self.place_for(claimed, "rejected")
        # The explanation first: a file in rejected/ always has one.
        passing("spool.explain")
        write_whole(_errors_of(target), explanation(claimed, problems).encode("utf-8", "replace"))
        sync_folder(target.parent)
        passing("spool.reject")
        claimed.path.rename(target)
        passing("spool.reject.done")
        return target

    def place_for(self, claimed: Claimed, name: Literal["accepted", "rejected"]) -> Path:
        """A path in that folder's month whose name nothing in the folder has; a half-finished reject of the
        same claim is not in the way."""
        filed = self._filed[name]
        folder = filed.folder / month_of(claimed.ulid)
        passing("spool.place")
        folder.mkdir(parents=True, exist_ok=True)
        key = name, claimed.file_name.lower()
        number = self._numbers.get(key, 1)
        while True:
            target = folder / numbered(claimed.file_name, number)
            taken = os.path.lexists(target) or filed.holds(target.name, beside=folder)
            if not taken and _is_free_or_of(_errors_of(target), claimed.ulid):
                self._numbers[key] = number
                return target
            number += 1

    def _folder(self, name: str) -> Path:
        return self.inbox / name

    def _make_folders(self) -> None:
        for name in (".claimed", "accepted", "rejected"):
            passing("spool.folder")
            self._folder(name).mkdir(parents=True, exist_ok=True)

    def _sweep(self) -> None:
        """Lists of problems that a killed daemon left half-written. In the inbox itself other processes write, too."""
        for part in self._folder("rejected").rglob(f"*{PART}"):
            passing("spool.sweep")
            part.unlink(missing_ok=True)


def submit(file: Path, inbox: Path, *, again: bool = False, rest: bool = False) -> Path:
    """Copy a job file into the inbox so that it appears there whole, and is kept through a power cut.

    Raises UsageError, OSError.

    With `again`, under a name ending `.again`, which says that the same content is wanted once more; with `rest`,
    under one ending `.rest`, which says that only the rows are wanted that the batch of the accepted file of its name
    lacks.
    """
    if again and rest:
        raise UsageError("--again makes the whole file once more, --rest only what is missing; choose one")
    if file.suffix.lower() not in JOB_SUFFIXES:
        raise UsageError(f"{file}: not a job file; its name must end in {', '.join(JOB_SUFFIXES)}")
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    name = tidy(file.name)
    if name.startswith("."):
        raise UsageError(f"{file}: the inbox ignores names that start with a dot; rename it")
    if again and not asks_again(name):
        name = f"{Path(name).stem}{AGAIN}{Path(name).suffix}"
    if rest and rest_of(name) is None:
        name = f"{Path(name).stem}{REST}{Path(name).suffix}"
    passing("submit.inbox")
    inbox.mkdir(parents=True, exist_ok=True)
    if again and file.parent.resolve() == inbox.resolve():
        return _rename_within(file, name)
    number = 1
    with file.open("rb") as source, part_file(inbox / name, by=f"-{os.getpid()}") as (part, copy):
        passing("submit.copy")
        shutil.copyfileobj(source, copy)
    try:
        mark_as_whole(part)
        while True:
            target = inbox / numbered(name, number)
            try:
                _move_without_overwriting(part, target)
                sync_folder(inbox)
                return target
            except FileExistsError:
                number += 1
    finally:
        passing("submit.clear")
        part.unlink(missing_ok=True)


def _rename_within(file: Path, name: str) -> Path:
    """Under a name that asks for it again, a file is taken that lies in the inbox and was held there."""
    number = 1
    while True:
        target = file.with_name(numbered(name, number))
        try:
            _move_without_overwriting(file, target)
        except FileExistsError:
            number += 1
            continue
        passing("submit.rename.clear")
        file.unlink(missing_ok=True)
        sync_folder(target.parent)
        return target


def explanation(claimed: Claimed, problems: Sequence[Problem]) -> str:
    """What stands in `<name>.errors.txt`."""
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{claimed.file_name} was rejected: {count}. Nothing of it was queued.", ""]
    lines += [f"  {problem}" for problem in problems]
    lines += ["", "Mend the file and put it into the inbox again.", f"claim {claimed.ulid}", ""]
    return "\n".join(lines)


def _is_as_seen(path: Path, status: os.stat_result, seen: Ripe) -> bool:
    """Whether a claimed file is what it was in the inbox; renaming it has changed one of its times."""
    if (status.st_size, status.st_mtime_ns) != (seen.state[0], seen.state[1]):
        return False
    return seen.writers is not Writers.NOBODY or ask_for_lease(path) is not Writers.SOMEBODY


def _given_back(names: set[str]) -> bool:
    """Whether these are one name, or one is the other with the number that it got in the inbox."""
    return any(names <= {name, numbered(name, number)} for name in names for number in range(2, GIVEN_BACK_AS))


def _errors_of(target: Path) -> Path:
    return target.with_name(target.name + ".errors.txt")


def _is_free_or_of(errors: Path, ulid: str) -> bool:
    try:
        return errors.read_text(encoding="utf-8", errors="replace").rstrip().endswith(f"claim {ulid}")
    except FileNotFoundError:
        return True
    except OSError:
        if os.path.lexists(errors):
            return False  # somebody else's
        raise  # the folder's trouble: no other name would do better


def _move_without_overwriting(source: Path, target: Path) -> None:
    """Raises FileExistsError. A link is made or not; file systems without links get the small race of a rename."""
    passing("spool.name")
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        passing("spool.rename")
        source.rename(target)
