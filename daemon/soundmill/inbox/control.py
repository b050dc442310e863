"""Inbox: control files. A command that changes something leaves one; the daemon, the one writer, applies it."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from soundmill.disk import NotPlain, TooLarge, read_plain, sync_folder, write_whole
from soundmill.errors import InvalidControl
from soundmill.faults import passing

Action = Literal["cancel", "pause", "resume", "retry", "rate"]
ACTIONS: tuple[str, ...] = get_args(Action)
MOST_BYTES = 65_536
LONGEST_NOTE = 2_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One change asked for. `target` is a batch or a job as the command names it; only `rate` has stars (1 to 5)."""

    action: Action
    target: str
    stars: int | None = None
    note: str | None = None


def drop(folder: Path, control: Control, ulid: str) -> Path:
    """Leave a control file for the daemon; it appears whole or not at all, and outlives a power cut. Raises
    InvalidControl, OSError."""
    data = {"action": control.action, "target": control.target, "stars": control.stars, "note": control.note}
    check(data)
    passing("control.leave")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ulid}.json"
    write_whole(path, json.dumps(data, ensure_ascii=False).encode("utf-8"))
    sync_folder(folder)
    return path


def pending(folder: Path) -> list[tuple[Path, Control | InvalidControl | OSError]]:
    """The control files that wait, in the order they were left; one that can't be read comes as its error, an OSError
    where it may be readable later.

    Raises OSError when the folder can't be listed.
    """
    names: list[str] = []
    # Where something else stands in place of the inbox, its scan says so.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.name.endswith(".json") and not e.name.startswith("."))
    found: list[tuple[Path, Control | InvalidControl | OSError]] = []
    for name in names:
        path = folder / name
        try:
            found.append((path, read(path)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (InvalidControl, OSError) as error:
            found.append((path, error))
    return found


def read(path: Path) -> Control:
    """One control file. Raises InvalidControl; OSError if it can't be read now, FileNotFoundError if it has gone."""
    try:
        data = read_plain(path, MOST_BYTES)
    except NotPlain:
        raise InvalidControl(f"{path.name}: is not a plain file") from None
    except TooLarge:
        raise InvalidControl(f"{path.name}: is larger than {MOST_BYTES:,} bytes") from None
    except PermissionError as error:
        raise InvalidControl(f"{path.name}: cannot be read: {error.strerror}") from error
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidControl(f"{path.name}: is not JSON") from error
    try:
        return check(content)
    except InvalidControl as error:
        raise InvalidControl(f"{path.name}: {error}") from None


def check(content: Any) -> Control:
    """The Control that plain data stands for. Raises InvalidControl."""
    if not isinstance(content, dict):
        raise InvalidControl("must be a JSON object with action and target")
    action, target = content.get("action"), content.get("target")
    stars, note = content.get("stars"), content.get("note")
    if action not in ACTIONS:
        raise InvalidControl(f"action must be one of {', '.join(ACTIONS)}")
    if not isinstance(target, str) or not target.strip() or len(target) > 500:
        raise InvalidControl("target must name a batch or a job")
    if action == "rate":
        if type(stars) is not int or not 1 <= stars <= 5:
            raise InvalidControl("stars must be a whole number from 1 to 5")
    elif stars is not None:
        raise InvalidControl("stars belong to the action rate alone")
    if note is not None and (not isinstance(note, str) or len(note) > LONGEST_NOTE):
        raise InvalidControl(f"note must be a text of at most {LONGEST_NOTE:,} characters")
    return Control(action=action, target=target, stars=stars, note=note)
