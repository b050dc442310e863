"""One life of the real daemon in a process forked for it: `run --once` with the light engine, until a fault ends it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crashpoints import breakage, world
from crashpoints.diary import Diary
from crashpoints.engine import NotingEngine
from crashpoints.plan import POWER, Fault, Plan
from crashpoints.power import Disk
from crashpoints.world import WORLDS, World
from soundmill import faults
from soundmill.config import AlertsConfig, Config, InboxConfig, ScheduleConfig, ScoringConfig
from soundmill.engine.process.engine import ProcessEngine
from soundmill.engine.protocol import Engine
from soundmill.engine.scorers.messages import Scored, Take
from soundmill.engine.scorers.registry import find
from soundmill.errors import SoundmillError
from soundmill.home import Home
from soundmill.inbox import arrivals
from soundmill.schedule import pool
from soundmill.schedule.storage import StorageGate
from soundmill.service import daemon, inbox_loop, scoring
from soundmill.service.daemon import Service

FASTER = 25.0  # than the wall: what is waited for by the clock
BEGAN = time.monotonic()
DATE = 1_700_000_000.0
DATE_JUMP_S = 3600.0
LATE_S = 3.0
ENDED, PROBLEM, NOT_STARTED, BROKE = 0, 3, 5, 4  # exit statuses of a life
OF_REPORTS = ("report.write", "report.remove", "report.settle")  # the points that the reports' process passes


class Listener:
    """Counts passes, does what people do at a point, and lets the faults of this life happen."""

    def __init__(self, number: int, life: Sequence[Fault], diary: Diary, disk: Disk) -> None:
        self._number = number
        self._life = life
        self._diary = diary
        self._disk = disk
        self._lock = threading.Lock()
        self.passes = Counter[str]()
        self.acts: dict[str, Callable[[int], None]] = {}

    def __call__(self, point: str) -> None:
        with self._lock:
            self.passes[point] += 1
            turn = self.passes[point]
        if point in self.acts:
            self.acts[point](turn)
        for fault in self._life:
            if fault.point == point and fault.turn <= turn < fault.turn + fault.times:
                self._happen(fault)

    def _happen(self, fault: Fault) -> None:
        state = self._disk.state() if fault.what == POWER else None
        self._diary.note(
            "fired", life=self._number, point=fault.point, turn=fault.turn, what=fault.what, times=fault.times
        )
        if state is not None:
            self._diary.note("power", life=self._number, **state)
        if fault.ends_the_life:
            os.kill(os.getpid(), signal.SIGKILL)
        raise faults.failure(fault.what)


class Ears:
    """In the place of the scoring process."""

    def score(self, scorer: str, model: str, takes: Sequence[Take]) -> Scored:
        there = [take for take in takes if take.file.exists()]
        return Scored(
            scores={take.key: dict.fromkeys(find(scorer).scores, float(take.key)) for take in there},
            unread={take.key: "is gone" for take in takes if take not in there},
        )

    def interrupt(self) -> None: ...
    def close(self) -> None: ...


def config() -> Config:
    return Config(
        default_model="tiny",
        default_duration=0.2,
        inbox=InboxConfig(settle_s=0.0, patience_s=0.5, scan_interval_s=0.02),
        schedule=ScheduleConfig(max_attempts=4, backoff_max_s=1.0),
        scoring=ScoringConfig(scorers=("clap",)),
        alerts=AlertsConfig(command=("true",), on=("file_rejected",), repeat_s=0.0),
    )


def hurry(in_reports: Sequence[Fault] = ()) -> None:
    """What is waited for by the wall is short, and reports are light ones; `in_reports` happen in the first of them."""
    asked = [" ".join(f"{each.point}:{each.turn}={each.what}" for each in in_reports)] if in_reports else []
    command = [sys.executable, "-S", str(Path(__file__).with_name("light_report.py"))]
    daemon.TICK_S = 0.004
    daemon.STOP_GRACE_S = 0.0
    pool.AFTER_TROUBLE_S = 0.01
    inbox_loop.FAILED_SCAN_S = 0.01
    scoring.WAIT_S = 0.01
    arrivals.GIVEN_UP = 1000  # a file is not written for ever here, but a busy machine may be slow to look
    scoring.open_process = lambda config, generating: Ears()  # type: ignore[assignment,return-value]
    StorageGate.__init__.__defaults__ = (1.0,)  # type: ignore[misc]
    daemon.report_command = lambda home: (
        lambda batch: [*command, str(home.root), batch, *([asked.pop()] if asked else [])]
    )


def live(plan: Plan, number: int, home: Home, aside: Path) -> int:
    """The exit status. `number` is the life's, from 1; `aside` is a folder outside of the home."""
    there = WORLDS[plan.world]
    life = plan.lives[number - 1] if number <= len(plan.lives) else ()
    diary = Diary(aside / "diary")
    disk = Disk(home.root, aside / "shadow", syncs=plan.broken != "fsync")
    if plan.broken is not None:
        breakage.switch_off(plan.broken)
    if any(fault.what == POWER for fault in life):
        disk.install()
    if there.without_links:
        os.link = _no_links
    in_reports = [fault for fault in life if fault.point in OF_REPORTS]
    hurry(in_reports)
    listener = Listener(number, [fault for fault in life if fault not in in_reports], diary, disk)
    for each in in_reports:
        diary.note("fired", life=number, point=each.point, turn=each.turn, what=each.what, times=each.times)
    faults.listen(listener)
    status = _work(plan, there, number, home, aside, listener, diary)
    diary.note("passes", life=number, passes=dict(listener.passes))
    return status


