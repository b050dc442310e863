"""The quality room, scoring: the checks of one take as a single number from 0 to 100, to sort takes by.

No numpy: the daemon scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from soundmill.jobs import LIMIT_SCORE, Check

SHARPNESS = 4  # how little it costs to be far inside a limit, and how much to be near it
SPARE_DB = 30.0  # a take this far inside a lower limit given in decibels is faultless in that respect
RATIO_UNITS = ("share", "correlation", "full scale")  # fractions of a whole: none of it, or all of it


def score(checks: Iterable[Check]) -> float:
    """0 to 100: 100 is faultless, 49 is at a limit, every take with a failed check has 49 or less.

    For each check, its wear u is 0 where nothing is wrong, 1 at the limit and more beyond it (see `wear`).

    Start at 100. Within the limits each check takes the share u⁴ of the points left above 49:
    49 + 51 · Π (1 − uᵢ⁴). Using half of what a check allows costs 3 points, four fifths 21, nine tenths 33. So takes
    that are merely different stay close together near the top, one that came close to failing is told from them, and
    no number of small faults makes a take look failed. Beyond a limit those 51 points are gone, and each failed check
    leaves 1 / u of the rest: 49 · Π (1 / uᵢ). Twice the allowed silence is 24.5; a missing measurement that fails its
    check is 0.

    The score is continuous in every measurement (where its limit is not 0), never rises when a fault grows, and does
    not change when a check is added that finds nothing. The weights are a convention of Soundmill's, not a published
    quality scale: a score compares takes, it does not say how good a take is to somebody's ears.
    """
    wears = [wear(check) for check in checks]
    spare = math.prod(1 - min(u, 1.0) ** SHARPNESS for u in wears)
    excess = math.prod(1 / max(u, 1.0) for u in wears)
    return LIMIT_SCORE * excess + (100 - LIMIT_SCORE) * spare


def wear(check: Check) -> float:
    """How much of what a check allows is used up: 0 nothing, 1 all of it, more beyond it; inf for no number.

    For an upper limit that is value / limit, of either sign; a negative correlation counts as none. For a lower limit
    in decibels it is how much of a 30 dB margin is used up, for another one limit / value. Where nothing at all is
    allowed (a limit of 0), each click or sample counts as one limit, and any share is infinitely too much.

    Which kind of limit it is shows in the check itself: whether the value passed on this side of the limit.
    """
    value, limit = check.value, check.threshold
    if value is None or not math.isfinite(value):
        return 0.0 if check.passed else math.inf
    used = _below(value, limit, check.unit) if _is_lower(check) else _above(value, limit, check.unit)
    return min(used, 1.0) if check.passed else max(used, 1.0)  # the check decides, not the division's rounding


def _is_lower(check: Check) -> bool:
    """Whether the check asks for at least its threshold."""
    assert check.value is not None
    if check.passed:
        return check.value > check.threshold
    too_much_below_zero = abs(check.value) > check.threshold >= 0 and not _is_level(check.unit)
    return check.value < check.threshold and not too_much_below_zero


def _above(value: float, limit: float, unit: str) -> float:
    fault = max(value, 0.0) if unit == "correlation" else abs(value)
    if limit > 0:
        return fault / limit
    if limit < 0:  # a level, such as a peak of at most -1 dBFS
        return max(0.0, 1 + (value - limit) / SPARE_DB)
    if fault == 0:
        return 0.0
    return math.inf if unit in RATIO_UNITS else 1 + fault


def _below(value: float, limit: float, unit: str) -> float:
    if _is_level(unit):
        return max(0.0, 1 + (limit - value) / SPARE_DB)
    if value <= 0 or limit <= 0:
        return max(0.0, 1 + (limit - value))
    return limit / value


def _is_level(unit: str) -> bool:
    """Decibels of any kind, where the sign means more or less and not one side or the other."""
    return unit.startswith(("dB", "LU"))
