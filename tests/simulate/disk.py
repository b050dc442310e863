"""What of a folder a power cut leaves.

The files lie on a real file system in memory. This keeps beside them what a disk would not have yet: content that
nobody has fsynced, and changes of names since their folder was fsynced last. A power cut then tears the one and takes
back some of the other, in any way that the order of their dependence allows: a journal keeps the order of changes,
and POSIX promises not even that. A rename happens or doesn't, and is kept once either of its folders is; what is older
than WRITTEN_BACK_S has reached the disk by itself.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WRITTEN_BACK_S = 30.0
# The functions themselves, however the process's modules are patched.
link, lstat, mkdir, rename, rmdir, unlink = os.link, os.lstat, os.mkdir, os.rename, os.rmdir, os.unlink
lexists = os.path.lexists

Kind = Literal["create", "rename", "link", "unlink", "mkdir"]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of names. `b` is the new name of a rename or link; `kept` is what stood where it was, or was removed,
    under a name of the graveyard."""

    kind: Kind
    a: str
    b: str
    at: float
    kept: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.a, self.b) if self.b else (self.a,)

    @property
    def folders(self) -> set[str]:
        return {name.rpartition("/")[0] for name in self.names}


@dataclass(frozen=True, slots=True)
class Loss:
    """What a power cut took: paths whose content is torn, and changes that never happened, the youngest first."""

    torn: set[str]
    undone: list[Change]

    @property
    def paths(self) -> set[str]:
        return self.torn | {name for change in self.undone for name in change.names}


class Disk:
    """The disk under one folder. `graveyard` is a folder on the same file system, outside of it."""

    def __init__(self, graveyard: Path) -> None:
        self._graveyard = str(graveyard)
        self._numbers = itertools.count()
        self.dirty: dict[str, float] = {}  # content that is not on the disk: since when
        self.changes: list[Change] = []  # of names, that are not on the disk, oldest first
        self.syncs = True  # whether fsync does anything
        self.now = 0.0

    # -- what is done ------------------------------------------------------------------------

    def written(self, path: str, *, new: bool) -> None:
        self.dirty.pop(path, None)  # the oldest stand first
        self.dirty[path] = self.now
        if new:
            self.changes.append(Change("create", path, "", self.now))

    def rename(self, a: str, b: str) -> None:
        kept = self._bury(b) if lexists(b) else None
        rename(a, b)
        self.changes.append(Change("rename", a, b, self.now, kept))
        since = self.dirty.pop(a, None)
        self.dirty.pop(b, None)
        if since is not None:
            self.dirty[b] = since

    def link(self, a: str, b: str) -> None:
        link(a, b, follow_symlinks=False)
        self.changes.append(Change("link", a, b, self.now))
        if a in self.dirty:
            self.dirty[b] = self.dirty[a]

    def unlink(self, path: str) -> None:
        kept = self._bury(path) if lexists(path) else None
        unlink(path)
        self.changes.append(Change("unlink", path, "", self.now, kept))
        self.dirty.pop(path, None)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        mkdir(path, mode)
        self.changes.append(Change("mkdir", path, "", self.now))

    def sync_file(self, path: str) -> None:
        if self.syncs:
            self.dirty.pop(path, None)

    def sync_folder(self, folder: str) -> None:
        """What changed in a folder is on the disk, and with it what that goes back to."""
        if self.syncs and self.changes:
            self._settle(lambda change: folder in change.folders)

    def advance(self, now: float) -> None:
        """Time passes, and the system writes back by itself."""
        self.now = now
        old = now - WRITTEN_BACK_S
        if self.changes and self.changes[0].at < old:
            self._settle(lambda change: change.at < old)
        if self.dirty and next(iter(self.dirty.values())) < old:
            self.dirty = {path: since for path, since in self.dirty.items() if since >= old}

    def unmounted(self, folder: str) -> None:
        """What is below a folder is written back, and nothing of it is kept book of any more."""
        self._settle(lambda change: any(name.startswith(folder) for name in change.names))
        self.dirty = {path: since for path, since in self.dirty.items() if not path.startswith(folder)}

    def _settle(self, is_kept: Callable[[Change], bool]) -> None:
        kept = set[str]()
        left: list[Change] = []
        for change in reversed(self.changes):
            if is_kept(change) or self._is_needed(change, kept):
                kept.update(change.names)
                self._forget(change)
            else:
                left.append(change)
        left.reverse()
        self.changes = left

    @staticmethod
    def _is_needed(change: Change, kept: set[str]) -> bool:
        """Whether later changes that are kept rest on this one."""
        if not kept:
            return False
        if change.kind == "mkdir":
            return any(name == change.a or name.startswith(change.a + "/") for name in kept)
        return not kept.isdisjoint(change.names)

    def _bury(self, path: str) -> str:
        grave = f"{self._graveyard}/{next(self._numbers)}"
        link(path, grave, follow_symlinks=False)
        return grave

    def _forget(self, change: Change) -> None:
        if change.kept is not None:
            unlink(change.kept)

    # -- the power cut -----------------------------------------------------------------------

    def power_cut(self, rng: random.Random) -> Loss:
        """Lose what was not on the disk, or some of it."""
        torn = {path for path in list(self.dirty) if rng.random() < 0.7 and self._tear(path, rng)}
        undone = self._take_back(rng)
        self.dirty.clear()
        for change in self.changes:
            self._forget(change)
        self.changes.clear()
        return Loss(torn, undone)

    def _take_back(self, rng: random.Random) -> list[Change]:
        """From the youngest change to the oldest: all, none, those since a moment, or any that nothing rests on."""
        way = rng.choice(["all", "none", "since", "any", "any"])
        cut = rng.randrange(len(self.changes) + 1)
        ways: dict[str, Callable[[int], bool]] = {
            "all": lambda _: True,
            "none": lambda _: False,
            "since": lambda n: n >= cut,
        }
        lost = ways.get(way, lambda _: rng.random() < 0.5)
        kept, undone = set[str](), list[Change]()
        for number in range(len(self.changes) - 1, -1, -1):
            change = self.changes[number]
            if lost(number) and not self._is_needed(change, kept):
                self._undo(change)
                undone.append(change)
            else:
                kept.update(change.names)
        return undone

    def _undo(self, change: Change) -> None:
        with suppress(FileNotFoundError):  # what stood there has gone with a folder that somebody else removed
            if change.kind == "rename":
                rename(change.b, change.a)
            elif change.kind == "link":
                unlink(change.b)
            elif change.kind == "create":
                unlink(change.a)
            elif change.kind == "mkdir":
                with suppress(OSError):  # something that reached the disk is in it
                    rmdir(change.a)
        if change.kept is not None:
            with suppress(FileExistsError, FileNotFoundError):
                link(change.kept, change.b or change.a, follow_symlinks=False)

    @staticmethod
    def _tear(path: str, rng: random.Random) -> bool:
        try:
            size = lstat(path).st_size
            handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            way = rng.choice(["empty", "short", "zeros"])
            keep = 0 if way == "empty" or size == 0 else rng.randrange(size)
            os.ftruncate(handle, keep)
            if way == "zeros":
                os.ftruncate(handle, size)
        finally:
            os.close(handle)
        return True
