"""What the daemon outlives, decided in one place, and what it says of it.

A trouble is an event once, when it begins, and a line of `soundmill status` for as long as it lasts.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from soundmill.disk import MENDS
from soundmill.errors import CatalogError, EngineNotStarted, SoundmillError, StorageUnavailable

log = logging.getLogger(__name__)

# What the system, the disk or the catalogue answers: it passes, whatever it is. A mistake of ours does not.
PASSING = (OSError, MemoryError, StorageUnavailable, CatalogError, EngineNotStarted)
CALM_S = 2.0  # without it before a trouble is over, that one which comes and goes is not a thousand events
SETTING = "troubles"  # the view troubles reads it

Outlive = Callable[[str, Callable[[], object]], bool]


def passes(error: BaseException) -> bool:
    """Whether the daemon goes on after an error and tries again."""
    return isinstance(error, PASSING) or (isinstance(error, RuntimeError) and "can't start new thread" in str(error))


def sentence(error: BaseException) -> str:
    """What went wrong, where, and the mend where one is known."""
    if not isinstance(error, OSError):
        return str(error) if isinstance(error, SoundmillError) else f"{type(error).__name__}: {error}"
    if error.errno is None:
        return str(error)
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    mend = MENDS.get(error.errno)
    return f"{place}{error.strerror}" + (f": {mend}" if mend else f" ({errno.errorcode.get(error.errno)})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`part` of the daemon does not do its work, since `since` (Unix seconds)."""

    part: str
    message: str
    since: float
    began: float  # on the steady clock
    calm_since: float | None = None  # when it was last seen to work again
    told: bool = False
    said: bool = False  # elsewhere, for the catalogue did not take it


class Board(Protocol):
    """Where troubles are put: the catalogue."""

    def event(self, kind: str, message: str) -> None: ...

    def set_setting(self, key: str, value: str) -> None: ...


class Troubles:
    """What does not work at present; safe to share between threads. `clock` gives Unix seconds, `steady` seconds that
    no change of the date moves."""

    def __init__(self, board: Board, *, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        self._board = board
        self._clock = clock
        self._steady = steady
        self._lock = threading.Lock()
        self._troubles: dict[str, Trouble] = {}
        self._over: list[str] = []  # parts whose recovery is still to be told
        self._shown: str | None = None

    def outlive(self, part: str, step: Callable[[], object]) -> bool:
        """Do a step of a part; False when it failed by what passes, which is then on the list until a step succeeds."""
        try:
            step()
        except Exception as error:
            if not passes(error):
                raise
            self.begin(part, sentence(error))
            return False
        self.end(part)
        return True

    def outlive_all(self, part: str, step: Callable[[], object]) -> bool:
        """The same for the main thread, which nobody replaces: a mistake of ours is a trouble, too."""
        try:
            return self.outlive(part, step)
        except Exception as error:
            if part not in self._troubles:
                log.exception("%s: this should not happen", part)
            self.begin(part, f"{type(error).__name__}: {error}; this is a mistake in Soundmill, please report it")
            return False

    def begin(self, part: str, message: str, *, told: bool = False) -> None:
        """`told`: there is an event of it already."""
        with self._lock:
            known = self._troubles.get(part)
            if known is not None:
                self._troubles[part] = replace(known, message=message, calm_since=None)
                return
            self._troubles[part] = Trouble(
                part=part, message=message, since=self._clock(), began=self._steady(), told=told
            )

    def end(self, part: str) -> None:
        with self._lock:
            known = self._troubles.get(part)
            if known is not None and known.calm_since is None:
                self._troubles[part] = replace(known, calm_since=self._steady())

    def lasting(self, part: str, longer_than_s: float) -> str | None:
        """What keeps a part from its work for so long already; None when it works."""
        known = self._troubles.get(part)
        if known is None or known.calm_since is not None or self._steady() - known.began <= longer_than_s:
            return None
        return known.message

    def current(self) -> list[dict[str, object]]:
        """What does not work now, the oldest first, as it is shown."""
        with self._lock:
            known = list(self._troubles.values())
        return [{"part": t.part, "message": t.message, "since": t.since} for t in known]

    def untold(self, longer_than_s: float) -> list[str]:
        """Messages of troubles that the catalogue has not taken for so long, each once: to be told in another way."""
        with self._lock:
            new = [
                each
                for each in self._troubles.values()
                if not (each.told or each.said) and self._steady() - each.began > longer_than_s
            ]
            self._troubles.update({each.part: replace(each, said=True) for each in new})
        return [f"{each.part}: {each.message}" for each in new]

    def post(self) -> None:
        """Tell what is new and show what lasts. What the catalogue does not take now is still due."""
        with self._lock:
            for part, trouble in list(self._troubles.items()):
                if trouble.calm_since is not None and self._steady() - trouble.calm_since >= CALM_S:
                    del self._troubles[part]
                    if trouble.told:
                        self._over.append(part)
            current = list(self._troubles.values())
        try:
            for trouble in current:
                if not trouble.told:
                    self._board.event("trouble", f"{trouble.part}: {trouble.message}")
                    with self._lock:
                        if trouble.part in self._troubles:
                            self._troubles[trouble.part] = replace(self._troubles[trouble.part], told=True)
            while self._over:
                self._board.event("trouble over", f"{self._over[0]}: works again")
                del self._over[0]
            self._show(json.dumps(self.current()))
        except (CatalogError, StorageUnavailable) as error:
            log.debug("troubles cannot be shown: %s", error)

    def clear(self) -> None:
        """Show none: the daemon ends. Raises CatalogError, StorageUnavailable."""
        self._show("[]")

    def _show(self, text: str) -> None:
        if text != self._shown:
            self._board.set_setting(SETTING, text)
            self._shown = text
