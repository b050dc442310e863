"""What the site leaves in a home for its daemon: control files and job files. The one file of the site that knows the
inbox."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ulid import ULID

from soundmill.errors import InvalidControl, UsageError
from soundmill.home import Home, daemon_running
from soundmill.inbox.control import LOCAL, STEERING, Control, check, drop_all
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES
from soundmill.inbox.spool import submit

MOST_WAITING = 2000  # control files that no daemon has taken yet
LONGEST_NAME = 200  # bytes
UNSAFE = ("/", "\\", "\0")


class Busy(Exception):
    """So much waits for the daemon that no more is taken."""


def wish(content: Any, who: str) -> Control:
    """What a page asks for, in the name of `who`. Raises InvalidControl."""
    asked = check({**content, "who": who} if isinstance(content, dict) else content)
    if asked.action in LOCAL:
        raise InvalidControl(f"{asked.action} is not asked for from a page")
    return asked


def is_delivery(control: Control) -> bool:
    return control.action == "deliver"


def steers(control: Control) -> bool:
    """Whether it changes what the mill does, rather than says what somebody thinks."""
    return control.action in STEERING and not is_delivery(control)


def leave(home: Path, wishes: Sequence[Control]) -> list[str]:
    """Leave wishes for the daemon; the ulids by which their answers are found. Raises Busy, InvalidControl, OSError."""
    folder = Home(home).control
    folder.mkdir(parents=True, exist_ok=True)
    with os.scandir(folder) as entries:
        if sum(1 for _ in entries) >= MOST_WAITING:
            raise Busy("too much waits for the daemon already; is it running?")
    ulids = [str(ULID()) for _ in wishes]
    drop_all(folder, list(zip(ulids, wishes, strict=True)))
    return ulids


def must_be_a_name(name: str) -> None:
    """Raises UsageError for what is no plain file name."""
    if not name.strip() or name.startswith(".") or any(part in name for part in UNSAFE) or not name.isprintable():
        raise UsageError(f"{name[:100]!r} is no name of a file; give one without slashes that begins with no dot")
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise UsageError(f"the file's name is too long; {LONGEST_NAME} bytes at most")
    if Path(name).suffix.lower() not in JOB_SUFFIXES:
        raise UsageError(f"{name}: not a job file; its name must end in {', '.join(JOB_SUFFIXES)}")


def put(home: Path, name: str, content: bytes, *, again: bool) -> str:
    """Put a job file into the inbox, whole or not at all, `again` where the same content is wanted once more; the name
    it has there. Raises UsageError, OSError."""
    must_be_a_name(name)
    with tempfile.TemporaryDirectory(prefix="soundmill-") as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        return submit(file, Home(home).inbox, again=again).name


def most_bytes(home: Path) -> int:
    """The largest job file that the inbox takes. Raises ConfigError."""
    from soundmill.config import load  # pydantic, which a site that nobody asks for anything does without

    return int(load(Home(home)).inbox.max_file_mb * 1024 * 1024)


def profiles(home: Path) -> dict[str, Any]:
    """The profiles that deliveries can be made by, those built in first. Raises ConfigError."""
    from soundmill.config import load
    from soundmill.deliver.profile import BUILT_IN, find

    own = load(Home(home)).profiles
    return {name: find(own, name) for name in dict.fromkeys([*BUILT_IN, *own])}


def is_running(home: Path) -> bool:
    """Whether a daemon works on the home."""
    return daemon_running(Home(home))


__all__ = [
    "Busy",
    "Control",
    "InvalidControl",
    "is_delivery",
    "is_running",
    "leave",
    "most_bytes",
    "must_be_a_name",
    "profiles",
    "put",
    "steers",
    "wish",
]
