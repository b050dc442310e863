"""Opening a catalogue in a process that is killed meanwhile: in the middle of the copy, in the middle of a step,
between two steps, or before the views."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from soundmill.catalog import migrations
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.upgrade import copies


def upgrade(path: Path, where: str, number: int) -> int | None:
    """The exit status of that process. All are forked from one that has imported what they need."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "sqlite_utils.migrations"])
    process = processes.Process(target=_open, args=(path, where, number))
    process.start()
    process.join()
    return process.exitcode


def _open(path: Path, where: str, number: int) -> None:
    if where == "copy":
        copies.write_copy = _half(copies.write_copy)
    elif where == "copied":
        copies.sync_folder = _die
    elif where == "in":
        steps = list(migrations.STEPS)
        steps[number] = _dying(steps[number])
        migrations.STEPS = tuple(steps)  # type: ignore[assignment]
    elif where == "views":
        migrations._refresh_views = _die
    else:
        migrations.transaction = _counted(migrations.transaction, number)
    Catalog.open(path, clock=time.time)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _half(write_copy: Callable[..., None]) -> Callable[..., None]:
    def half(db: sqlite3.Connection, target: Path) -> None:
        write_copy(db, target)
        with target.open("r+b") as file:
            file.truncate(6000)
        _die()

    return half


def _dying(step: Callable[[Any], None]) -> Callable[[Any], None]:
    def run(db: Any) -> None:
        step(db)
        _die()

    run.__name__ = step.__name__
    return run


def _counted(transaction: Callable[..., Any], number: int) -> Callable[..., Any]:
    left = [number]

    @contextmanager
    def counted(db: sqlite3.Connection) -> Iterator[None]:
        with transaction(db):
            yield
        left[0] -= 1
        if left[0] == 0:
            _die()

    return counted
