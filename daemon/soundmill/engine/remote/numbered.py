"""The engine room, far away: messages that arrive once and in order, over calls that may do neither.

A call to another machine may be lost on its way or on its way back, may come late, twice, or after a later one. So
each side numbers what it has to say, keeps it until the other side has said that it heard it, and says it again with
every call until then; what was heard already, or comes before its turn, is passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

Numbered = tuple[int, bytes]


class Outgoing:
    """What this side has to say, from number 1 on."""

    def __init__(self) -> None:
        self._last = 0
        self._kept: deque[Numbered] = deque()
        self.size_bytes = 0  # of what is kept

    def add(self, message: bytes) -> None:
        self._last += 1
        self._kept.append((self._last, message))
        self.size_bytes += len(message)

    def forget(self, heard: int) -> None:
        """The other side has everything up to this number."""
        while self._kept and self._kept[0][0] <= heard:
            self.size_bytes -= len(self._kept.popleft()[1])

    def after(self, heard: int, most_bytes: float = float("inf")) -> tuple[Numbered, ...]:
        """What comes after that number: the first message whatever its size, more while they fit. Nothing where there
        is no room at all."""
        chosen: list[Numbered] = []
        for number, message in self._kept:
            if number <= heard:
                continue
            if most_bytes <= 0 or (chosen and len(message) > most_bytes):
                break
            chosen.append((number, message))
            most_bytes -= len(message)
        return tuple(chosen)

    def __bool__(self) -> bool:
        return bool(self._kept)


class Incoming:
    """What the other side says. `heard` is the number of the last message of which none before is missing."""

    def __init__(self) -> None:
        self.heard = 0

    def take(self, messages: Iterable[Numbered]) -> list[bytes]:
        """Those that are new, in their order."""
        new: list[bytes] = []
        for number, message in messages:
            if number == self.heard + 1:
                self.heard = number
                new.append(message)
        return new
