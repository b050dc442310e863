"""The one place where the simulator takes the place of the system: files, SQLite, threads, processes and names.

Patched are functions of this process's own modules, for as long as `patched()` lasts; the code under test is as it is.
"""

from __future__ import annotations

import errno
import fcntl
import io
import itertools
import logging
import os
import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from simulate.world import Killed, Mode, World
from soundmill.catalog.catalog import Catalog
from soundmill.jobs import Attempt, Check, Generated, Judgement, QualityKind, Verdict
from soundmill.service import wiring
from soundmill.service.telling.room import Room

REAL = SimpleNamespace(
    open=os.open, fsync=os.fsync, rename=os.rename, replace=os.replace, link=os.link, unlink=os.unlink,
    mkdir=os.mkdir, scandir=os.scandir, io_open=io.open, fcntl=fcntl.fcntl, connect=sqlite3.connect, pwrite=os.pwrite,
)  # fmt: skip
NO_PROCESS = 2**22 + 1  # larger than Linux gives to any
SAID = SimpleNamespace(TemporaryFile=io.BytesIO)  # for what a process says
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid_of(clock: float, number: int) -> str:
    """That of a moment (Unix seconds), different for each number."""
    moment = int(clock * 1000)
    return "".join(CROCKFORD[moment >> shift & 31] for shift in range(45, -1, -5)) + f"{number:016d}"


# -- files -------------------------------------------------------------------------------------


