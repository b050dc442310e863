"""Inbox: accepted files are watched for a while: a writer that kept its file open writes on after it was taken.

After a start those are looked at again that were accepted last: they may have changed while nobody looked.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soundmill.disk import read_plain
from soundmill.inbox.arrivals import State, state_of
from soundmill.inbox.notices import Notice
from soundmill.jobs import Source

WATCHED_S = 3600.0
MOST_WATCHED = 1000
QUIET_S = 3.0  # so long it must have rested before it is spoken of, that the number of bytes is the last one
LOOK_S = 2.0  # of reading at one look: all files may have got new times at once, as from a backup


@dataclass(slots=True)
class _Accepted:
    path: Path
    batch: str
    sha256: str
    size: int
    since: float
    state: State
    changed: float | None = None  # when a change was seen last


class Aftermath:
    """The youngest accepted files. `is_known(sha256)` says whether that content was accepted, meanwhile too."""

    def __init__(self, clock: Callable[[], float], is_known: Callable[[str], bool], *, command: str) -> None:
        self._clock = clock
        self._is_known = is_known
        self._command = command
        self._young: deque[_Accepted] = deque(maxlen=MOST_WATCHED)
        self._changed: dict[str, Notice] = {}  # by the hash of what the file has become

    def watch(self, path: Path, *, batch: str, source: Source) -> None:
        """Begin to watch a file that was accepted as what `source` says; it may have changed before."""
        try:
            state = state_of(path.lstat())
        except OSError:
            return
        now = self._clock()
        changed = None if state[:2] == (source.size_bytes, source.modified_ns) else now
        self._young.append(_Accepted(path, batch, source.sha256, source.size_bytes, now, state, changed))

    def notices(self, max_bytes: int) -> list[Notice]:
        """The files that are not what they were any more, until what they have become is accepted too."""
        now = self._clock()
        for one in list(self._young):
            if self._clock() > now + LOOK_S:
                break
            if now - one.since > WATCHED_S or not self._goes_on(one, now, max_bytes):
                self._young.remove(one)
        for sha256 in [sha256 for sha256 in self._changed if self._is_known(sha256)]:
            del self._changed[sha256]
        return list(self._changed.values())

    def _goes_on(self, one: _Accepted, now: float, max_bytes: int) -> bool:
        """Look once; False when there is nothing more to look for."""
        try:
            state = state_of(one.path.lstat())
            if state != one.state:
                one.state, one.changed = state, now
            if one.changed is None or now - one.changed < QUIET_S:
                return True
            data = read_plain(one.path, max_bytes)
        except OSError:
            return False
        one.changed = None
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 == one.sha256:
            return True
        self._changed[sha256] = Notice(
            kind="changed after it was accepted", file_name=one.path.name, message=self._say(one, len(data))
        )
        return False

    def _say(self, one: _Accepted, size: int) -> str:
        path = shlex.quote(str(one.path.absolute()))
        return (
            f"batch {one.batch} was made of its first version ({one.size:,} bytes) and lacks what was written later "
            f"({size:,} bytes now); to make the rows that it lacks: {self._command} submit --rest {path}"
        )
