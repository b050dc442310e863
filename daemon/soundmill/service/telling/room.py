"""Room on the disks of a home, and for how long it lasts at the rate of the last day."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundmill.words import number, size, span

SETTING = "storage"  # the view storage reads it
EVERY_S = 60.0
SAMPLED_EVERY_S = 600.0
REMEMBERED_S = 86_400.0
LEAST_S = 3600.0  # of samples, before anything follows from them
LEAST_BYTES = 100_000_000  # used up in them; less is the system's own coming and going
LOW_DAYS = 2.0

Sample = tuple[float, int]  # Unix seconds, free bytes


class Board(Protocol):
    """What this needs of the catalogue."""

    def get_setting(self, key: str) -> str | None: ...
    def set_setting(self, key: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`per_day_bytes` were used up over `seconds`; the free ones then last for `days_left`."""

    per_day_bytes: float
    days_left: float
    seconds: float


def rate(samples: list[Sample]) -> Rate | None:
    """Of free bytes, oldest first; None where they tell nothing, or that the disk does not fill."""
    if not samples:
        return None
    (began, then), (ended, now) = samples[0], samples[-1]
    used, seconds = then - now, ended - began
    if seconds < LEAST_S or used < LEAST_BYTES:
        return None
    per_day = used / seconds * 86_400
    return Rate(per_day_bytes=per_day, days_left=now / per_day, seconds=seconds)


def free_and_size(folder: Path) -> tuple[int, int]:
    """Bytes of its disk that this user may still fill, and all. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


class Room:
    """Measures now and then. `places` maps names to folders; of two on one disk the first stands for both. `warn` is
    handed a sentence where a disk will soon be full, else None."""

    def __init__(
        self,
        board: Board,
        places: Mapping[str, Path],
        warn: Callable[[str | None], None],
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        measure: Callable[[Path], tuple[int, int]] = free_and_size,
    ) -> None:
        self._board = board
        self._places = places
        self._warn = warn
        self._clock = clock
        self._steady = steady
        self._measure = measure
        self._samples: dict[str, list[Sample]] | None = None
        self._due = steady()

    def check(self) -> None:
        """Raises StorageUnavailable, CatalogError."""
        if self._steady() < self._due:
            return
        self._due = self._steady() + EVERY_S
        if self._samples is None:
            self._samples = _remembered(self._board.get_setting(SETTING))
        now = self._clock()
        found, warning, disks = [], None, set[int]()
        for name, folder in self._places.items():
            try:
                if (disk := folder.stat().st_dev) in disks:
                    continue
                free, whole = self._measure(folder)
            except OSError:  # a disk that is not mounted is the storage's trouble
                continue
            disks.add(disk)
            samples = self._samples.get(name, [])
            self._samples[name] = samples = [one for one in samples if now - REMEMBERED_S <= one[0] <= now]
            fills = rate([*samples, (now, free)])
            if not samples or now - samples[-1][0] >= SAMPLED_EVERY_S:
                samples.append((now, free))
            place = {"place": name, "free_bytes": free, "size_bytes": whole, "samples": samples}
            if fills is not None:
                place |= {"per_day_bytes": round(fills.per_day_bytes), "days_left": round(fills.days_left, 2)}
                if fills.days_left < LOW_DAYS:
                    warning = warning or (
                        f"{size(free)} are free for the {name}, which last {number(round(fills.days_left, 1))} days at "
                        f"the rate of the last {span(fills.seconds)}: make room"
                    )
            found.append(place)
        self._warn(warning)
        self._board.set_setting(SETTING, json.dumps({"at": now, "places": found}))


def _remembered(text: str | None) -> dict[str, list[Sample]]:
    try:
        places = json.loads(text or "{}").get("places", [])
        return {str(p["place"]): [(float(at), int(free)) for at, free in p["samples"]] for p in places}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
