"""What is to happen in one run: lives of the daemon one after another on one home, and the faults in each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

KILL = "kill"
POWER = "power"  # killed, and then the disk has lost what was not synced


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the passes `turn` … `turn + times - 1` of a point: KILL, POWER, or an error's name."""

    point: str
    turn: int
    what: str
    times: int = 1

    @property
    def ends_the_life(self) -> bool:
        return self.what in (KILL, POWER)


@dataclass(frozen=True, slots=True)
class Plan:
    """`world` is what is there and what people do (world.py); `lives` has the faults of each life, and lives without
    any follow until all is done. `broken` switches a safeguard off (breakage.py)."""

    world: str
    seed: int
    lives: tuple[tuple[Fault, ...], ...] = ()
    broken: str | None = None

    @property
    def has_errors(self) -> bool:
        """Then a life without faults follows: what could not be removed is, at the next start."""
        return any(not fault.ends_the_life for life in self.lives for fault in life)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        data = json.loads(text)
        lives = tuple(tuple(Fault(**fault) for fault in life) for life in data.pop("lives"))
        return cls(lives=lives, **data)


@dataclass(frozen=True, slots=True)
class Result:
    """`fired` are the faults that came to happen, by life; `passes` how often each point was passed in each life that
    ended by itself; `violations` what was found wrong, as sentences. `cpu_s` is the processor time of all lives."""

    fired: tuple[tuple[Fault, ...], ...]
    violations: tuple[str, ...]
    lives: int
    passes: tuple[dict[str, int], ...] = ()
    cpu_s: float = 0.0
    log: str = field(default="", repr=False)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        data: dict[str, Any] = json.loads(text)
        fired = tuple(tuple(Fault(**fault) for fault in life) for life in data.pop("fired"))
        return cls(fired=fired, violations=tuple(data.pop("violations")), passes=tuple(data.pop("passes")), **data)
