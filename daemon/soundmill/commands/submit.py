"""`soundmill submit`: put job files into the inbox, and with --wait follow them until their batches end."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundmill.catalog.reader import Reader, Row
from soundmill.commands import terminal as show
from soundmill.errors import CatalogError, SoundmillError, UsageError
from soundmill.home import Home, daemon_running, find_home, must_be_set_up
from soundmill.inbox.spool import submit as put
from soundmill.words import count

POLL_S = 0.3
PATIENCE_S = 5.0  # longer than a file has to rest before it is taken in, unless soundmill.yaml says otherwise
MOST_REASONS = 20


def submit(
    files: str | Path | Iterable[str | Path], home: str | Path | None = None, again: bool = False, rest: bool = False
) -> list[Path]:
    """Put one job file or several into the inbox of a home folder; returns where they lie there.

    `home`: as the command's --home; None is $SOUNDMILL_HOME or ~/soundmill. `again` runs content once more that was run
    before, with new seeds; `rest` only the rows that the batch of the accepted file of that name lacks. Raises
    UsageError where no home is set up or a file is no job file, OSError.
    """
    folder = find_home(None if home is None else str(home))
    must_be_set_up(folder)
    several = [files] if isinstance(files, str | Path) else files
    return [put(Path(file), folder.inbox, again=again, rest=rest) for file in several]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A file that was put into the inbox: what its outcome is known by."""

    file: Path  # as the user named it
    name: str  # in the inbox
    sha256: str


def hand_in(
    home: Home, files: Sequence[Path], *, again: bool, rest: bool, wait: bool, say: Callable[[str], None]
) -> None:
    """Submit and say what became of each file, as far as a running daemon says so shortly; with `wait` return once
    every job has ended. Raises SoundmillError when a file was rejected, and as `submit` and `wait_for` do."""
    must_be_set_up(home)
    running = daemon_running(home)
    if wait and not running:
        raise UsageError(f"no daemon works on {home.root}, so there is nothing to wait for; start it: soundmill run")
    since = time.time()
    handed = []
    for file in files:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        path = put(file, home.inbox, again=again, rest=rest)
        handed.append(Handed(file=file, name=path.name, sha256=sha256))
        say(f"{file} -> {path}")
    if wait:
        wait_for(home, handed, since, say)
    elif running:
        _say_outcomes(home, handed, since, say)
    else:
        say("No daemon is running; the files wait for: soundmill run")


def _say_outcomes(home: Home, handed: Sequence[Handed], since: float, say: Callable[[str], None]) -> None:
    """Wait shortly for what becomes of the files, and say it. Raises SoundmillError when one was rejected."""
    end = time.monotonic() + PATIENCE_S
    awaited, rejected = list(handed), 0
    while awaited and daemon_running(home):
        with contextlib.suppress(CatalogError), Reader.open(home.catalog) as reader:  # a daemon may just be making it
            for one in list(awaited):
                if (refused := reader.rejected_since(one.name, since)) is not None:
                    say(_reasons(home, one, refused))
                    rejected += 1
                elif (batch := reader.batch_of_content(one.sha256, one.name, since)) is not None:
                    say(_accepted(one, batch))
                else:
                    continue
                awaited.remove(one)
        if time.monotonic() > end:
            break
        if awaited:
            time.sleep(POLL_S)
    for one in awaited:
        say(f"{one.file}: not taken in yet; see: soundmill status")
    if rejected:
        raise SoundmillError(_count_rejected(rejected, len(handed)))


def _accepted(handed: Handed, batch: Row) -> str:
    return f"{handed.file}: accepted as batch {batch['batch']}, {count(int(str(batch['job_count'])), 'job')}"


def _reasons(home: Home, handed: Handed, refused: Row) -> str:
    """That a file was rejected, and why."""
    reasons = str(refused["problems"]).splitlines()
    lines = [f"{handed.file}: rejected: {count(int(str(refused['problem_count'])), 'problem')}"]
    lines += [f"  {reason}" for reason in reasons[:MOST_REASONS]]
    if len(reasons) > MOST_REASONS:
        lines.append(f"  … and {len(reasons) - MOST_REASONS} more; all are in {home.inbox / 'rejected'}")
    return "\n".join(lines)


def _count_rejected(rejected: int, handed: int) -> str:
    return "the file was rejected" if handed == 1 else f"{rejected} of {count(handed, 'file')} were rejected"


def wait_for(home: Home, handed: Sequence[Handed], since: float, say: Callable[[str], None]) -> None:
    """Return once every file's batch has ended; raises SoundmillError when one was rejected, a job
    failed, or the daemon stopped."""
    awaited = {one.name: one for one in handed}
    accepted = set[str]()
    failed = rejected = 0
    while not home.catalog.exists():
        _still_running(home)
        time.sleep(POLL_S)
    with (
        contextlib.closing(Reader.open(home.catalog)) as reader,
        contextlib.closing(show.BatchBars(time.monotonic)) as bars,
    ):
        while awaited:
            for name, one in list(awaited.items()):
                if (refused := reader.rejected_since(name, since)) is not None:
                    say(_reasons(home, one, refused))
                    rejected += 1
                    del awaited[name]
                    continue
                batch = reader.batch_of_content(one.sha256, name, since)
                if batch is None:
                    continue
                if name not in accepted:
                    accepted.add(name)
                    say(_accepted(one, batch))
                bars.update([batch])
                if batch["status"] == "finished":
                    failed += int(str(batch["n_failed"]))
                    del awaited[name]
            if awaited:
                _still_running(home)
                time.sleep(POLL_S)
    if rejected:
        raise SoundmillError(_count_rejected(rejected, len(handed)))
    if failed:
        raise SoundmillError(f"{failed} jobs failed; see: soundmill jobs --status failed")


def _still_running(home: Home) -> None:
    if not daemon_running(home):
        raise SoundmillError(f"the daemon on {home.root} stopped; the jobs wait for: soundmill run")
