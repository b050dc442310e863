"""The daemon's sign of life, a beat every two seconds, and what is to be thought of the last one.

It is given twice: as a row of the catalogue, and as a small file beside it. The file is there for a catalogue that
cannot be written, and tells what the daemon could not record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from soundmill.disk import open_plain
from soundmill.words import shortened

FILE = ".heartbeat"
SIZE = 4096  # bytes of the file, always the same: written in place it needs no room on a full disk
EVERY_S = 2.0
SILENT_S = 7.0  # with a look every two seconds, silence is told within ten
STUCK_S = 8.0  # in one part of a round
WRITING_S = 120.0  # that a round may wait for a transaction of our own: a file of a million jobs is one

State = Literal["running", "stopping", "stopped", "stuck", "unrecorded", "silent", "ended", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """`at` is in Unix seconds, `steady_s` on the machine's clock that no change of the date moves and that all its
    processes share. `busy` is what a round is at, since when (Unix seconds) and for how long; `writing`, whether a
    transaction is under way. Of the file alone: `busy`, `writing` and `troubles`."""

    pid: int
    at: float
    steady_s: float
    state: Literal["running", "stopping", "stopped"] = "running"
    busy: tuple[str, float, float] | None = None
    writing: bool = False
    troubles: tuple[dict[str, Any], ...] = ()

    @property
    def hangs_at(self) -> str | None:
        """The part that the rounds do not come out of."""
        if self.busy is None or self.busy[2] <= (WRITING_S if self.writing else STUCK_S):
            return None
        return self.busy[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is known of the daemon; `message` is None while it does its work. `silent_s` is how long ago the last sign
    of life was."""

    state: State
    pid: int | None = None
    since: float | None = None
    message: str | None = None
    troubles: tuple[dict[str, Any], ...] = ()
    silent_s: float | None = None

    @property
    def ok(self) -> bool:
        return self.state == "running"

    @property
    def is_there(self) -> bool:
        """Whether it gives signs of life."""
        return self.state in ("running", "stopping", "stuck", "unrecorded")

    def as_json(self) -> dict[str, Any]:
        since = None if self.since is None else datetime.fromtimestamp(self.since, UTC).isoformat(timespec="seconds")
        return {"state": self.state, "pid": self.pid, "since": since, "message": self.message}


def beside(catalog: Path) -> Path:
    """The heartbeat file of the home that a catalogue is in."""
    return catalog.absolute().parent / FILE


def packed(beat: Beat) -> bytes:
    """What the file holds: JSON, padded. Troubles that do not fit are left out."""
    fields = asdict(beat)
    fields["troubles"] = [trouble | {"message": shortened(trouble["message"], 400)} for trouble in beat.troubles]
    while len(text := json.dumps(fields).encode()) >= SIZE:
        fields["troubles"].pop()
    return text.ljust(SIZE - 1) + b"\n"


def unpacked(fields: Mapping[str, Any] | None) -> Beat | None:
    """Of what the file or the row holds; None where that is no beat."""
    with suppress(KeyError, TypeError, ValueError, AttributeError, OverflowError):
        if fields is None:
            return None
        busy = fields.get("busy")
        return Beat(
            pid=int(fields["pid"]),
            at=float(fields["unix_s"] if "unix_s" in fields else fields["at"]),
            steady_s=float(fields["steady_s"]),
            state=fields["state"] if fields["state"] in ("stopping", "stopped") else "running",
            busy=None if busy is None else (str(busy[0]), float(busy[1]), float(busy[2])),
            writing=bool(fields.get("writing")),
            troubles=tuple(fields.get("troubles") or ()),
        )
    return None


def read(file: Path) -> Beat | None:
    """The beat in a file; None where there is none that can be read."""
    for _ in range(3):  # it may be written just now
        try:
            handle, _ = open_plain(file)
        except OSError:
            return None
        try:
            return unpacked(json.loads(os.pread(handle, SIZE, 0)))
        except ValueError:
            continue
        except OSError:
            return None
        finally:
            os.close(handle)
    return None


def process_is_there(pid: int) -> bool:
    """Also for one that may not be signalled; not for one that has ended and nobody has asked how."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] != "Z"
        )
    except (OSError, IndexError):
        return True


def life(
    row: Beat | None,
    file: Beat | None,
    *,
    now: float,
    steady_s: float,
    is_there: Callable[[int], bool] = process_is_there,
    gone: bool = False,
) -> Life:
    """What the two last beats say at `now` (Unix seconds), which is `steady_s` on the machine's clock. `gone`: there is
    no daemon, as whoever may ask for the home's lock knows at once."""
    beats = [beat for beat in (file, row) if beat is not None]
    if not beats:
        return Life(state="unknown", message="no daemon has run here yet: soundmill run starts it")
    last = max(beats, key=lambda beat: beat.at)
    heard = not gone and any(_is_fresh(beat, steady_s) for beat in beats)
    if last.state == "stopped":
        state, since, message = _stopped(last, now)
    elif heard:
        state, since, message = _heard(row, file, last, now, steady_s)
    else:
        state, since, message = _silent(last, now, is_there=not gone and is_there(last.pid))
    return Life(
        state=state,
        pid=last.pid,
        since=since,
        message=message,
        troubles=() if file is None else file.troubles,
        silent_s=min(_age_s(beat, now, steady_s) for beat in beats),
    )


Judged = tuple[State, float, str | None]


def _stopped(last: Beat, now: float) -> Judged:
    return "stopped", last.at, f"the daemon was stopped at {clock(last.at, now)}: soundmill run starts it"


def _silent(last: Beat, now: float, *, is_there: bool) -> Judged:
    says = f"the daemon does not answer since {clock(last.at, now)} (pid {last.pid})"
    if is_there:
        says += (
            ", though its process is there: it hangs, or can write nothing;"
            f" end it (kill -9 {last.pid}) and start it again, nothing is lost"
        )
        return "silent", last.at, says
    return "ended", last.at, f"{says}: it has ended; soundmill run starts it again"


def _heard(row: Beat | None, file: Beat | None, last: Beat, now: float, steady_s: float) -> Judged:
    if file is None or not _is_fresh(file, steady_s):
        return "running", last.at, None
    if file.state == "stopping":
        return "stopping", file.at, "the daemon is being stopped"
    if file.busy is not None and (part := file.hangs_at) is not None:
        since = file.busy[1]
        return "stuck", since, f"the daemon (pid {file.pid}) hangs: it is at “{part}” since {clock(since, now)}"
    patience_s = WRITING_S if file.writing else SILENT_S
    if row is None or row.pid != file.pid or not _is_fresh(row, steady_s, patience_s):
        since = file.at if row is None else row.at
        why = next((str(t.get("message")) for t in file.troubles if t.get("part") == "heartbeat"), None)
        says = f"the daemon runs (pid {file.pid}), but the catalogue takes nothing since {clock(since, now)}"
        return "unrecorded", since, f"{says}: {why}" if why else says
    return "running", last.at, None


def clock(at: float, now: float) -> str:
    """`14:03:12 UTC`, with the date where that was not within the last twelve hours."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%H:%M:%S} UTC" if abs(now - at) < 43_200 else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _age_s(beat: Beat, now: float, steady_s: float) -> float:
    """By the date alone where the machine was started anew in between."""
    age_s = steady_s - beat.steady_s
    return age_s if age_s >= 0.0 else max(0.0, now - beat.at)


def _is_fresh(beat: Beat, steady_s: float, longest_s: float = SILENT_S) -> bool:
    return 0.0 <= steady_s - beat.steady_s <= longest_s  # under none: from before the machine was started anew
