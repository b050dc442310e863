"""The ground, faults: every step with an effect passes a named point, where a test can end the program or fail a step.

The point is passed just before the step, so that what is raised there looks like the step's own failure; where it
matters that it is done, `<name>.done` is passed after. SOUNDMILL_FAULT switches it on, as

    SOUNDMILL_FAULT="spool.accept:2=kill shelf.audio:*=ENOSPC catalog.claim:1=SQLITE_FULL"

that is point, which pass of it in this process (`*`: each), and what happens: kill is SIGKILL, other words are an errno
or an error of SQLite's.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import defaultdict
from collections.abc import Callable
from itertools import count

VARIABLE = "SOUNDMILL_FAULT"
DONE = ".done"

Listener = Callable[[str], None]

_listener: Listener | None = None


def passing(point: str) -> None:
    """The step of that name comes next. Raises what the listener does; nothing where there is none."""
    if _listener is not None:
        _listener(point)


def listen(listener: Listener | None) -> None:
    """Have each point that is passed told to `listener`, whatever thread it is in."""
    global _listener
    _listener = listener


def failure(word: str) -> Exception:
    """The error that an errno's name (ENOSPC) or SQLite's (SQLITE_FULL) stands for. Raises ValueError."""
    if isinstance(number := getattr(errno, word, None), int):
        return OSError(number, os.strerror(number))
    import sqlite3  # here: commands without a catalogue import this module, too

    if not word.startswith("SQLITE_") or not isinstance(code := getattr(sqlite3, word, None), int):
        raise ValueError(f"{word}: neither kill nor the name of an error, as ENOSPC or SQLITE_FULL")
    error = sqlite3.OperationalError(f"made to fail: {word}")
    error.sqlite_errorcode, error.sqlite_errorname = code, word
    return error


def fault(text: str) -> Listener:
    """What the variable's text asks for. Raises ValueError."""
    wanted: dict[str, dict[str, str]] = {}
    for each in text.split():
        where, equals, word = each.partition("=")
        point, colon, turn = where.rpartition(":")
        if not (equals and colon and point and (turn == "*" or turn.isdecimal())):
            raise ValueError(f"{each}: must be point:pass=what, as spool.accept:1=kill")
        if word != "kill":
            failure(word)
        wanted.setdefault(point, {})[turn] = word
    turns = defaultdict[str, "count[int]"](lambda: count(1))

    def listener(point: str) -> None:
        asked = wanted.get(point)
        if asked is None:
            return
        word = asked.get(str(next(turns[point]))) or asked.get("*")
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word is not None:
            raise failure(word)

    return listener


if text := os.environ.get(VARIABLE):
    try:
        listen(fault(text))
    except ValueError as error:
        raise SystemExit(f"{VARIABLE}={text}: {error}") from None
