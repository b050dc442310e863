"""The pool that keeps one worker alive per device."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from soundmill.errors import CatalogError, SoundmillError, StorageUnavailable
from soundmill.schedule.loop import LoopThread
from soundmill.schedule.trade import Trade
from soundmill.schedule.worker import Worker

log = logging.getLogger(__name__)

RESTART_WAITS_S = (0.0, 1.0, 5.0, 30.0)  # before the first, second, third and every later restart
STEADY_AFTER_S = 300.0  # a thread that ran this long has its restarts forgiven
LEAVING_S = 0.5  # for the last round of a worker that is to end
AFTER_TROUBLE_S = 1.0  # before the next round after one that failed

Hire = Callable[[str, Callable[[float], None]], Worker]
Outlive = Callable[[str, Callable[[], object]], bool]


class Post:
    """A device and whoever works it now: the worker and its thread are replaced when they die."""

    def __init__(self, device: str, hire: Hire, outlive: Outlive, clock: Callable[[], float]) -> None:
        self.device = device
        self._hire = hire
        self._outlive = outlive
        self._clock = clock
        self._stopped = threading.Event()
        self._claiming = True
        self.leaving = False  # its worker is to end once it has finished what it has in flight
        self._cancelled: set[int] = set()
        self._lock = threading.Lock()
        self.restarts = 0
        self._started_at: float
        self.restart_at: float | None
        self.start()

    def start(self) -> None:
        self.thread = LoopThread(f"worker-{self.device}", self._step, clock=self._clock)
        self.worker = self._hire(self.device, self.thread.allow)
        self._started_at = self._clock()
        self.thread.start()
        self.restart_at = None

    def _step(self) -> None:
        with self._lock:
            cancelled, self._cancelled = self._cancelled, set()
        if cancelled:
            self.worker.cancel(cancelled)
        if not self._outlive(f"worker {self.device}", lambda: self.worker.step(claiming=self._claiming)):
            self._stopped.wait(AFTER_TROUBLE_S)

    def cancel(self, job_ids: Iterable[int]) -> None:
        """Handed to the worker at its next round: an engine belongs to one thread."""
        with self._lock:
            self._cancelled.update(job_ids)

    def leave(self) -> None:
        """Have the worker finish what it has in flight and end."""
        self._claiming = False
        self.leaving = True

    def has_left(self) -> bool:
        """Whether it has ended; it gives back what it claimed at the last moment."""
        if self.worker.in_flight and self.thread.alive:
            return False
        self.thread.stop()
        if not self.thread.join(LEAVING_S):
            return False
        self.worker.close("its worker was replaced")
        return True

    def come_back(self) -> None:
        self._claiming, self.leaving, self.restarts = True, False, 0
        self.start()

    def stop_claiming(self) -> None:
        self._claiming = False
        self._stopped.set()

    def plan_restart(self, now: float) -> None:
        if now - self._started_at > STEADY_AFTER_S:
            self.restarts = 0
        wait_s = RESTART_WAITS_S[min(self.restarts, len(RESTART_WAITS_S) - 1)]
        self.restarts += 1
        self.restart_at = now + wait_s


class Pool:
    """One post per device. `hire(device, allow_s)` makes a worker with a fresh engine; `record(kind, message, worker)`
    writes an event; `outlive(part, step)` does a step and is False when it failed by what passes. `clock` gives seconds
    that no change of the date moves."""

    def __init__(
        self,
        devices: Sequence[str],
        hire: Hire,
        record: Callable[[str, str, str], None],
        outlive: Outlive,
        clock: Callable[[], float],
    ) -> None:
        self._hire = hire
        self._outlive = outlive
        self._record = record
        self._clock = clock
        self._devices = tuple(devices)
        self.posts = [Post(device, hire, outlive, clock) for device in devices]

    def use(self, trade: Trade) -> None:
        """Have all work by other numbers from now on."""
        for post in self.posts:
            post.worker.use(trade)

    def attend(self, devices: Sequence[str]) -> None:
        """Have these devices worked from now on: those that have come begin, those that are gone finish what they have
        in flight. Whoever works one already goes on."""
        self._devices = tuple(devices)
        wanted = set(devices)
        for post in self.posts:
            if post.device not in wanted and not post.leaving:
                post.leave()
        self._open()

    def renew(self, devices: Sequence[str]) -> None:
        """Have these devices worked, each by a new worker with a new engine; what is in flight is finished first."""
        self._devices = tuple(devices)
        for post in self.posts:
            post.leave()
        self._open()

    def _open(self) -> None:
        known = {post.device for post in self.posts}
        self.posts += [
            Post(device, self._hire, self._outlive, self._clock) for device in self._devices if device not in known
        ]

    @property
    def running(self) -> int:
        """Clips in flight on all devices."""
        return sum(len(post.worker.in_flight) for post in self.posts)

    def cancel(self, job_ids: Iterable[int]) -> None:
        ids = set(job_ids)
        for post in self.posts:
            post.cancel(ids)

    def check(self) -> None:
        """Replace every dead worker: give its jobs back, end its engine, hire another."""
        now = self._clock()
        for post in list(self.posts):
            if post.leaving:
                if not post.has_left():
                    continue
                if post.device in self._devices:
                    post.come_back()
                else:
                    self.posts.remove(post)
                    self._outlive(f"worker {post.device}", lambda: None)  # what it could not do is nobody's trouble now
            elif post.restart_at is not None:
                if now >= post.restart_at:
                    post.start()
            elif not post.thread.alive:
                self._bury(post, now)

    def _bury(self, post: Post, now: float) -> None:
        error = post.thread.error
        reason = f"worker {post.device} ended: {type(error).__name__}: {error}"
        log.error("%s", reason, exc_info=error if not isinstance(error, SoundmillError) else None)
        try:
            post.worker.close(reason)
            self._record("worker replaced", reason, post.device)
        except (CatalogError, StorageUnavailable) as trouble:
            # The catalogue is why it died, most likely; the jobs are given back once it answers.
            log.error("worker %s cannot be replaced yet: %s", post.device, trouble)
            return
        post.plan_restart(now)

    def making_progress(self) -> bool:
        now = self._clock()
        return all(post.restart_at is not None or post.thread.making_progress(now) for post in self.posts)

    @property
    def hanging(self) -> list[str]:
        """Devices whose worker is in a round for longer than it may take."""
        now = self._clock()
        return [post.device for post in self.posts if post.thread.alive and not post.thread.making_progress(now)]

    def stop(self, grace_s: float, reason: str) -> None:
        """Claim nothing more, give running clips `grace_s` to end, then give the rest back."""
        for post in self.posts:
            post.stop_claiming()
        waiter = threading.Event()
        deadline = self._clock() + grace_s
        while self.running and self._clock() < deadline and any(post.thread.alive for post in self.posts):
            waiter.wait(0.05)
        for post in self.posts:
            post.thread.stop()
        for post in self.posts:
            if not post.thread.join(5.0):
                log.warning("worker %s does not stop; its jobs are given back at the next start", post.device)
                continue
            try:
                post.worker.close(reason)
            except (CatalogError, StorageUnavailable) as trouble:
                log.warning("worker %s: %s; its jobs are given back at the next start", post.device, trouble)
