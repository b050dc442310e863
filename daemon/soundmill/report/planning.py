"""Report: what an experiment will show, said before it is run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from soundmill.report.statistics.intervals import least_difference
from soundmill.report.statistics.seeds import OWN_DF_ENOUGH

DEVIATION_POINTS = 10.0  # between takes of one condition, seeds apart: of scores that can show anything
LEVEL = 0.05
USUAL_REPLICATES = (3, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`points`: by number of replicates, the difference that is shown in four of five experiments."""

    of: str  # a factor, or the combination
    points: Mapping[int, float]


def what_it_shows(
    conditions: Collection[Mapping[str, str]], replicates: int, *, crossed: bool, deviation: float = DEVIATION_POINTS
) -> tuple[Shown, ...]:
    """Per factor how far two of its levels have to be apart, and one bad combination from the rest, in points.

    `crossed`: every combination of levels is there; else one factor at a time. `deviation` (points) is that of takes of
    one condition, without what their seeds have in common. The formulas: docs/statistics.md, "What an experiment will
    show".
    """
    runs = [number for number in sorted({replicates, *USUAL_REPLICATES}) if number > 1]
    levels = {name: len({one[name] for one in conditions}) for name in next(iter(conditions), {})}
    varied = {name: count for name, count in levels.items() if count > 1}
    found = []
    for name, count in varied.items():
        together = len(conditions) / count if crossed else 1.0  # conditions that a level's mean is of
        found.append(
            Shown(
                of=name,
                points={
                    number: least_difference(
                        standard_error=deviation * math.sqrt(2 / (number * together)),
                        df=max((number - 1) * (count - 1), OWN_DF_ENOUGH),
                        level=LEVEL,
                    )
                    for number in runs
                },
            )
        )
    if crossed and len(varied) > 1:
        found.append(
            Shown(
                of="one combination",
                points={number: _combination(len(conditions), number, deviation) for number in runs if number > 2},
            )
        )
    return tuple(found)


def _combination(conditions: int, replicates: int, deviation: float) -> float:
    """It has to pass two tests: among all combinations, and by its own seeds, where one side counts."""
    error = deviation * math.sqrt((1 + 1 / (conditions - 1)) / replicates)
    spare = (replicates - 1) * (conditions - 1)
    among = least_difference(standard_error=error, df=spare, level=2 * LEVEL / conditions)
    own = least_difference(standard_error=error, df=replicates - 1, level=2 * LEVEL)
    return max(among, own)


def as_table(shown: Sequence[Shown]) -> list[str]:
    """In lines for a terminal; none where nothing is varied."""
    if not shown:
        return []
    runs = list(shown[0].points)
    width = max(len("replicates"), *(len(one.of) for one in shown))
    head = f"{'replicates':<{width}}" + "".join(f"{number:>6}" for number in runs)
    rows = [
        f"{one.of:<{width}}"
        + "".join(f"{math.ceil(one.points[number]):>6}" if number in one.points else " " * 5 + "-" for number in runs)
        for one in shown
    ]
    return [
        f"differences that are seen in four of five such experiments, in points, where takes of a setting vary by "
        f"{DEVIATION_POINTS:g}:",
        *(f"  {line}" for line in (head, *rows)),
    ]
