"""Holds claiming back while the outputs folder cannot take a file."""

from __future__ import annotations

import threading
from collections.abc import Callable

from soundmill.errors import StorageUnavailable

CLOSED, OPENED = "storage unavailable", "storage available"  # kinds of event


class StorageGate:
    """Closed by whoever fails to file a take; opened again once a probe write succeeds.

    Shared by all workers. `probe` raises StorageUnavailable while there is no room;
    `report(kind, message)` records the closing and the opening. `now` is seconds that no change of the date moves.
    """

    def __init__(self, probe: Callable[[], None], report: Callable[[str, str], None], recheck_s: float = 5.0) -> None:
        self._probe = probe
        self._report = report
        self._recheck_s = recheck_s
        self._lock = threading.Lock()
        self._closed = False
        self._next_check: float  # while it is closed

    def close(self, now: float) -> bool:
        """Hold claiming back if a probe agrees that nothing can be filed; False when there is room."""
        with self._lock:
            try:
                self._probe()
            except StorageUnavailable as error:
                reason = str(error)
            else:
                return False
            first = not self._closed
            self._closed = True
            self._next_check = now + self._recheck_s
        if first:
            self._report(CLOSED, reason)
        return True

    def is_open(self, now: float) -> bool:
        """True when takes can be filed; probes at most every `recheck_s` while closed."""
        with self._lock:
            if not self._closed:
                return True
            if now < self._next_check:
                return False
            self._next_check = now + self._recheck_s
            try:
                self._probe()
            except StorageUnavailable:
                return False
            self._closed = False
        self._report(OPENED, "the outputs folder takes files again; claiming goes on")
        return True
