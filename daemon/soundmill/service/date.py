"""The date, which may be set anew while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable

from soundmill.catalog.catalog import Catalog
from soundmill.words import span

STEP_S = 1.0  # a smaller one is a clock that is kept right


class Date:
    """The catalogue knows by date when a job may be tried again: where the date is set anew, that moves along. `clock`
    gives Unix seconds, `steady` seconds that no change of the date moves, `longest_wait_s` how long a job waits at
    most."""

    def __init__(
        self,
        catalog: Catalog,
        record: Callable[[str, str], None],
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        longest_wait_s: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._record = record
        self._clock = clock
        self._steady = steady
        self._longest_wait_s = longest_wait_s
        self._ahead_s = clock() - steady()

    def check(self) -> None:
        ahead_s = self._clock() - self._steady()
        moved_s = ahead_s - self._ahead_s
        if abs(moved_s) >= STEP_S:
            self._catalog.clock_moved(moved_s, self._longest_wait_s())
            self._record("clock set", f"{span(abs(moved_s))} {'forward' if moved_s > 0 else 'back'}")
        self._ahead_s = ahead_s
