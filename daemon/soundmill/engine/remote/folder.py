"""The engine room, far away: where the gateway's own node keeps Ray's sockets and logs. A gateway that is killed leaves
its folder; the next one removes it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "smg"  # short: Ray puts sockets below it, and the path of one may have 107 characters
LOCK = "gateway.lock"  # held as long as the gateway lives, however it ends


@contextmanager
def folder_of_its_own(below: Path | None = None) -> Iterator[Path]:
    """An empty folder in `below` (None: where temporary files go), which is gone with the block; those of gateways that
    have ended go first. Raises OSError."""
    place = Path(tempfile.gettempdir()) if below is None else below
    for left in sorted(place.glob(f"{PREFIX}*")):
        with suppress(OSError):  # somebody else's, or about to go
            _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    with (folder / f"{LOCK}.new").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / f"{LOCK}.new").rename(folder / LOCK)  # whoever sees it finds it taken
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return
    handle = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != LOCK:
                entry.unlink()
        if [entry.name for entry in folder.iterdir()] == [LOCK]:  # else its node still ends: the next one tries again
            shutil.rmtree(folder)
    finally:
        os.close(handle)
