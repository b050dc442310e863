"""`soundmill submit --wait`: follow submitted files until their batches end."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.errors import SoundmillError
from soundmill.home import Home, daemon_running

POLL_S = 0.3


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
