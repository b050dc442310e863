"""The home folder: where everything of one daemon is, whether it is set up, and who works there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from soundmill.errors import HomeInUse, UsageError
from soundmill.faults import passing


@dataclass(frozen=True, slots=True)
class Home:
    """The folder one daemon works in, and the paths in it."""

    root: Path

    @property
    def config_file(self) -> Path:
        return self.root / "soundmill.yaml"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.db"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def control(self) -> Path:
        return self.inbox / ".control"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def deliveries(self) -> Path:
        return self.root / "deliveries"

    @property
    def marker(self) -> Path:
        """What tells the outputs folder from the place where its disk is to be mounted."""
        return self.outputs / ".soundmill"

    @property
    def half_restored(self) -> Path:
        """There while a backup is being put back: what a restore that was broken off leaves."""
        return self.root / ".restoring"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def create(self) -> None:
        """Make the folders that are not there yet; what is there is left alone."""
        self.create_inbox()
        passing("home.outputs")
        self.outputs.mkdir(exist_ok=True)

    def create_inbox(self) -> None:
        """The same, but for the outputs folder: of a home in use it is missing while its disk is not mounted."""
        for folder in ("accepted", "rejected", ".claimed", ".control"):
            passing("home.folder")
            (self.inbox / folder).mkdir(parents=True, exist_ok=True)


def find_home(chosen: str | None, environ: Mapping[str, str] = os.environ) -> Home:
    """`--home`, or SOUNDMILL_HOME, or ~/soundmill."""
    root = chosen or environ.get("SOUNDMILL_HOME") or "~/soundmill"
    return Home(Path(root).expanduser().absolute())


def must_be_set_up(home: Home) -> None:
    """Raises UsageError where there is no home to drop a file into."""
    if not home.inbox.is_dir():
        raise UsageError(f"{home.root} is not set up; run: soundmill init")


def daemon_running(home: Home) -> bool:
    """True while a daemon holds the home's lock."""
    try:
        with home.lock.open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def lock_home(home: Home, *, to_restore: bool = False) -> IO[str]:
    """Hold the home's lock for as long as the returned file is open.

    Raises HomeInUse, also where a restore was broken off, but for one that goes on with it (`to_restore`).
    """
    passing("home.lock")
    handle = home.lock.open("a+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise HomeInUse(f"{home.root}: another daemon (process {holder}) works here; stop it first") from error
    if home.half_restored.exists() and not to_restore:
        handle.close()
        raise HomeInUse(f"{home.root}: a restore was broken off here; run the same `soundmill restore` again")
    passing("home.lock.clear")
    handle.truncate(0)
    passing("home.lock.write")
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