class Written:
    """A file open for writing: what is written is a step, and a process that dies in it leaves a part."""

    def __init__(self, world: World, path: str, mode: str) -> None:
        self._world = world
        self._path = path
        new = not os.path.lexists(path)
        self._raw = REAL.io_open(path, mode, buffering=0)
        world.disk.written(path, new=new)
        world.handles[self._raw.fileno()] = path

    def write(self, data: bytes) -> int:
        try:
            self._world.step("write", self._path)
        except (Killed, OSError):
            self._raw.write(data[: len(data) // 2])
            raise
        self._world.disk.written(self._path, new=False)
        self._raw.write(data)
        return len(data)

    def flush(self) -> None: ...

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def files_of(world: World) -> Mapping[str, Callable[..., Any]]:
    """What takes the place of functions of `os`, and of io.open."""
    disk = world.disk

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name = os.fspath(path)
        if dir_fd is not None or type(name) is not str or not world.is_mine(name):
            return int(REAL.open(path, flags, mode, dir_fd=dir_fd))
        world.step("open", name)
        new = bool(flags & os.O_CREAT) and not os.path.lexists(name)
        handle = int(REAL.open(name, flags, mode))
        world.handles[handle] = name
        if new:
            disk.written(name, new=True)
        return handle

    def pwrite(handle: int, data: bytes, offset: int) -> int:
        path = world.handles.get(handle)
        if path is None or not world.is_mine(path):
            return int(REAL.pwrite(handle, data, offset))
        world.step("overwrite", path)
        disk.written(path, new=False)
        return int(REAL.pwrite(handle, data, offset))

    def fsync(handle: int) -> None:
        path = world.handles.get(handle)
        if path is None or not world.is_mine(path):
            return
        world.step("fsync", path)
        if path in disk.dirty:
            disk.sync_file(path)
        elif Path(path).is_dir():
            disk.sync_folder(path)

    def two(what: str, do: Callable[[str, str], None], real: Callable[..., None]) -> Callable[..., None]:
        def call(a: Any, b: Any, **options: Any) -> None:
            source, target = os.fspath(a), os.fspath(b)
            if type(source) is not str or not world.is_mine(source):
                real(a, b, **options)
                return
            world.step(what, target)
            do(source, target)

        return call

    def unlink(path: Any, **options: Any) -> None:
        name = os.fspath(path)
        if type(name) is not str or not world.is_mine(name):
            REAL.unlink(path, **options)
            return
        world.step("unlink", name)
        disk.unlink(name)

    def mkdir(path: Any, mode: int = 0o777, **options: Any) -> None:
        name = os.fspath(path)
        if type(name) is not str or not world.is_mine(name):
            REAL.mkdir(path, mode, **options)
            return
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        world.step("mkdir", name)
        disk.mkdir(name, mode)

    def scandir(path: Any = ".") -> Any:
        name = os.fspath(path)
        if type(name) is str and world.is_mine(name):
            world.step("scandir", name)
        return REAL.scandir(path)

    def io_open(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        name = path if isinstance(path, int) else os.fspath(path)
        if type(name) is not str or not world.is_mine(name):
            return REAL.io_open(path, mode, *arguments, **options)
        if mode in ("wb", "xb"):
            world.step("create", name)
            return Written(world, name, mode)
        if "r" in mode:
            world.step("open", name)
        return REAL.io_open(path, mode, *arguments, **options)

    def fcntl_(handle: Any, command: int, argument: Any = 0) -> Any:
        if command == fcntl.F_SETLEASE and world.mode is not Mode.OUTSIDE:
            if argument == fcntl.F_RDLCK and world.is_open_for_writing(handle):
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return 0
        return REAL.fcntl(handle, command, argument)

    return {
        "os.open": open_,
        "os.fsync": fsync,
        "os.pwrite": pwrite,
        "os.rename": two("rename", disk.rename, REAL.rename),
        "os.replace": two("rename", disk.rename, REAL.replace),
        "os.link": two("link", disk.link, REAL.link),
        "os.unlink": unlink,
        "os.mkdir": mkdir,
        "os.scandir": scandir,
        "io.open": io_open,
        "fcntl.fcntl": fcntl_,
    }


# -- SQLite ------------------------------------------------------------------------------------


def connection_of(world: World) -> type[sqlite3.Connection]:
    """SQLite itself is trusted with power cuts: synchronous = FULL. Each statement is a step that may fail."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            self._step(sql)
            done = super().execute(rewritten(sql), parameters)
            if sql == "COMMIT":
                world.on_commit()
            elif sql.startswith("PRAGMA synchronous"):
                world.durable = sql.endswith("FULL")
            elif sql == "ROLLBACK":
                world.on_rollback()
            return done

        def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
            self._step(sql)
            return super().executemany(rewritten(sql), parameters)

        def _step(self, sql: str) -> None:
            try:
                world.sql(sql)
            except sqlite3.OperationalError:
                if sql == "COMMIT" and world.steps % 2:  # what was asked for was done before it failed
                    super().execute(sql)
                    world.on_commit()
                elif sql == "COMMIT" or world.steps % 2:  # SQLite rolls back by itself, or leaves it to the caller
                    if self.in_transaction:
                        super().execute("ROLLBACK")
                    world.on_rollback()
                raise

    cache: dict[str, str] = {}

    def rewritten(sql: str) -> str:
        if not world.rewritten:
            return sql
        if sql not in cache:
            changed = sql
            for fragment, instead in world.rewritten.items():
                changed = changed.replace(fragment, instead)
            cache[sql] = changed
        return cache[sql]

    return Connection


# -- threads and processes ---------------------------------------------------------------------


class Threads:
    """Those of the present process, stepped by hand; named in the order they were started."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self.running: list[Stepped] = []
        self.ended: list[Stepped] = []  # by an error

    def go(self, thread: Stepped) -> None:
        """One round of a thread."""
        if self._steady() < thread.due:
            return
        thread.go()
        if not thread.alive and thread in self.running:
            self.running.remove(thread)
            if thread.error is not None:
                self.ended.append(thread)

    def named(self) -> type[Stepped]:
        threads = self

        class Thread(Stepped):
            def start(self) -> None:
                super().start()
                threads.running.append(self)

        return Thread

    def resting(self) -> type[Instant]:
        """An event whose wait has the one heartbeat come to its turn no sooner than that."""
        threads = self

        class Rest(Instant):
            def wait(self, timeout: float | None = None) -> bool:
                for thread in threads.running:
                    if thread.name == "heartbeat":
                        thread.due = threads._steady() + (timeout or 0.0)
                return self.is_set()

        return Rest


class Stepped:
    """In place of schedule/loop.py's LoopThread: the same to whoever owns it, and its step is called from outside."""

    def __init__(self, name: str, step: Callable[[], None], *, clock: Callable[[], float]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self._step = step
        self.alive = False
        self.due = 0.0
        self._stopped = False

    def start(self) -> None:
        self.alive = True

    def stop(self) -> None:
        self._stopped = True

    def pause(self, seconds: float) -> None: ...

    def allow(self, seconds: float) -> None: ...

    def join(self, timeout_s: float) -> bool:
        self.alive = False
        return True

    def making_progress(self, now: float) -> bool:
        return self.alive

    def go(self) -> None:
        """One round."""
        if self._stopped:
            self.alive = False
        if not self.alive:
            return
        try:
            self._step()
        except Exception as error:
            self.error, self.alive = error, False


class Instant(threading.Event):
    """Never waits."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


class Unwatched:
    """In place of the inbox's watcher: scans find everything."""

    alive = True
    trouble = None

    def __init__(self, folder: object, wake: object) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class AsideProcess:
    """In place of `soundmill report` and `soundmill deliver`: takes a few polls, and fails now and then. `begun(batch)`
    hears of it."""

    def __init__(self, world: World, rng: random.Random, begun: Callable[[str], None], command: Sequence[str]) -> None:
        if world.dead:
            raise Killed
        self.pid = NO_PROCESS
        self.returncode: int | None = None
        begun(command[-1])
        self._polls = rng.randrange(4)
        self._status = 0 if rng.random() < 0.8 else 1
        what = "delivery" if "deliver" in command else "report"
        world.struck[f"{what} failed"] += self._status

    def poll(self) -> int | None:
        self._polls -= 1
        if self._polls < 0:
            self.returncode = self._status
        return self.returncode

    def wait(self) -> int:
        self.returncode = -9
        return self.returncode


# -- judging -----------------------------------------------------------------------------------


def judge_with(config: Any) -> Any:
    """A judge of one check in place of twenty: what is said of a clip is the engine's one measurement."""
    rules = min(wiring.rulesets_of(config))

    def judge(_model: str, _kind: QualityKind | None, measurements: Mapping[str, float | None], _: object) -> Judgement:
        share = measurements["silence_share"] or 0.0
        passed = share < 0.5
        check = Check(name="silence", passed=passed, value=share, threshold=0.5, unit="share", message="too quiet")
        return Judgement(
            checks=(check,),
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            score=100.0 * (1 - share),
            ruleset=rules,
        )

    return judge


def sidecar_for(attempt: Attempt, clip: Generated, judgement: Judgement) -> Mapping[str, object]:
    """Less than what is known of a take: to write all of it is a quarter of a run."""
    return {"job": attempt.job.name, "attempt": attempt.number, "seed": attempt.seed, "verdict": judgement.verdict}


@contextmanager
def patched(
    world: World, *, rng: random.Random, begun: Callable[[str], None], opened: Callable[[sqlite3.Connection], None]
) -> Iterator[Threads]:
    """`rng` decides what reports do and how waits are stretched; `begun(batch)` hears of reports, `opened(connection)`
    of the catalogue, before anything of it is changed."""
    threads = Threads(world.steady)
    waiting = SimpleNamespace(Event=Instant, Lock=threading.Lock, Thread=threading.Thread)
    beating = SimpleNamespace(Event=threads.resting(), Lock=threading.Lock)
    processes = SimpleNamespace(
        Popen=lambda command, **_: AsideProcess(world, rng, begun, command), DEVNULL=subprocess.DEVNULL
    )
    room = partial(Room, measure=lambda _: (10**12, 10**12))  # what else fills this machine's disk is no matter
    numbers = itertools.count(1)
    connection = connection_of(world)

    def connect(path: Any, **how: Any) -> sqlite3.Connection:
        opened = REAL.connect(world.database or path, uri=True, factory=connection, **how)
        return cast(sqlite3.Connection, opened)

    def open_catalog(path: Path, **how: Any) -> Catalog:
        catalog = Catalog.open(path, **how)
        opened(catalog._connection)
        return catalog

    with mock.patch.multiple("soundmill.service.inbox_loop", threading=waiting, Watcher=Unwatched), \
            mock.patch.multiple("soundmill.schedule.pool", threading=waiting, LoopThread=threads.named()), \
            mock.patch("soundmill.service.inbox_loop.LoopThread", threads.named()), \
            mock.patch("soundmill.service.inbox_loop.ULID", lambda: ulid_of(world.clock(), next(numbers))), \
            mock.patch.multiple("soundmill.service.telling.heartbeat", threading=beating, LoopThread=threads.named()), \
            mock.patch("soundmill.service.telling.telling.Room", room), \
            mock.patch.multiple("soundmill.service.aside.process", subprocess=processes, tempfile=SAID), \
            mock.patch.multiple(wiring, judge_with=judge_with, random=rng, sidecar_for=sidecar_for), \
            mock.patch("soundmill.service.daemon.Catalog", SimpleNamespace(open=open_catalog)), \
            mock.patch("sqlite3.connect", connect), \
            _all(files_of(world)):  # fmt: skip
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield threads
        finally:
            logging.disable(before)


@contextmanager
def _all(functions: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    patches = [mock.patch(name, function) for name, function in functions.items()]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.stop()
