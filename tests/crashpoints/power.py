"""A disk that loses what was not synced when its power goes: names by the log of what was done to them, content torn.

What a process did is noted in it (`Disk.install`), handed over when it dies (`Disk.state`), and taken back from outside
(`cut`). The catalogue is left out: SQLite is trusted with its own files, at synchronous = FULL. So are reports, which
another process writes.
"""

from __future__ import annotations

import contextlib
import os
import random
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soundmill.home import Home


@dataclass
class Disk:
    """What this process does to names below `root`. `shadow` is a folder of the same file system, outside of it."""

    root: Path
    shadow: Path
    syncs: bool = True  # False: a disk that says it has synced and has not
    log: list[list[Any]] = field(default_factory=list)
    synced: set[int] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def install(self) -> None:
        """From now on every rename, link, unlink, mkdir and fsync of this process goes through here."""
        self.shadow.mkdir(exist_ok=True)
        for name in ("rename", "replace", "link"):
            setattr(os, name, self._two(name, getattr(os, name)))
        for name in ("unlink", "remove", "mkdir"):
            setattr(os, name, self._one(name, getattr(os, name)))
        os.fsync = self._fsync(os.fsync)  # type: ignore[assignment]

    def state(self) -> dict[str, Any]:
        """What `cut` needs. From here on this process does nothing more to the disk: the lock is kept."""
        self.lock.acquire()
        return {"log": self.log, "synced": sorted(self.synced)}

    def _two(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(source: Any, target: Any, **options: Any) -> None:
            with self.lock:
                covered = self._keep(target) if name != "link" else None
                real(source, target, **options)
                self.log.append([name, os.fspath(source), os.fspath(target), covered])

        return call

    def _one(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *arguments: Any, **options: Any) -> None:
            with self.lock:
                kept = self._keep(path) if name != "mkdir" else None
                real(path, *arguments, **options)
                self.log.append([name, os.fspath(path), None, kept])

        return call

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(handle: int) -> None:
            with self.lock:
                real(handle)
                if not self.syncs:
                    return
                status = os.fstat(handle)
                if stat.S_ISDIR(status.st_mode):
                    self.log.append(["sync", str(Path(f"/proc/self/fd/{handle}").readlink()), None, None])
                else:
                    self.synced.add(status.st_ino)

        return call

    def _keep(self, path: Any) -> str | None:
        """Another name of what stands at `path`, out of the way, that it can be given back."""
        name = self.shadow / f"{os.getpid()}-{len(self.log)}"
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.lstat(path).st_mode):
                # The real call: this module's own names are no business of the disk's.
                _LINK(path, name)
                return str(name)
        return None


_LINK = os.link


def cut(root: Path, state: dict[str, Any], begun_ns: int, chance: random.Random) -> None:
    """Take back what a power cut takes: of the names not synced all, or all from some moment on; and tear files that
    were written after `begun_ns` and not synced."""
    log = state["log"]
    kept_until = 0 if chance.random() < 0.5 else chance.randrange(len(log) + 1)
    synced_later = set[str]()
    lost = []
    for number in range(len(log) - 1, -1, -1):
        kind, path, target, kept = log[number]
        if kind == "sync":
            synced_later.add(path)
            continue
        folders = {os.path.dirname(each) for each in (path, target) if each}  # noqa: PTH120
        if not folders & synced_later and number >= kept_until:
            lost.append((kind, path, target, kept))
    for kind, path, target, kept in lost:  # the latest first
        with contextlib.suppress(OSError):
            if kind in ("rename", "replace"):
                os.rename(target, path)  # noqa: PTH104
                if kept:
                    os.link(kept, target)
            elif kind == "link":
                os.unlink(target)  # noqa: PTH108
            elif kind == "mkdir":
                os.rmdir(path)  # noqa: PTH106
            elif kept:
                os.link(kept, path)
    synced = set(state["synced"])
    for path in {Path(target) for _, _, target, _ in log if target} | {Home(root).marker}:
        with contextlib.suppress(OSError):
            status = path.lstat()
            written = stat.S_ISREG(status.st_mode) and status.st_mtime_ns >= begun_ns
            if written and status.st_ino not in synced:
                os.truncate(path, chance.randrange(status.st_size) if status.st_size else 0)
