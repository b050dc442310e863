"""One run: a home, a daemon of real parts, and everything that a history has in store for them."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from simulate import audit
from simulate.engine import MADE_TO_DIE, SimulatedEngine
from simulate.far import TROUBLES, far_engine
from simulate.observer import Observer, statuses
from simulate.patches import patched
from simulate.scenario import Drop, Item, Mishap, Rate, Wish
from simulate.world import DISK_ERRORS, SQL_ERRORS, Fault, Killed, Mode, Violation, World
from simulate.writers import MOST_BYTES, Writers
from soundmill.catalog.catalog import Catalog
from soundmill.config import Config, InboxConfig, RetentionConfig, ScheduleConfig
from soundmill.engine.protocol import Engine
from soundmill.errors import SoundmillError
from soundmill.home import Home
from soundmill.jobs import QcAction
from soundmill.service.daemon import Service

MAX_ATTEMPTS = 3
DEVICES = ("sim:0", "sim:1")
MOST_ROUNDS = 10_000
MOST_CALM_ROUNDS = 3_000  # without faults, before what is left counts as never worked off
Spoil = Callable[[World], AbstractContextManager[object]]
RESTARTS = 200


@cache
def settings() -> Config:
    return Config(
        default_model="tiny",
        default_duration=0.5,
        on_qc_fail=QcAction.RETRY,
        inbox=InboxConfig(settle_s=1.0, patience_s=10.0, scan_interval_s=1.0, max_file_mb=MOST_BYTES / 2**20),
        retention=RetentionConfig(failed_after_d=0.003, set_aside_after_d=0.001),
        schedule=ScheduleConfig(
            max_attempts=MAX_ATTEMPTS, qc_retries=2, backoff_max_s=20.0, deadline_s=30.0, deadline_per_audio_s=0.0
        ),
    )


@contextlib.contextmanager
def _collecting_by_hand() -> Iterator[None]:
    """Garbage is collected where a daemon begins: connections of dead ones share their cache with the living one's, and
    to close one while that one is in the middle of a statement waits for ever."""
    gc.disable()
    gc.freeze()  # what was imported need not be looked through each time
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


@dataclass(frozen=True, slots=True)
class Result:
    """`digest` is of all steps: two runs of one history have the same."""

    seed: int
    jobs: int
    files: int
    steps: int
    restarts: int
    struck: Counter[str]
    ended: dict[str, int]
    digest: str
    violation: str | None = None
    trace: tuple[tuple[int, str, str], ...] = field(default=(), repr=False)


def run(
    seed: int,
    items: Sequence[Item],
    folder: Path,
    *,
    spoil: Spoil = lambda _: contextlib.nullcontext(),
    far: bool | None = None,
) -> Result:
    """Play a history in `folder`, which is made and removed. `spoil` breaks something on purpose. `far` puts engines on
    other machines; None does so in one run of five."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "graveyard").mkdir(parents=True)
    try:
        with _collecting_by_hand():
            return Run(seed, items, folder, spoil, far).go()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def empty_catalogue(folder: Path) -> bytes:
    """Made once: a fresh catalogue takes longer to make than a short run."""
    path = folder / "empty.db"
    Catalog.open(path, clock=lambda: 0.0).close()
    content = path.read_bytes()
    path.unlink()
    return content


