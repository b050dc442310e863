"""Inbox: the folder. What has arrived and settled, whose it is, and where it goes.

A file is ours once it is renamed to .claimed/<ulid>__<name>; a rename happens or doesn't, so no crash
leaves half of it. The scan is the truth: events lose files (4,678 of 20,000 dropped at once), a scan none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundmill.disk import NO_LINKS, PART, NotPlain, TooLarge, part_file, read_plain, write_whole
from soundmill.errors import InvalidJobFile, Problem, UsageError
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES

# File systems allow 255 bytes; the claim's ulid, a number and `.errors.txt` come on top.
LONGEST_FILE_NAME = 180
_IGNORED_ENDINGS = (PART, ".tmp", "~")
_CLAIM = re.compile(r"([0-9A-Za-z]{26})__(.+)", re.DOTALL)
_AGAIN = ".again"
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


class Spool:
    """One inbox folder. `clock` gives seconds, from whatever start; `settle_s` is how long a file must rest."""

    def __init__(self, inbox: Path, clock: Callable[[], float], new_ulid: Callable[[], str], settle_s: float) -> None:
        self.inbox = inbox
        self.clock = clock
        self._new_ulid = new_ulid
        self._settle_s = settle_s
        self._seen: dict[str, tuple[int, int, float]] = {}  # name: size, mtime_ns, since when
        self.unsettled = 0  # job files that the last look found still changing
        self._numbers: dict[tuple[Path, str], int] = {}  # last number a name got, so that no one counts from 1 again
        self._make_folders()

    def settled(self) -> list[Path]:
        """Job files that have not changed for `settle_s`, oldest first."""
        now = self.clock()
        seen: dict[str, tuple[int, int, float]] = {}
        ready: list[tuple[int, str]] = []
        try:
            entries = os.scandir(self.inbox)
        except FileNotFoundError:
            self._make_folders()
            return []
        with entries:
            for entry in entries:
                if not is_candidate(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                before = self._seen.get(entry.name)
                size, changed = status.st_size, status.st_mtime_ns
                since = before[2] if before and before[:2] == (size, changed) else now
                seen[entry.name] = size, changed, since
                if now - since >= self._settle_s:
                    ready.append((changed, entry.name))
        self._seen = seen
        self.unsettled = len(seen) - len(ready)
        return [self.inbox / name for _, name in sorted(ready)]

    def claim(self, path: Path) -> Claimed | None:
        """Take the file; None if it has gone meanwhile. Raises OSError."""
        ulid = self._new_ulid()
        file_name = tidy(path.name)
        target = self._folder(".claimed") / f"{ulid}__{file_name}"
        try:
            path.rename(target)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
            self._make_folders()
            path.rename(target)
        self._seen.pop(path.name, None)
        return Claimed(path=target, ulid=ulid, file_name=file_name)

    def pending(self) -> list[Claimed]:
        """What was claimed and not finished, oldest first."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder(".claimed")) as entries:
            matches = [(Path(entry.path), match) for entry in entries if (match := _CLAIM.fullmatch(entry.name))]
            found = [Claimed(path=path, ulid=match[1], file_name=match[2]) for path, match in matches]
            return sorted(found, key=lambda claimed: claimed.ulid)
        return []

    def read(self, claimed: Claimed, max_bytes: int) -> bytes:
        """The file's bytes. Raises InvalidJobFile if it isn't a plain file of acceptable size; OSError."""
        status = claimed.path.lstat()
        if not stat.S_ISREG(status.st_mode):
            reason = next((text for test, text in _KINDS if test(status.st_mode)), "is a device, not a file")
            raise InvalidJobFile([Problem(message=reason, value=claimed.file_name)])
        try:
            return read_plain(claimed.path, max_bytes)
        except NotPlain:
            message = "is not a plain file"  # it was exchanged after the look above
        except TooLarge:
            message = f"the file is larger than {max_bytes / 2**20:g} MB; share its rows among several files"
        except PermissionError:
            message = "Soundmill may not read this file; change its permissions"
        raise InvalidJobFile([Problem(message=message)])

    def accept(self, claimed: Claimed) -> Path:
        """Move to accepted/. Raises OSError."""
        target = self._free(self._folder("accepted"), claimed)
        claimed.path.rename(target)
        return target

    def reject(self, claimed: Claimed, problems: Sequence[Problem]) -> Path:
        """Move to rejected/ beside `<name>.errors.txt`. Raises OSError."""
        target = self.rejected_path(claimed)
        # The explanation first: a file in rejected/ always has one.
        write_whole(_errors_of(target), explanation(claimed, problems).encode("utf-8", "replace"))
        claimed.path.rename(target)
        return target

    def rejected_path(self, claimed: Claimed) -> Path:
        """Where `reject` would move it."""
        return self._free(self._folder("rejected"), claimed)

    def _free(self, folder: Path, claimed: Claimed) -> Path:
        """A path in `folder` that nothing has; a half-finished reject of the same claim is not in the way."""
        folder.mkdir(parents=True, exist_ok=True)
        key = folder, claimed.file_name.lower()
        number = self._numbers.get(key, 1)
        while True:
            target = folder / numbered(claimed.file_name, number)
            if not os.path.lexists(target) and _is_free_or_of(_errors_of(target), claimed.ulid):
                self._numbers[key] = number
                return target
            number += 1

    def _folder(self, name: str) -> Path:
        return self.inbox / name

    def _make_folders(self) -> None:
        for name in (".claimed", "accepted", "rejected"):
            self._folder(name).mkdir(parents=True, exist_ok=True)


