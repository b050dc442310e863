"""Inbox: the designs of an experiment — which conditions, and in which order. A condition is a level per factor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

Condition = tuple[str, ...]  # a level for each factor, in the factors' order
Levels = Sequence[Sequence[str]]  # of each factor


class Design(Protocol):
    """Conditions, each once. `size` is known without making them, and so is whether one is among them."""

    @property
    def size(self) -> int: ...

    def __iter__(self) -> Iterator[Condition]: ...

    def __contains__(self, condition: object) -> bool: ...


@dataclass(frozen=True, slots=True)
class FullFactorial:
    """Every combination; the last factor varies fastest."""

    levels: Levels

    @property
    def size(self) -> int:
        return math.prod(len(choices) for choices in self.levels)

    def __iter__(self) -> Iterator[Condition]:
        # itertools.product copies its inputs, not their product
        return product(*self.levels)

    def __contains__(self, condition: object) -> bool:
        return isinstance(condition, tuple) and _has_levels(condition, self.levels)


@dataclass(frozen=True, slots=True)
class OneFactorAtATime:
    """The baseline, then each factor's other levels with all other factors at the baseline."""

    levels: Levels
    baseline: Condition

    @property
    def size(self) -> int:
        return 1 + sum(
            sum(level != base for level in choices) for choices, base in zip(self.levels, self.baseline, strict=True)
        )

    def __iter__(self) -> Iterator[Condition]:
        yield self.baseline
        for which, choices in enumerate(self.levels):
            for level in choices:
                if level != self.baseline[which]:
                    yield (*self.baseline[:which], level, *self.baseline[which + 1 :])

    def __contains__(self, condition: object) -> bool:
        if not isinstance(condition, tuple) or not _has_levels(condition, self.levels):
            return False
        changed = [level for level, base in zip(condition, self.baseline, strict=True) if level != base]
        return len(changed) <= 1


class Sampled:
    """Conditions that were drawn. What rounding made equal is one condition."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = dict.fromkeys(conditions)

    @property
    def size(self) -> int:
        return len(self._conditions)

    def __iter__(self) -> Iterator[Condition]:
        return iter(self._conditions)

    def __contains__(self, condition: object) -> bool:
        return isinstance(condition, tuple) and condition in self._conditions


def _has_levels(condition: tuple[object, ...], levels: Levels) -> bool:
    return len(condition) == len(levels) and all(
        level in choices for level, choices in zip(condition, levels, strict=True)
    )
