"""A thread that runs a step over and over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

STEP_ALLOWANCE_S = 60.0  # a round that takes longer counts as stuck


class LoopThread:
    """Calls `step` until told to stop. Time comes in as `clock`; an exception ends the thread and
    is kept in `error`."""

    def __init__(self, name: str, step: Callable[[], None], *, clock: Callable[[], float]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self._step = step
        self._clock = clock
        self._stop = threading.Event()
        self._due: float
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._due = self._clock() + STEP_ALLOWANCE_S
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def pause(self, seconds: float) -> None:
        """Between two rounds, for the thread itself; a stop ends it."""
        self._stop.wait(seconds)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if it is still running after `timeout_s`."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def making_progress(self, now: float) -> bool:
        return self.alive and now <= self._due

    def allow(self, seconds: float) -> None:
        """Announce that the current round may take this long (a model download, say)."""
        self._due = self._clock() + seconds + STEP_ALLOWANCE_S

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._due = self._clock() + STEP_ALLOWANCE_S
                self._step()
        except BaseException as error:
            self.error = error
            log.debug("thread %s ended", self.name, exc_info=True)
