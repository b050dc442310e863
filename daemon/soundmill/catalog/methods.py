"""How a function on a database becomes a method of the catalogue: signature and docstring stand once, at the function.

claim = writes(claims.claim)        # def claim(db, now, *, worker, …) -> list[Attempt]
catalog.claim(worker="cpu", …)      # takes the lock, makes one transaction, gives the catalogue's time
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

from soundmill.catalog.connection import transaction, translated

P = ParamSpec("P")
R = TypeVar("R")


class Database:
    """One connection behind one lock, because SQLite before 3.51.3 can damage a write-ahead log that two connections
    write or checkpoint at the same instant. `clock` gives Unix seconds."""

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self._path):
            yield self._connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self._path), transaction(self._connection):
            yield self._connection

    def close(self) -> None:
        with self._read() as db:
            db.close()


class Method(Generic[P, R]):
    """A method of a Database, made of `call(database, …)` and documented as `function` is."""

    def __init__(self, call: Callable[Concatenate[Database, P], R], function: Callable[..., R]) -> None:
        self._call = call
        self.__doc__ = function.__doc__

    def __get__(self, database: Database, kind: type[Database]) -> Callable[P, R]:
        def method(*args: P.args, **kwargs: P.kwargs) -> R:
            return self._call(database, *args, **kwargs)

        return method


def reads(function: Callable[Concatenate[sqlite3.Connection, P], R]) -> Method[P, R]:
    """A method that only reads, of a function (db, …)."""
    return _holding(Database._read, function)


def changes(function: Callable[Concatenate[sqlite3.Connection, P], R]) -> Method[P, R]:
    """A method that is one transaction, of a function (db, …)."""
    return _holding(Database._write, function)


def writes(function: Callable[Concatenate[sqlite3.Connection, float, P], R]) -> Method[P, R]:
    """A method that is one transaction, of a function (db, now, …)."""

    def call(database: Database, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with database._write() as db:
            return function(db, database._clock(), *args, **kwargs)

    return Method(call, function)


def _holding(
    held: Callable[[Database], AbstractContextManager[sqlite3.Connection]],
    function: Callable[Concatenate[sqlite3.Connection, P], R],
) -> Method[P, R]:
    def call(database: Database, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with held(database) as db:
            return function(db, *args, **kwargs)

    return Method(call, function)
