"""The signals the daemon listens to: SIGINT and SIGTERM stop it, SIGHUP has it read its settings again."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Self

STOP = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Counts signals while it is entered, by the main thread alone. Whoever asks a third time to stop does not want to
    wait for a clean end, and gets none."""

    def __init__(self) -> None:
        self.stops = 0
        self._hangups = 0
        self._former: dict[int, object] = {}

    def hung_up(self) -> bool:
        """Whether SIGHUP came since this was asked last."""
        came, self._hangups = self._hangups > 0, 0
        return came

    def __enter__(self) -> Self:
        for number in (*STOP, signal.SIGHUP):
            self._former[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._former.items():
            signal.signal(number, before)  # type: ignore[arg-type]

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._hangups += 1
            return
        self.stops += 1
        if self.stops > 2:
            os._exit(130)
