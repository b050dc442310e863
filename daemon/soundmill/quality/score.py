"""The quality room, scoring: the checks of one take as a single number from 0 to 100, to sort takes by.

No numpy: the daemon scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from soundmill.jobs import Check

LIMIT_SCORE = 49.0  # a take with one measurement exactly at its limit; a failed one has no more
LOWER_LIMITS = ("loudness", "spectral_balance")
SPARE_DB = 30.0  # a take this far inside a lower limit given in dB is faultless in that respect


def score(checks: Iterable[Check]) -> float:
    """0 to 100: 100 is faultless, 49 is at a limit, every take with a failed check has 49 or less.

    For each check, its wear u is 0 where nothing is wrong, 1 at the limit and more beyond it: value / limit for
    upper limits, how much of a 30 dB margin is used up for the lower limits (loudness, spectral range).

    Start at 100. Within the limits each check takes the share u² of the points left above 49, so small faults cost
    little and no number of them alone makes a take look failed: 49 + 51 · Π (1 − uᵢ²). Beyond a limit those 51 points
    are gone, and each failed check leaves 1 / u of the rest: 49 · Π (1 / uᵢ). So twice the allowed silence is 24.5; a
    missing measurement that fails its check, or any non-finite sample, is 0.

    Continuous in every measurement (where its limit is not 0), and it never rises when a fault grows. The weights are
    a convention of Soundmill's, not a published quality scale.
    """
    wears = [wear(check) for check in checks]
    spare = math.prod(1 - min(u, 1.0) ** 2 for u in wears)
    excess = math.prod(1 / max(u, 1.0) for u in wears)
    return LIMIT_SCORE * excess + (100 - LIMIT_SCORE) * spare


def wear(check: Check) -> float:
    """How much of what a check allows is used up: 0 nothing, 1 all of it, more beyond it; inf for no number."""
    value, limit = check.value, check.threshold
    if value is None or not math.isfinite(value):
        return 0.0 if check.passed else math.inf
    if check.name in LOWER_LIMITS:
        used = max(0.0, 1 + (limit - value) / SPARE_DB)
    else:
        fault = max(value, 0.0) if check.name == "repetition" else abs(value)  # opposite segments do not repeat
        used = fault / limit if limit > 0 else (math.inf if fault > 0 else 0.0)
    return min(used, 1.0) if check.passed else max(used, 1.0)  # the check decides, not the division's rounding
