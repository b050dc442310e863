"""Commands that change something: they leave word for the daemon, the one writer, which does it now or at its start.

What there is nothing to do about is said at once, and no word is left. Where a daemon runs, its answer is waited for.
"""

from __future__ import annotations

import time
from pathlib import Path

from ulid import ULID

from soundmill.catalog.reader import Reader
from soundmill.catalog.wishes import Prospect
from soundmill.errors import InvalidControl
from soundmill.home import Home, daemon_running, must_be_set_up
from soundmill.inbox.control import Action, Control, drop
from soundmill.words import count

PATIENCE_S = 2.0
POLL_S = 0.02
# Which jobs an action changes, what it makes of them, and why there may be none.
CHANGED = {
    "cancel": (("queued", "running"), "cancelled", "nothing to cancel"),
    "pause": (("queued",), "held", "nothing to pause"),
    "resume": (("queued",), "queued again", "nothing to resume"),
    "retry": (("failed", "cancelled"), "queued again", "nothing to retry"),
}


def ask(home: Home, action: Action, target: str) -> str:
    """Ask the daemon to do something to a batch or a job; returns what there is to say of it.

    Raises UsageError where no home is set up, CatalogError where there is no catalogue yet, InvalidControl where there
    is no such batch or job, nothing to do, or the daemon refuses.
    """
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        met = reader.prospect(target)
        if action in ("pause", "resume") and met.is_job:
            raise InvalidControl(f"{met.label}: is a job, not a batch")
        wish = Control(action=action, target=met.label)
        jobs = sum(met.jobs.get(status, 0) for status in CHANGED[action][0])
        # Words that wait may change what this one meets; then the daemon decides.
        if not any(home.control.glob("*.json")):
            if action in ("pause", "resume") and jobs and met.paused == (action == "pause"):
                return f"{met.label}: {'is paused already' if met.paused else 'is not paused'}; nothing changed"
            if not jobs and not (action == "pause" and met.jobs.get("running")):
                raise InvalidControl(f"{met.label}: {_why(met)}; {CHANGED[action][2]}")
        told = {"cancel": "cancelled", "pause": "paused", "resume": "resumed", "retry": "retried"}[action]
        return _leave_word(
            home, reader, wish, f"{told} {met.label}", f"{count(jobs, 'job')} {CHANGED[action][1]}", told
        )


def rate(home: Home, take: str, stars: int, note: str | None) -> str:
    """Ask the daemon to note what somebody thinks of a take, as `ask` does."""
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        meant = _take_meant(reader, home.outputs, take)
        file = reader.find_take(meant)
        wish = Control(action="rate", target=meant, stars=stars, note=note)
        return _leave_word(home, reader, wish, f"rated {file}", count(stars, "star"))


def _why(met: Prospect) -> str:
    """Why there is nothing to do, by the state of the jobs."""
    if met.is_job:
        (status,) = met.jobs
        return f"has {status} already" if status in ("succeeded", "failed") else f"is {status}"
    if set(met.jobs) <= {"succeeded", "failed", "cancelled"}:
        return "already finished (" + ", ".join(f"{n} {status}" for status, n in sorted(met.jobs.items())) + ")"
    return ", ".join(f"{n} {status}" for status, n in sorted(met.jobs.items()))


def _leave_word(home: Home, reader: Reader, wish: Control, done: str, what: str, event: str = "") -> str:
    """Returns what the daemon did, or that it was handed `wish`; `event` is the kind of the one that counts the jobs.

    Raises InvalidControl when the daemon refuses.
    """
    before = reader.last_event()
    word = drop(home.control, wish, str(ULID()))
    handed = f"{wish.action} {done.partition(' ')[2]} ({what}): handed to the daemon"
    if not daemon_running(home):
        return f"{handed}; no daemon is running, it will be done at the next start"
    end = time.monotonic() + PATIENCE_S
    while word.exists():
        if time.monotonic() > end:
            return f"{handed}, which has not answered yet"
        time.sleep(POLL_S)
    counted = None
    for row in reader.events_after(before):
        if row["kind"] == event:
            counted = str(row["message"])
        elif row["kind"] == "control refused":
            raise InvalidControl(str(row["message"]))
        elif row["kind"] == "control applied" and row["message"] == f"{wish.action} {wish.target}":
            break
    return f"{done}: {what}" if counted is None else f"{event} {counted}"


def _take_meant(reader: Reader, outputs: Path, named: str) -> str:
    """Which take somebody means who has just heard it, as the daemon is to be told.

    A job (`batch/job`, or a number that can only be one) and a file as it stands in the outputs folder
    (`batch/job.wav`) are passed on by their full names; a path to a file that is there, from anywhere, becomes the
    latter. Raises InvalidControl when there is no such take.
    """
    try:
        reader.find_take(named)
        return reader.prospect(named).label if named.strip().isdecimal() else named
    except InvalidControl as unknown:
        try:
            file = Path(named).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle
            raise unknown from None
        if not file.is_file():
            raise
    try:
        path = file.relative_to(outputs.resolve()).as_posix()
    except ValueError:
        raise InvalidControl(f"{named}: is not in {outputs}; name its home with --home") from None
    try:
        reader.find_take(path)
    except InvalidControl:
        raise InvalidControl(f"{named}: belongs to no take; name an audio file that `soundmill jobs` lists") from None
    return path
