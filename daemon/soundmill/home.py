"""Setting up a home folder: its folders, a commented soundmill.yaml, and the one daemon that may work there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import IO

from pydantic import BaseModel

from soundmill.config import Config, Home
from soundmill.errors import HomeInUse, UsageError

HEADER = """\
# Soundmill's settings. Every key is optional; a line that starts with "# " shows the default.
# The daemon reads this file when it starts.
"""


def create(home: Home, settings: Mapping[str, object]) -> bool:
    """Make the home's folders and, where there is none, its soundmill.yaml with `settings` filled in.

    Returns False when the settings file was there already; it is then left alone.
    """
    home.create()
    if home.config_file.exists():
        return False
    home.config_file.write_text(HEADER + "\n".join(_lines(Config(), settings)) + "\n", encoding="utf-8")
    return True


def _lines(section: BaseModel, settings: Mapping[str, object], indent: str = "") -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        given = settings.get(name)
        if isinstance(value, BaseModel):
            inner = given if isinstance(given, Mapping) else {}
            yield ""
            yield f"{indent}{name}:" if inner else f"{indent}# {name}:"
            yield from _lines(value, inner, indent + "  ")
        elif given is not None:
            yield f"{indent}{name}: {json.dumps(given)}"
        else:
            shown = value if isinstance(value, int | float) else json.dumps(value)
            yield f"{indent}# {name}: {shown}".ljust(42) + f"  # {field.description}"


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


def lock_home(home: Home) -> IO[str]:
    """Hold the home's lock for as long as the returned file is open; raises HomeInUse."""
    handle = home.lock.open("a+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise HomeInUse(f"{home.root}: another daemon (process {holder}) works here; stop it first") from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
