"""`soundmill submit`: put job files into the inbox, and with --wait follow them until their batches end."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home, daemon_running, find_home, must_be_set_up
from soundmill.inbox.spool import submit as put

POLL_S = 0.3


def submit(files: str | Path | Iterable[str | Path], home: str | Path | None = None, again: bool = False) -> list[Path]:
    """Put one job file or several into the inbox of a home folder; returns where they lie there.

    `home`: as the command's --home; None is $SOUNDMILL_HOME or ~/soundmill. `again` runs content once more that was run
    before, with new seeds. Raises UsageError where no home is set up or a file is no job file, OSError.
    """
    folder = find_home(None if home is None else str(home))
    must_be_set_up(folder)
    several = [files] if isinstance(files, str | Path) else files
    return [put(Path(file), folder.inbox, again=again) for file in several]


def hand_in(home: Home, files: Sequence[Path], *, again: bool, wait: bool, say: Callable[[str], None]) -> None:
    """Submit and say where each file lies; with `wait` return once every job has ended. Raises as both of these do."""
    must_be_set_up(home)
    running = daemon_running(home)
    if wait and not running:
        raise UsageError(f"no daemon works on {home.root}, so there is nothing to wait for; start it: soundmill run")
    since = time.time()
    for file in files:
        say(f"{file} -> {put(file, home.inbox, again=again)}")
    if wait:
        wait_for(home, files, since)
    elif not running:
        say("No daemon is running; the files wait for: soundmill run")


def wait_for(home: Home, files: Iterable[Path], since: float) -> None:
    """Return once every file's batch has ended; raises SoundmillError when one was rejected, a job
    failed, or the daemon stopped."""
    awaited = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in files}
    failed = 0
    while not home.catalog.exists():
        _still_running(home)
        time.sleep(POLL_S)
    with (
        contextlib.closing(Reader.open(home.catalog)) as reader,
        contextlib.closing(show.BatchBars(time.monotonic)) as bars,
    ):
        while awaited:
            for sha256, file in list(awaited.items()):
                if reader.rejected_since(sha256, since):
                    raise SoundmillError(f"{file} was rejected; the reasons are in {home.inbox / 'rejected'}")
                batch = reader.batch_of_content(sha256, since)
                if batch is None:
                    continue
                bars.update([batch])
                if batch["status"] == "finished":
                    failed += int(str(batch["n_failed"]))
                    del awaited[sha256]
            if awaited:
                _still_running(home)
                time.sleep(POLL_S)
    if failed:
        raise SoundmillError(f"{failed} jobs failed; see: soundmill jobs --status failed")


def _still_running(home: Home) -> None:
    if not daemon_running(home):
        raise SoundmillError(f"the daemon on {home.root} stopped; the jobs wait for: soundmill run")
