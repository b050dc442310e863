"""The daemon's heartbeat, as it beats: a row of the catalogue by the rounds, a file by a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from soundmill.faults import passing
from soundmill.publish.health import pulse
from soundmill.publish.health.pulse import Beat
from soundmill.schedule.loop import LoopThread

FILE_MODE = 0o640
GOODBYE_S = 2.0  # for the thread's last round: a disk that hangs holds no stop up


class Board(Protocol):
    """What the heartbeat needs of the catalogue; `writing`: a transaction of some thread is under way."""

    @property
    def writing(self) -> bool: ...
    def beat(self, *, pid: int, at: float, steady_s: float, doing: str) -> None: ...


class Heartbeat:
    """Beats from when it is made. `clock` gives Unix seconds, `steady` the machine's seconds that no change of the date
    moves; `troubles` what the daemon cannot do at present. With each beat of the file `look` is called with the part
    that the main thread hangs in, or None."""

    def __init__(
        self,
        board: Board,
        file: Path,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        troubles: Callable[[], Sequence[dict[str, Any]]],
        outlive: Callable[[str, Callable[[], object]], bool],
        look: Callable[[str | None], None],
        every_s: float = pulse.EVERY_S,
    ) -> None:
        self._board = board
        self._file = file
        self._clock = clock
        self._steady = steady
        self._troubles = troubles
        self._outlive = outlive
        self._look = look
        self._every_s = every_s
        self._handle: int | None = None
        self._closed = False
        self._writing = threading.Lock()
        self._state: Literal["running", "stopping", "stopped"] = "running"
        self._busy: tuple[str, float] | None = None
        self._row_due = steady()
        self._ended = threading.Event()
        self._thread = self._started()

    def at(self, part: str | None) -> None:
        """What the main thread is at from now on; None between its rounds."""
        self._busy = None if part is None else (part, self._steady())

    def check(self) -> None:
        """Write the row where it is due. Raises StorageUnavailable, CatalogError."""
        if not self._thread.alive:
            self._thread = self._started()
        if self._steady() >= self._row_due:
            self._row_due = self._steady() + self._every_s
            self._write_row()

    def stopping(self) -> None:
        self._busy = None
        self._state = "stopping"
        with suppress(OSError):
            self._write_file()

    def stop(self) -> None:
        """Beat once more, as stopped. Raises StorageUnavailable, CatalogError."""
        self._thread.stop()
        self._ended.set()
        self._thread.join(GOODBYE_S)
        self._state = "stopped"
        self._busy = None
        try:
            with suppress(OSError):
                self._write_file()
            self._write_row()
        finally:
            with self._writing:
                self._closed = True
                self._close()

    def _started(self) -> LoopThread:
        thread = LoopThread("heartbeat", self._step, clock=self._steady)
        thread.start()
        return thread

    def _step(self) -> None:
        self._outlive("heartbeat file", self._write_file)
        self._look(self._beat().hangs_at)
        self._ended.wait(self._every_s)

    def _beat(self) -> Beat:
        busy, now, steady_s = self._busy, self._clock(), self._steady()
        took_s = 0.0 if busy is None else steady_s - busy[1]
        return Beat(
            pid=os.getpid(),
            at=now,
            steady_s=steady_s,
            state=self._state,
            busy=None if busy is None else (busy[0], now - took_s, took_s),
            writing=self._board.writing,
            troubles=tuple(self._troubles()),
        )

    def _write_row(self) -> None:
        beat = self._beat()
        self._board.beat(pid=beat.pid, at=beat.at, steady_s=beat.steady_s, doing=beat.state)

    def _write_file(self) -> None:
        """In place and through a descriptor that is kept, so that neither a full disk nor a lack of descriptors ends
        it. Raises OSError."""
        with self._writing:
            if self._closed:
                return
            if self._handle is not None and os.fstat(self._handle).st_nlink == 0:
                self._close()
            if self._handle is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._handle = os.open(self._file, flags, FILE_MODE)
            passing("heartbeat.write")
            os.pwrite(self._handle, pulse.packed(self._beat()), 0)

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
