"""One way that alerts go, with a thread of its own: a receiver that hangs holds up nobody.

What is to be told is on record before it is sent and until it was, so that the death of the daemon loses none; one that
had just been sent may then be sent again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from soundmill.catalog.rows import Event
from soundmill.errors import AlertNotSent, CatalogError, StorageUnavailable
from soundmill.service.telling.alerts import Alert, alert_of, body_of
from soundmill.service.telling.send import Send

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AT_ONCE = 200
WAITS_S = (2.0, 10.0, 60.0, 300.0, 600.0)  # after the first failure, the second …; then the alert is given up
MOST_WAITING = 100
MOST_CAUSES = 30  # of one kind in `repeat_s`, told each for itself; beyond, the kind is the cause
SAVED_EVERY_S = 30.0  # where nothing but the place among the events is new
DIRECTLY = 20  # remembered


class Board(Protocol):
    """What this needs of the catalogue."""

    def last_event(self) -> int: ...
    def events_after(self, event_id: int, limit: int) -> list[Event]: ...
    def get_setting(self, key: str) -> str | None: ...
    def set_setting(self, key: str, value: str) -> None: ...
    def event(self, kind: str, message: str) -> None: ...


def setting(name: str) -> str:
    """Where the state of a way is in the catalogue; the view alert_posts reads it."""
    return f"alerts {name}"


@dataclass(slots=True, kw_only=True)
class State:
    """`upto` is the last event that was looked at; `told` when each cause was told last (Unix seconds), `held` what
    came of it since."""

    upto: int
    outbox: list[Alert] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)
    held: dict[str, Alert] = field(default_factory=dict)
    sent: int = 0
    failed: int = 0

    def packed(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__})


class Teller:
    """Tells by `send` the events from when it is made, or from where the last one of its `name` stopped. `trouble` is
    handed why nothing can be sent, or None. `clock` gives Unix seconds, `steady` seconds that no change of the date
    moves."""

    def __init__(
        self,
        name: str,
        send: Send,
        board: Board,
        *,
        home: Path,
        wanted: Collection[str],
        repeat_s: float,
        trouble: Callable[[str | None], None],
        clock: Callable[[], float],
        steady: Callable[[], float],
        look_every_s: float = LOOK_EVERY_S,
        waits_s: tuple[float, ...] = WAITS_S,
    ) -> None:
        """Raises CatalogError, StorageUnavailable."""
        self._name = name
        self._send = send
        self._board = board
        self._home = home
        self._wanted = frozenset(wanted)
        self._repeat_s = repeat_s
        self._trouble = trouble
        self._clock = clock
        self._steady = steady
        self._look_every_s = look_every_s
        self._waits_s = waits_s
        self._state = _remembered(board.get_setting(setting(name))) or State(upto=board.last_event())
        self._tries = 0
        self._retry_at = 0.0
        self._saved_at = 0.0
        self._unsaved = True
        self._lock = threading.Lock()
        self._direct: list[Alert] = []
        self._told_directly: list[tuple[str, str]] = []
        self._wake = threading.Event()
        self._closing = False
        self._left = False
        self._save()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{name}", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Tell what the catalogue does not take, at once and without it, for it may be what everything waits for.
        Should it take the same later, that is not told again."""
        found = alert_of(event, self._wanted)
        if found is None:
            return
        key = (found["cause"], found["message"])
        with self._lock:
            if key in self._told_directly:
                return
            self._told_directly = [*self._told_directly, key][-DIRECTLY:]
        threading.Thread(target=self._tell, args=(found,), name=f"alert-{self._name}", daemon=True).start()

    def _tell(self, found: Alert) -> None:
        try:
            self._send(body_of(found, self._home))
        except AlertNotSent as error:
            self._trouble(str(error))
            with self._lock:
                self._direct.append(found)
            self._wake.set()

    def stop(self, grace_s: float) -> None:
        """Send what is to be sent, for so long at most; the rest is told after the next start."""
        self._closing = True
        self._wake.set()
        self._thread.join(grace_s)
        self._left = self._thread.is_alive()  # whoever goes on from what is on record may not be overtaken

    def _run(self) -> None:
        last = False
        while not last:
            last = self._closing
            try:
                self.step()
            except Exception:  # nobody replaces this thread
                log.exception("alerts by %s: this should not happen", self._name)
            if not last:
                self._wake.wait(self._look_every_s)
                self._wake.clear()

    def step(self) -> None:
        """One look at the events, and what is to be sent of them."""
        with suppress(CatalogError, StorageUnavailable):  # told elsewhere; what comes directly is sent all the same
            self._collect()
        with self._lock:
            direct, self._direct = self._direct, []
        for each in direct:
            self._consider(each)
        self._release()
        self._save()
        while self._state.outbox and self._steady() >= self._retry_at and self._deliver(self._state.outbox[0]):
            pass

    def _collect(self) -> None:
        while events := self._board.events_after(self._state.upto, AT_ONCE):
            for event in events:
                found = alert_of(event, self._wanted)
                if found is not None and not self._was_told(found):
                    self._consider(found)
                self._state.upto = event.id

    def _was_told(self, found: Alert) -> bool:
        key = (found["cause"], found["message"])
        with self._lock:
            if key not in self._told_directly:
                return False
            self._told_directly.remove(key)
            return True

    def _consider(self, found: Alert) -> None:
        state, now = self._state, self._clock()
        cause = found["cause"]
        if cause not in state.told and sum(each.startswith(f"{found['kind']} ") for each in state.told) >= MOST_CAUSES:
            cause = found["kind"]
        self._unsaved = True
        if cause in state.told and now - state.told[cause] < self._repeat_s:
            others = state.held[cause]["others"] + 1 if cause in state.held else 0
            state.held[cause] = found | {"others": others}
            return
        self._put(cause, found, now)

    def _put(self, cause: str, found: Alert, now: float) -> None:
        state = self._state
        state.told[cause] = now
        state.outbox.append(found)
        if len(state.outbox) > MOST_WAITING:
            del state.outbox[0]
            state.failed += 1

    def _release(self) -> None:
        """Tell what was held, once its time is over; a date that was set back does not make it longer."""
        state, now = self._state, self._clock()
        for cause, at in list(state.told.items()):
            state.told[cause] = min(at, now)
            if now - state.told[cause] < self._repeat_s:
                continue
            del state.told[cause]
            self._unsaved = True
            if cause in state.held:
                self._put(cause, state.held.pop(cause), now)

    def _deliver(self, first: Alert) -> bool:
        """Whether the next may be sent at once."""
        try:
            self._send(body_of(first, self._home))
        except AlertNotSent as error:
            self._trouble(str(error))
            self._retry_at = self._steady() + self._waits_s[min(self._tries, len(self._waits_s) - 1)]
            self._tries += 1
            if self._tries > len(self._waits_s):
                self._given_up(first, str(error))
            return False
        self._trouble(None)
        self._tries = 0
        self._state.outbox.remove(first)
        self._state.sent += 1
        self._unsaved = True
        self._save()
        return True

    def _given_up(self, first: Alert, why: str) -> None:
        self._tries = 0
        self._state.outbox.remove(first)
        self._state.failed += 1
        self._unsaved = True
        with suppress(CatalogError, StorageUnavailable):
            self._board.event("alert failed", f"by {self._name}: {why}; it was: {first['message']}")
        self._save()

    def _save(self) -> None:
        moved = self._steady() - self._saved_at >= SAVED_EVERY_S
        if self._left or not (self._unsaved or moved):
            return
        with suppress(CatalogError, StorageUnavailable):
            self._board.set_setting(setting(self._name), self._state.packed())
            self._unsaved, self._saved_at = False, self._steady()


def _remembered(text: str | None) -> State | None:
    """None where there is none, or what is there was written by nobody who knew how."""
    try:
        found: dict[str, Any] = json.loads(text or "null")
        return State(**found)
    except (ValueError, TypeError):
        return None
