"""Commands that change something: they leave word for the daemon, the one writer, which does it now or at its start.

What there is nothing to do about is said at once, and no word is left. Where a daemon runs, its answer is waited for.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ulid import ULID

from soundmill.catalog.reader import Reader, Row
from soundmill.catalog.wishes import Prospect
from soundmill.errors import InvalidControl
from soundmill.home import Home, daemon_running, must_be_set_up
from soundmill.inbox.control import LONGEST_FINGERPRINT, Action, Control, drop, drop_all
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


def rate(home: Home, take: str, stars: int | None, note: str | None, *, reject: bool = False) -> str:
    """Ask the daemon to note what somebody thinks of a take, as `ask` does. With neither stars nor `reject` what was
    said before is taken back.

    Another rating replaces the first, and a rejection.
    """
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        meant = _take_meant(reader, home.outputs, take)
        file = reader.find_take(meant)
        wish = Control(action="rate", target=meant, stars=stars or 0, rejected=reject, note=note)
        said = [count(stars, "star")] if stars else []
        said += ["rejected"] if reject else []
        return _leave_word(home, reader, wish, f"rated {file}", " and ".join(said) or "taken back")


def keep_fingerprints(home: Home, made: Sequence[tuple[str, bytes]]) -> None:
    """Have the daemon keep fingerprints that were made of files, by their paths in the outputs folder. Where none runs,
    or they cannot be left, they are made again another time."""
    if not daemon_running(home):
        return
    packed = [(path, base64.b64encode(data).decode()) for path, data in made]
    wishes = [
        (str(ULID()), Control(action="fingerprint", target=path, fingerprint=text))
        for path, text in packed
        if len(text) <= LONGEST_FINGERPRINT
    ]
    with suppress(OSError, InvalidControl):
        drop_all(home.control, wishes)


def prioritise(home: Home, target: str, priority: int) -> str:
    """Ask the daemon to run a batch or a job earlier or later, as `ask` does."""
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        met = reader.prospect(target)
        wish = Control(action="priority", target=met.label, priority=priority)
        return _leave_word(home, reader, wish, f"priority {met.label}", str(priority))


def archive(home: Home, batch: str, *, archived: bool) -> str:
    """Ask the daemon to put a batch out of the way, or back, as `ask` does."""
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        met = reader.prospect(batch)
        if met.is_job:
            raise InvalidControl(f"{met.label}: is a job, not a batch")
        wish = Control(action="archive" if archived else "unarchive", target=met.label)
        return _leave_word(
            home, reader, wish, f"{wish.action} {met.label}", "archived" if archived else "back in lists"
        )


def pick(home: Home, takes: Sequence[str], shortlist: str, note: str | None, *, remove: bool) -> str:
    """Ask the daemon to put takes on a shortlist, or take them off, as `ask` does."""
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        wishes = [
            Control(
                action="unpick" if remove else "pick",
                target=_take_meant(reader, home.outputs, take),
                shortlist=shortlist,
                note=note,
                keep_note=note is None,
            )
            for take in takes
        ]
        ulids = [str(ULID()) for _ in wishes]
        words = drop_all(home.control, list(zip(ulids, wishes, strict=True)))
        what = f"{count(len(takes), 'take')} {'off' if remove else 'on'} the shortlist {shortlist}"
        if not daemon_running(home):
            return f"{what}: handed to the daemon; no daemon is running, it will be done at the next start"
        if not all(_gone(word) for word in words):
            return f"{what}: handed to the daemon, which has not answered yet"
        refused = [str(row["reason"]) for ulid in ulids if (row := _refusal(reader, ulid)) is not None]
        if refused:
            raise InvalidControl("; ".join(refused))
        return what


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
    ulid = str(ULID())
    word = drop(home.control, wish, ulid)
    handed = f"{wish.action} {done.partition(' ')[2]} ({what}): handed to the daemon"
    if not daemon_running(home):
        return f"{handed}; no daemon is running, it will be done at the next start"
    if not _gone(word):
        return f"{handed}, which has not answered yet"
    if (refused := _refusal(reader, ulid)) is not None:
        raise InvalidControl(str(refused["reason"]))
    counted = next((str(row["message"]) for row in reader.events_after(before) if event and row["kind"] == event), None)
    return f"{done}: {what}" if counted is None else f"{event} {counted}"


def _gone(word: Path) -> bool:
    """Whether the daemon has worked a control file off, for which it is given a moment."""
    end = time.monotonic() + PATIENCE_S
    while word.exists():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _refusal(reader: Reader, ulid: str) -> Row | None:
    answer = reader.answer(ulid)
    return answer if answer is not None and answer["state"] == "refused" else None


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