def submit(file: Path, inbox: Path, again: bool) -> Path:
    """Copy a job file into the inbox so that it appears there whole. Raises UsageError, OSError.

    With `again`, under a name ending `.again`, which says that the same content is wanted once more.
    """
    if file.suffix.lower() not in JOB_SUFFIXES:
        raise UsageError(f"{file}: not a job file; its name must end in {', '.join(JOB_SUFFIXES)}")
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    name = tidy(file.name)
    if name.startswith("."):
        raise UsageError(f"{file}: the inbox ignores names that start with a dot; rename it")
    if again and not asks_again(name):
        name = f"{Path(name).stem}{_AGAIN}{Path(name).suffix}"
    inbox.mkdir(parents=True, exist_ok=True)
    number = 1
    with file.open("rb") as source, part_file(inbox / name, by=f"-{os.getpid()}") as (part, copy):
        shutil.copyfileobj(source, copy)
    try:
        while True:
            target = inbox / numbered(name, number)
            try:
                _move_without_overwriting(part, target)
                return target
            except FileExistsError:
                number += 1
    finally:
        part.unlink(missing_ok=True)


def is_candidate(name: str) -> bool:
    """Whether a name in the inbox is a job file's. Editors and downloads write under the other ones first."""
    return (
        not name.startswith(".")
        and name.lower().endswith(JOB_SUFFIXES)
        and not name.lower().endswith(_IGNORED_ENDINGS)
        and not name.startswith("~$")  # spreadsheets' lock files
    )


def asks_again(file_name: str) -> bool:
    """Whether the name says that the same content is wanted once more: `themes.again.csv`."""
    return Path(file_name).stem.lower().endswith(_AGAIN)


def tidy(name: str) -> str:
    """The name as it can be printed and stored, short enough to be numbered; the suffix stays."""
    name = os.fsencode(name).decode("utf-8", "replace")
    name = "".join(c if c.isprintable() else "_" for c in name)
    if len(name.encode()) <= LONGEST_FILE_NAME:
        return name
    tail = Path(name).suffix
    if asks_again(name):
        tail = _AGAIN + tail
    head = name[: -len(tail)].encode()[: LONGEST_FILE_NAME - len(tail.encode())]
    return head.decode("utf-8", "ignore") + tail


def numbered(name: str, number: int) -> str:
    """`themes.csv`, `themes-2.csv`, `themes-3.csv`; `.again` stays next to the suffix."""
    if number == 1:
        return name
    suffix = Path(name).suffix
    stem = name[: len(name) - len(suffix)]
    if asks_again(name):
        stem, suffix = stem[: -len(_AGAIN)], stem[-len(_AGAIN) :] + suffix
    return f"{stem}-{number}{suffix}"


def explanation(claimed: Claimed, problems: Sequence[Problem]) -> str:
    """What stands in `<name>.errors.txt`."""
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{claimed.file_name} was rejected: {count}. Nothing of it was queued.", ""]
    lines += [f"  {problem}" for problem in problems]
    lines += ["", "Mend the file and put it into the inbox again.", f"claim {claimed.ulid}", ""]
    return "\n".join(lines)


def _errors_of(target: Path) -> Path:
    return target.with_name(target.name + ".errors.txt")


def _is_free_or_of(errors: Path, ulid: str) -> bool:
    try:
        return errors.read_text(encoding="utf-8", errors="replace").rstrip().endswith(f"claim {ulid}")
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _move_without_overwriting(source: Path, target: Path) -> None:
    """Raises FileExistsError. A link is made or not; file systems without links get the small race of a rename."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)
