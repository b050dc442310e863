"""The quality room, soundness: the checks of one take as a single number from 0 to 100, how far from failing it is.

No numpy: the daemon scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from soundmill.jobs import LIMIT_SCORE, Check
from soundmill.quality.check import NOTICED

SHARPNESS = 2  # how little it costs to be just noticed, and how much to be near a limit
SPARE_DB = 30.0  # a take this far inside a lower limit given in decibels is faultless in that respect
NOTES_COST = 0.5  # at most so much of what a take has above a limit goes for what is only noted
RATIO_UNITS = ("share", "correlation", "full scale")  # fractions of a whole: none of it, or all of it


def score(
    checks: Iterable[Check],
    noticed: Mapping[str, float] = MappingProxyType({}),
    *,
    noted: Iterable[float] = (),
    graver: Mapping[str, float] = MappingProxyType({}),
) -> float:
    """Soundness, 0 to 100: 100 is faultless, 49 is at a limit, every take with a failed check has 49 or less.

    For each check, its wear u is 0 where nothing is wrong, 1 at the limit and more beyond it (see `wear`). What is
    wrong is not noticed up to n, which `noticed` has by the check's name (NOTICED where it has none); from there to
    the limit its strength s = (u - n) / (1 - n) goes from 0 to 1.

    Start at 100. Within the limits each check takes the share s² of the points left above 49:
    49 + 51 · Π (1 - sᵢ²). So clean takes are all at 100 however much they differ, two mild faults cost more than one,
    one near its limit costs more than many mild ones, and no number of them makes a take look failed. What is only
    noted, with the strengths tᵢ of `noted` from 0 to below 1, takes at most half of what is left above 49:
    · (1 - ½ (1 - Π (1 - tᵢ))), so a take with nothing but notes keeps 74.5. Beyond a limit those 51 points are gone,
    and each failed check leaves 1 / u of the rest: 49 · Π (1 / uᵢ), where what exceeds the limit counts as many times
    as `graver` has by the check's name. Twice the allowed silence is 24.5; a missing measurement that fails its check
    is 0.

    It is continuous in every measurement (where its limit is not 0), never rises when a fault grows, and does not
    change when a check is added that finds nothing. The weights are a convention of Soundmill's, not a published
    quality scale, and say nothing of how good a take is to somebody's ears.
    """
    worn = [(check.name, wear(check), noticed.get(check.name, NOTICED)) for check in checks]
    spare = math.prod(1 - max(min(u, 1.0) - n, 0.0) ** SHARPNESS / (1 - n) ** SHARPNESS for _, u, n in worn)
    excess = math.prod(1 / _beyond(u, graver.get(name, 1.0)) for name, u, _ in worn)
    left = 1 - NOTES_COST * (1 - math.prod(1 - strength for strength in noted))
    return LIMIT_SCORE * excess + (100 - LIMIT_SCORE) * spare * left


def _beyond(u: float, times: float) -> float:
    return u if u == math.inf else 1 + max(u - 1, 0.0) * times


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
    if limit == 0 and _is_level(unit):  # of a part against the whole: it cannot be exceeded
        return 0.0 if value <= 0 else 1 + value / SPARE_DB
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