class Run:
    def __init__(self, seed: int, items: Sequence[Item], folder: Path, spoil: Spoil, far: bool | None) -> None:
        self.seed = seed
        self.rng = random.Random(f"run {seed}")
        self.world = World(folder, [item for item in items if isinstance(item, Fault)])
        self.home = Home(self.world.home)
        self.home.create()
        self._anchor = self._new_catalogue(folder)
        self.observer = Observer(self.world, max_attempts=MAX_ATTEMPTS)
        self.writers = Writers(self.world, self.observer)
        self.writers.begin(
            [item for item in items if isinstance(item, Drop)], [item for item in items if isinstance(item, Wish)]
        )
        self.rates = {item.kind: item.share for item in items if isinstance(item, Rate)}
        start = self.world.steady()
        self.mishaps = sorted(((start + m.at_s, m.kind) for m in items if isinstance(m, Mishap)), reverse=True)
        self.service: Service | None = None
        self.restarts = 0
        self.calm = False
        self.slots = self.rng.choice([1, 4, 16, 16, 32])
        self.network = random.Random(f"network {seed}")
        self.far = seed % 5 == 0 if far is None else far
        self._die: set[str] = set()
        self._active: list[object] = []
        self._away = False
        self._last: tuple[str, int] | None = None  # how the last daemon ended
        self._disturbed = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self.world.on_commit = self.observer.committed
        self.world.on_rollback = self.observer.rolled_back
        self.world.interrupt = self._interrupt
        self._spoil = spoil

    def _new_catalogue(self, folder: Path) -> sqlite3.Connection:
        """A database in memory, which lives for as long as this connection does and takes a third of the time, but for
        every eighth run one in a file."""
        self.home.catalog.write_bytes(empty_catalogue(folder.parent))
        if self.seed % 8 == 0:
            return sqlite3.connect(":memory:")
        self.world.database = f"file:simulated-{os.getpid()}?mode=memory&cache=shared"
        anchor = sqlite3.connect(self.world.database, uri=True)
        with contextlib.closing(sqlite3.connect(self.home.catalog)) as empty:
            empty.backup(anchor)
        return anchor

    # -- from the begin to the end -----------------------------------------------------------

    def go(self) -> Result:
        violation = None
        seen = self.observer
        with (
            patched(self.world, rng=self.rng, begun=seen.report_begins, opened=seen.watch) as self.threads,
            self._spoil(self.world),
        ):
            try:
                self._start()
                self._rounds(lambda: self.writers.next_due is None and not self.mishaps and self._idle())
                self._calm_down()
                self._rounds(self._idle)
                self._stop()
                self._start()  # which sweeps what could not be removed while the disk was read-only
                self._round()
                self._stop()
                audit.at_the_end(self.world, self.observer, self.writers)
            except Violation as broken:
                violation = str(broken)
            finally:
                self._drop_the_process()
                self._anchor.close()
        return Result(
            seed=self.seed,
            jobs=self.observer.finished,
            files=len(self.observer.accepted) + len(self.observer.refused),
            steps=self.world.steps,
            restarts=self.restarts,
            struck=self.world.struck,
            ended=statuses(self.observer),
            digest=self._digest.hexdigest(),
            violation=violation,
            trace=tuple(self.world.trace),
        )

    def _calm_down(self) -> None:
        self.calm = True
        self.world.calm()
        self._mount()
        self.writers.resume_all()

    def _rounds(self, is_done: Callable[[], bool]) -> None:
        quiet = 0
        most = MOST_CALM_ROUNDS if self.calm else MOST_ROUNDS
        for _ in range(most):
            quiet = quiet + 1 if is_done() else 0
            if quiet > 3:
                return
            self._round()
        raise Violation(f"not worked off after {most} rounds: {self._left()}")

    def _left(self) -> str:
        service = self.service
        if service is None:
            return "the daemon does not start"
        parts = {
            "inbox": not service.inbox.quiet or bool(service.inbox.stuck), "judging": service._rejudging,
            "jobs": service.catalog.unfinished() > 0, "choosing": service.catalog.undecided(),
            "reports": service._reporter is not None and not service._reporter.worked_off,
            "deliveries": not service._deliveries.worked_off, "asked for": not service._asked.worked_off,
            "retention": not service._pruning.idle,
            "controls": service._controls.waiting,
        }  # fmt: skip
        return f"{[part for part, waits in parts.items() if waits]}, {audit.left(self.world, self.observer)}"

    def _idle(self) -> bool:
        if self.service is None or any(True for _ in self.home.control.iterdir()):
            return False
        return self.service.worked_off and self.service._pool.running == 0

    def _round(self) -> None:
        self.writers.go()
        self._befall()
        try:
            with self.world.acting(Mode.DAEMON):
                if self.service is None:
                    self._start()
                for thread in self._in_any_order():
                    self._go(thread)
        except Killed:
            self._crash()
        self._look_for_mistakes()
        self._digest.update(f"{self.world.steps} {self.observer.finished};".encode())
        self.world.pass_time(self._pause_s())

    def _in_any_order(self) -> list[object]:
        turn: list[object] = ["tick", *self.threads.running]
        self.rng.shuffle(turn)
        return turn

    def _go(self, thread: object) -> None:
        """A round of one thread; those that another round goes on within are left alone."""
        if self.service is None or thread in self._active:
            return
        self._active.append(thread)
        try:
            if thread == "tick":
                self.service.tick()
            elif thread in self.threads.running:
                self.threads.go(thread)
        finally:
            self._active.pop()

    def _pause_s(self) -> float:
        if self.service is not None and self.service._pool.running:
            return self.rng.choice([0.05, 0.25, 0.5])
        return self.rng.choice([0.25, 1.0, 1.0, 3.0])

    def _interrupt(self, fault: Fault) -> None:
        """Another thread's turn in the middle of a step, where no lock is held that it would wait for; perhaps it has a
        job cancelled that this one is busy with."""
        service = self.service
        if service is None or not self._active or len(self._active) > 2:
            return
        locks = (service.catalog._lock, service._gate._lock, service._troubles._lock)
        if any(lock.locked() for lock in locks):
            self.world.struck["interrupt, held off by a lock"] += 1
            return
        others = [thread for thread in ["tick", *self.threads.running] if thread not in self._active]
        if fault.kind == "cancel meanwhile" and "tick" in others:
            busy = [attempt.job.id for post in service._pool.posts for attempt in post.worker.in_flight]
            if busy:
                self.writers.cancel(self.observer.label(busy[fault.pick % len(busy)]), f"{self.world.steps:025d}C")
            others = ["tick"]
        if others:
            self._go(others[fault.pick % len(others)])

    # -- life and death ----------------------------------------------------------------------

    def _start(self) -> None:
        """As systemd does, until it runs."""
        for _ in range(RESTARTS):
            self.restarts += 1
            try:
                with self.world.acting(Mode.DAEMON):
                    self._begin()
            except Killed:
                self._crash()
            except (SoundmillError, OSError, sqlite3.Error) as error:
                self.world.struck[f"start failed: {type(error).__name__}"] += 1
                self.threads.running.clear()
                self.observer.rolled_back()
            else:
                return
            self.world.pass_time(5.0)
        raise Violation(f"does not start after {RESTARTS} tries")

    def _begin(self) -> None:
        self.service = None
        self.threads.running.clear()
        gc.collect()
        last, self._last = self._last, None
        self._disturbed = self._disturbances()
        self.observer.last_beat = None
        engines = dict.fromkeys(DEVICES, self._engine)
        service = Service(
            self.home,
            settings(),
            devices=DEVICES,
            with_site=False,
            with_reports=True,
            clock=self.world.clock,
            steady=self.world.steady,
            engine_for=lambda device: engines[device](device),
        )
        self.service = service
        self.observer.agrees_with_the_catalogue()
        self._is_told_of_the_last(last, service)

    def _is_told_of_the_last(self, last: tuple[str, int] | None, service: Service) -> None:
        if last is None or last[1] != self._disturbances():
            return
        died = service._telling.died is not None
        if died != (last[0] == "running"):
            raise Violation(f"the daemon before was {last[0]} at its end, and it is said that it died: {died}")

    def _disturbances(self) -> int:
        """How often something befell it by which heartbeats may lie."""
        return sum(self.world.struck[kind] for kind in ("clock", "power cut", *DISK_ERRORS, *SQL_ERRORS))

    def _note_the_end(self) -> None:
        """What the next daemon must think of this one, where that can be told."""
        beat, self.observer.last_beat = self.observer.last_beat, None
        known = beat is not None and self._disturbed == self._disturbances() and not self.world.suffers
        self._last = (str(beat), self._disturbed) if known else None

    def _engine(self, device: str) -> Engine:
        """One in five runs has its engines on other machines."""
        if not self.far:
            return self._hire(device)
        return far_engine(self.world, lambda: self._hire(device), self.network, TROUBLES)

    def _hire(self, device: str) -> SimulatedEngine:
        return SimulatedEngine(
            self.world, device, seed=self.seed, slots=self.slots, rates=self.rates, submitted=self.observer.begins,
            dies=lambda: device in self._die and not self._die.discard(device),  # type: ignore[func-returns-value]
        )  # fmt: skip

    def _crash(self) -> None:
        self.world.dead = True
        cut = self.world.power_cut
        if self.service is not None:
            self._note_the_end()
        self._drop_the_process()
        if cut is not None:
            loss = self.world.disk.power_cut(random.Random(cut.pick))
            self.writers.power_cut(loss.undone)
            audit.after_power_cut(self.world, self.observer, self.writers, loss)
        self.world.revive()
        self.world.pass_time(self.rng.choice([0.5, 1.0, 30.0]))

    def _drop_the_process(self) -> None:
        """What a dead process leaves is only what it wrote; its objects unwind without effect."""
        service, self.service = self.service, None
        self._active.clear()
        self.threads.running.clear()
        if service is not None:
            self.world.dead = True
            with self.world.acting(Mode.DAEMON), contextlib.suppress(Killed):
                service._opened.close()
            service._telling.heartbeat._close()  # the system closes what a process had open
        self.observer.rolled_back()

    # -- what befalls it ---------------------------------------------------------------------

    def _befall(self) -> None:
        while self.mishaps and self.mishaps[-1][0] <= self.world.steady():
            _, kind = self.mishaps.pop()
            self.world.struck[kind] += 1
            if kind == "worker":
                self._die.add(self.rng.choice(DEVICES))
            elif kind == "stop":
                self._stop()
            elif kind == "unmounted":
                self._unmount()
            elif kind == "mounted":
                self._mount()

    def _stop(self) -> None:
        service = self.service
        if service is None:
            return
        try:
            with self.world.acting(Mode.DAEMON):
                service.stop(0.0)
                self.service = None
            self._note_the_end()
        except Killed:
            self._crash()
            self._last = None  # it may have said that it stops
        self.service = None

    def _unmount(self) -> None:
        if not self._away:
            self.world.disk.unmounted(str(self.home.outputs))
            self.home.outputs.rename(self.home.root / "outputs-away")
            self.home.outputs.mkdir()
            self._away = True
            self.mishaps.insert(0, (self.world.steady() + 20.0, "mounted"))
            self.mishaps.sort(reverse=True)

    def _mount(self) -> None:
        if self._away:
            self.world.disk.unmounted(str(self.home.outputs))
            self.home.outputs.rmdir()
            (self.home.root / "outputs-away").rename(self.home.outputs)
            self._away = False

    def _look_for_mistakes(self) -> None:
        for thread in self.threads.ended:
            if MADE_TO_DIE not in str(thread.error):
                raise Violation(f"the thread {thread.name} ended: {type(thread.error).__name__}: {thread.error}")
        self.threads.ended.clear()
        if self.service is not None:
            for trouble in self.service._troubles._troubles.values():
                if "mistake in Soundmill" in trouble.message:
                    raise Violation(f"{trouble.part}: {trouble.message}")
