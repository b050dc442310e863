"""The quality room, limits: what the rules compare with, by kind of sound. No numpy.

Music has wider ones than custom where published music holds what they mind: a last chord rings out into silence, an
organ holds a note, an instrument stands on one side or is spread by turning a channel over; loud masters touch full
scale on purpose, and what is cut flat has a limit of its own; at 120 beats a minute a second comes back by itself, and
loops have a limit of their own. So do sound effects: steps are silent between steps, a slam ends in silence, rain is
broadband, an alarm repeats itself, shots are recorded beyond the limit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType

from soundmill.jobs import QualityKind
from soundmill.quality.check import Limit
from soundmill.quality.registry import all_checks

RULE_VERSION = 6  # rises when a rule or the score changes its meaning, so that old takes are judged again

Limits = Mapping[str, float]


def all_limits() -> tuple[Limit, ...]:
    """Every limit there is, in the order in which people are shown them."""
    return tuple(limit for check in all_checks() for limit in check.limits)


def limits_of(kind: QualityKind, changed: Limits = MappingProxyType({})) -> dict[str, float]:
    """The default limits of a kind by name, but for those `changed`. Raises ValueError for a name that is none."""
    limits = {limit.name: limit.of(kind) for limit in all_limits()}
    unknown = sorted(changed.keys() - limits.keys())
    if unknown:
        raise ValueError(f"no such limit: {', '.join(unknown)}; there are {', '.join(limits)}")
    return {**limits, **changed}


def ruleset(kind: QualityKind, limits: Limits) -> str:
    """A short name of the kind, rules and limits a judgement was made by: equal names, equal judgements.

    A limit of what was `asked` for stands in it only where it was changed: takes from before it are not judged again.
    """
    usual = {limit.name: limit.of(kind) for limit in all_limits() if limit.asked}
    counted = {name: float(limits[name]) for name in limits if limits[name] != usual.get(name)}
    text = json.dumps([RULE_VERSION, kind.value, counted], sort_keys=True)
    return f"{kind.value}-{RULE_VERSION}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
