"""What stands on the axes of a grid and what in its cells, from the rows of takes; knows no page.

A factor of an experiment is one, and where a batch is none, a column of its file that has few values. Of numbers that
are nearly all different, as a sampled design draws them, the range is cut into equal parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from soundmill.words import number

MOST_LEVELS = 60  # of an axis; the further ones are left out, and that is said
MANY_NUMBERS = 12  # levels; more numbers than that are put together
PARTS = 8

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Its `levels` in the order of an axis, and to which of them each value belongs that takes have."""

    name: str
    levels: Sequence[str]
    level_of: Mapping[str, str]

    def level(self, settings: Mapping[str, str]) -> str | None:
        value = settings.get(self.name)
        return None if value is None else self.level_of.get(value)


@dataclass(slots=True, kw_only=True)
class Cell:
    """The takes of one place in the grid, in the order they are heard."""

    takes: list[Row] = field(default_factory=list)

    @property
    def score(self) -> float | None:
        """Mean of the scores that there are."""
        scores = [take["score"] for take in self.takes if take["score"] is not None]
        return sum(scores) / len(scores) if scores else None

    @property
    def flagged(self) -> int:
        return sum(take["verdict"] == "failed" for take in self.takes)

    @property
    def stars(self) -> float | None:
        """Mean of the takes that somebody rated."""
        rated = [take["stars"] for take in self.takes if take["stars"] is not None]
        return sum(rated) / len(rated) if rated else None


def factors(rows: Sequence[Row]) -> list[Factor]:
    """Those that can stand on an axis, in the order of the file. Each row has its `settings`: names and values as
    texts."""
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, value in row["settings"].items():
            values.setdefault(name, {})[value] = None
    return [factor(name, list(found)) for name, found in values.items() if len(found) > 1]


def factor(name: str, values: Sequence[str]) -> Factor:
    """A factor with these values, all different: numbers by their size, words as they come."""
    numbers = {value: read for value in values if (read := _number(value)) is not None}
    if len(numbers) < len(values):
        return Factor(name=name, levels=values, level_of={value: value for value in values})
    ordered = sorted(values, key=numbers.__getitem__)
    if len(values) <= MANY_NUMBERS:
        return Factor(name=name, levels=ordered, level_of={value: value for value in values})
    low, high = numbers[ordered[0]], numbers[ordered[-1]]
    part = (high - low) / PARTS
    names = [f"{number(low + n * part)} to {number(low + (n + 1) * part)}" for n in range(PARTS)]
    if len(set(names)) < PARTS:  # they differ by less than a name says
        return Factor(name=name, levels=ordered, level_of={value: value for value in values})
    places = {value: min(PARTS - 1, int((read - low) / part)) for value, read in numbers.items()}
    return Factor(name=name, levels=names, level_of={value: names[place] for value, place in places.items()})


def _number(value: str) -> float | None:
    try:
        read = float(value)
    except ValueError:
        return None
    return read if math.isfinite(read) else None


def cells(
    rows: Sequence[Row], across: Factor, down: Factor | None, fixed: Mapping[str, str], known: Sequence[Factor]
) -> dict[tuple[str, str], Cell]:
    """The cells with takes, by their levels down ('' where nothing is) and across. `fixed` says the level of other
    factors by their names."""
    filters = [each for each in known if each.name in fixed]
    found: dict[tuple[str, str], Cell] = {}
    for row in rows:
        settings = row["settings"]
        if any(each.level(settings) != fixed[each.name] for each in filters):
            continue
        x, y = across.level(settings), "" if down is None else down.level(settings)
        if x is not None and y is not None:
            found.setdefault((y, x), Cell()).takes.append(row)
    return found
