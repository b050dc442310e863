"""Deliver, the journal: what of a delivery is done, so that one that was cut short goes on where it was.

It lies hidden in the delivery's folder while that is made, holds a line for every file that is finished, and goes when
the manifest stands. A line that a kill cut off is no line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

NAME = ".soundmill-delivery"


class Journal:
    """The journal of a folder, held so that no two deliveries write there. `done` has by recipe what became of a file,
    `planned` the paths that an earlier run, cut short, was about to write."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.done: dict[str, dict[str, Any]] = {}
        self.planned: set[str] = set()
        file.seek(0)
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if "planned" in entry:
                self.planned.update(entry["planned"])
            else:
                self.done[entry["recipe"]] = entry["made"]
        file.seek(0, 2)
        file.write("\n")  # closes a line that was cut off

    def plan(self, paths: list[str]) -> None:
        self._write({"planned": paths})

    def finished(self, recipe: str, made: Mapping[str, object]) -> None:
        self._write({"recipe": recipe, "made": made})

    def _write(self, entry: Mapping[str, object]) -> None:
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._file.flush()


@contextlib.contextmanager
def open_journal(folder: Path, waiting: Callable[[], None]) -> Iterator[Journal]:
    """While another delivery writes there, calls `waiting` and waits for its end: what it made need not be made again.
    Raises OSError."""
    path = folder / NAME
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_there(file, path):  # the other one took it away at its end
                continue
            yield Journal(file)
            return


def _is_there(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def remove_journal(folder: Path) -> None:
    (folder / NAME).unlink(missing_ok=True)
