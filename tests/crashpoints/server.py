"""A process that has imported everything once and forks one for each life; it reads plans as lines and answers results.

python -m crashpoints.server FOLDER
"""

from __future__ import annotations

import ctypes
import gc
import os
import random
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import sqlite_utils.migrations  # noqa: F401  # as other imports that the daemon leaves for later: once for all lives

from crashpoints import invariants, life, power, world
from crashpoints.diary import Diary
from crashpoints.plan import Fault, Plan, Result
from crashpoints.world import WORLDS
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.migrations import STEPS, migrate
from soundmill.catalog.upgrade import copies
from soundmill.home import Home
from soundmill.inbox.control import Control, drop
from soundmill.service.daemon import Service

LONGEST_LIFE_S = 60.0
MOST_LIVES = 6  # without a fault, after those of the plan
ORPHANS_S = 20.0
SUBREAPER = 36  # prctl(2), PR_SET_CHILD_SUBREAPER


class Server:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates: dict[bool, Path] = {}

    def run(self, plan: Plan) -> Result:
        """All lives of a plan, and what was found wrong."""
        there = WORLDS[plan.world]
        aside = self._folder / "run"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        home = Home(aside / "home")
        shutil.copytree(self._template(there.prepared), home.root)
        for name, text in world.files_of(plan.seed).items():
            world.put(home.inbox, name, text)
        if there.older:
            _make_older(home)
        diary = Diary(aside / "diary")
        before = _children_cpu_s()
        violations, number = list[str](), 0
        while not violations:
            number += 1
            diary.note("life", number=number)
            begun_ns = time.time_ns()
            status = self._live(plan, number, home, aside)
            if status == life.BROKE or status in (1, -signal.SIGALRM) or status > 100:
                violations.append(
                    f"never ends: life {number} ended by itself ({status}): {_last(diary, 'error', number)}"
                )
            for note in diary.notes("power"):
                if note["life"] == number:
                    power.cut(home.root, note, begun_ns, random.Random(f"{plan.seed} {number}"))
            violations += [f"{each}, after life {number}" for each in invariants.half_files(home)]
            if status == life.ENDED and number >= len(plan.lives) + plan.has_errors:
                break
            if number >= len(plan.lives) + MOST_LIVES:
                why = _last(diary, "problem", number) or _last(diary, "error", number)
                violations.append(f"never ends: it does not come to an end: {why}")
        if not violations:
            violations += invariants.in_the_end(home, there, plan.seed, diary)
        fired = tuple(
            tuple(
                Fault(note["point"], note["turn"], note["what"], note["times"])
                for note in diary.notes("fired")
                if note["life"] == each
            )
            for each in range(1, number + 1)
        )
        diary.close()
        return Result(
            fired=fired,
            violations=tuple(violations),
            lives=number,
            passes=tuple(note["passes"] for note in diary.notes("passes")),
            cpu_s=_children_cpu_s() - before,
            log=_tail(aside) if violations else "",
        )

    def _live(self, plan: Plan, number: int, home: Home, aside: Path) -> int:
        """The exit status of one life, negative for a signal, when its last child has ended too."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setsid()
                life.quiet(aside / "log")
                status = life.live(plan, number, home, aside)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        watched = os.pidfd_open(child)
        try:
            ended, _, _ = select.select([watched], [], [], LONGEST_LIFE_S)
        finally:
            os.close(watched)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        _await_orphans()
        return os.waitstatus_to_exitcode(status) if ended else -signal.SIGALRM

    def _template(self, prepared: bool) -> Path:
        """A home that has been in use, or one just set up; made once."""
        if prepared not in self._templates:
            home = Home(self._folder / f"template-{prepared}")
            child = os.fork()
            if child == 0:
                status = 1
                signal.alarm(30)
                try:
                    life.quiet(self._folder / "log")
                    home.root.mkdir()
                    home.create()
                    if prepared:
                        _use(home, self._folder)
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            assert status == 0, (self._folder / "log").read_text()
            self._templates[prepared] = home.root
        return self._templates[prepared]


def _use(home: Home, folder: Path) -> None:
    """Three batches: one that ran, with a job that failed and one that was cancelled, and two that are paused."""
    life.hurry()
    for name, text in world.MADE_BEFORE.items():
        world.put(home.inbox, name, text)
    engine = life.NotingEngine
    diary = Diary(folder / "diary-of-template")
    devices: list[str] = []  # nobody works yet

    def service() -> Service:
        def steady() -> float:
            return (time.monotonic() - life.BEGAN) * life.FASTER

        return Service(
            home,
            life.config(),
            devices=devices,
            with_site=False,
            with_reports=True,
            clock=lambda: life.DATE - 1e6 + steady(),
            steady=steady,
            engine_for=lambda device: engine(
                device, slots=2, diary=diary, on_late=lambda _: None, on_endless=lambda _: None
            ),
            reread=life.config,
        )

    ingesting = service()
    while sum(path.is_file() for path in (home.inbox / "accepted").rglob("*")) < len(world.MADE_BEFORE):
        ingesting.tick()
        time.sleep(0.01)
    wishes = (("pause", "held"), ("pause", "stop"), ("cancel", world.PUT_OFF))
    for number, (action, target) in enumerate(wishes):
        drop(home.control, Control(action=action, target=target), f"01HYYYYYYYYYYYYYYYYYYYYY{number:02}")  # type: ignore[arg-type]
    while any(home.control.iterdir()):
        ingesting.tick()
    ingesting.stop(0.0)
    devices.append("cpu")
    ended = service().run(once=True)
    assert ended.problem is None, ended


def _make_older(home: Home) -> None:
    """A catalogue that lacks a step, with copies from before that step, and too many of others."""
    db = connect_writer(home.catalog)
    migrate(db, before=STEPS[-1].__name__)
    db.close()
    folder = home.root / copies.FOLDER
    folder.mkdir()
    for number in (STEPS[-1].__name__[1:5], "0001", "0002", "0003"):
        (folder / f"before-{number}-20260101T000000Z.db").touch()


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _await_orphans() -> None:
    """Processes of reports and engines, which come to us when their parent dies."""
    until = time.monotonic() + ORPHANS_S
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended == 0:
            if time.monotonic() > until:
                raise RuntimeError("a process outlives its daemon")
            time.sleep(0.002)


def _last(diary: Diary, kind: str, number: int) -> str:
    return "; ".join(str(note[kind]) for note in diary.notes(kind) if note["life"] == number)


def _tail(aside: Path) -> str:
    log = aside / "log"
    return log.read_text(errors="replace")[-6000:] if log.exists() else ""


def main(folder: Path) -> None:
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    server = Server(folder)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(server.run(Plan.from_json(line)).to_json(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