def _work(plan: Plan, there: World, number: int, home: Home, aside: Path, listener: Listener, diary: Diary) -> int:
    date = [DATE]
    late: dict[int, str] = {}  # by the worker's thread: the job whose take it files next
    chance = random.Random(f"{plan.seed} {number}")

    def steady() -> float:
        return (time.monotonic() - BEGAN) * FASTER

    def engine(device: str) -> Engine:
        if there.by_process:
            return ProcessEngine(
                device, backend_for="support.faulty_backend:open_backend", slots=4, load_deadline_s=600.0
            )
        return NotingEngine(
            device, slots=chance.choice((2, 3, 4)), diary=diary, on_late=note_late, on_endless=cancel_it
        )

    def note_late(job: str) -> None:
        late[threading.get_ident()] = job

    def cancel_it(job: str) -> None:
        _leave(home, job, f"01HZZZZZZZZZZZZZZZZZZEND{number:02}")

    def set_the_date(turn: int) -> None:
        if turn == 2:
            date[0] += DATE_JUMP_S * (1 if plan.seed % 2 else -1)

    def cancel_what_is_filed(_: int) -> None:
        if (job := late.pop(threading.get_ident(), None)) is not None:
            _wait_for(_leave(home, job, f"01HZZZZZZZZZZZZZZZZZLATE{number:02}"))

    def stop(turn: int) -> None:
        assert there.stopped_at
        if turn == there.stopped_at[1] and number == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def take_away(_: int) -> None:
        if not diary.notes("taken"):
            _take_away(home, diary)

    def remove_claimed(turn: int) -> None:
        if turn == 1:
            shutil.rmtree(home.inbox / ".claimed")

    listener.acts["catalog.claim.done"] = set_the_date
    if there.somebody_cancels:
        listener.acts["worker.file"] = cancel_what_is_filed
    listener.acts["spool.claim"] = lambda _: world.append_late_row(home)
    if there.stopped_at:
        listener.acts[there.stopped_at[0]] = stop
    if there.taken:
        listener.acts["catalog.choose.done"] = take_away
    if there.folder_gone:
        listener.acts["spool.claim"] = remove_claimed
    started = False
    try:
        _listen_as_systemd(aside / "notify")
        world.people(there, home, diary, aside)
        service = Service(
            home,
            config(),
            devices=["cpu", "cuda:0"][: 1 + plan.seed % 2],
            with_site=False,
            with_reports=there.reports,
            clock=lambda: date[0] + steady(),
            steady=steady,
            engine_for=engine,
            reread=config,
        )
        started = True
        ended = service.run(once=True)
    except (SoundmillError, OSError) as error:
        diary.note("error", life=number, error=f"{type(error).__name__}: {error}", started=started)
        return BROKE if started else NOT_STARTED
    if ended.problem is not None:
        diary.note("problem", life=number, problem=ended.problem)
        return PROBLEM
    return ENDED


def _no_links(*_: Any, **__: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def _leave(home: Home, job: str, ulid: str) -> Path:
    """Somebody cancels a job. They are another process: no point is passed, no disk of ours is written to."""
    path = home.control / f"{ulid}.json"
    content = json.dumps({"action": "cancel", "target": job})
    subprocess.run(["sh", "-c", 'printf %s "$1" > "$2.tmp" && mv "$2.tmp" "$2"', "sh", content, str(path)], check=True)
    return path


def _wait_for(word: Path) -> None:
    """The daemon does it while the job's take is being filed."""
    until = time.monotonic() + LATE_S
    while word.exists() and time.monotonic() < until:
        time.sleep(0.002)


def _take_away(home: Home, diary: Diary) -> None:
    import sqlite3

    with contextlib.closing(sqlite3.connect(f"file:{home.catalog}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT o.path FROM moves m JOIN outputs o ON o.id = m.output_id LIMIT 1").fetchone()
    if row is not None:
        diary.note("taken", path=row[0])
        (home.outputs / row[0]).unlink(missing_ok=True)


def _listen_as_systemd(address: Path) -> None:
    address.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(address))
    os.environ["NOTIFY_SOCKET"] = str(address)

    def drain() -> None:
        while True:
            sock.recv(4096)

    threading.Thread(target=drain, daemon=True).start()


def quiet(log: Path) -> None:
    """What the process prints goes to a file."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(handle, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
