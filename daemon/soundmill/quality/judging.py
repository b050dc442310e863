"""The quality room, judging: measurements and limits in, checks and a verdict out.

Pure and without numpy: the daemon judges, so a changed limit re-judges old takes without their audio. Numbers alone
decide; the defects that were found with them only tell the sentences where to point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from soundmill.jobs import Check, Judgement, QualityKind, Verdict
from soundmill.quality.check import Rule, Values
from soundmill.quality.limits import Limits, ruleset
from soundmill.quality.registry import notes, rules
from soundmill.quality.sentences import Defects, Reading, in_channel, named, where, worse_channel
from soundmill.quality.soundness import score


def judge(
    measurements: Values,
    limits: Limits,
    defects: Defects = (),
    kind: QualityKind = QualityKind.MUSIC,
    also: Sequence[Check] = (),
) -> Judgement:
    """The checks of one take: those made `also`, which are not of its measurements, and one for each rule in their
    order. The verdict is failed when any of them is.

    `kind` is whose limits these are; it stands in the ruleset's name. A missing measurement (None or absent) passes
    where it means "not applicable" (repetition under two seconds, no duration asked, no samples from before
    normalisation, a take older than the measurement) and fails where a sounding clip would have a number.
    """
    checks = (*also, *(_check(rule, measurements, limits, defects) for rule in rules()))
    return Judgement(
        checks=checks,
        verdict=Verdict.PASSED if all(check.passed for check in checks) else Verdict.FAILED,
        score=score(
            checks,
            {rule.name: rule.noticed for rule in rules()},
            noted=[note.strength(measurements) for note in notes()],
            graver={rule.name: _times(rule, measurements) for rule in rules() if rule.graver},
        ),
        ruleset=ruleset(kind, limits),
    )


def _times(rule: Rule, measurements: Values) -> float:
    """How many times what exceeds the rule's limit counts."""
    measurement, amount = rule.graver or ("", 1.0)
    value = measurements.get(measurement)
    return 1.0 if value is None or not math.isfinite(value) else abs(value) / amount


def _check(rule: Rule, measurements: Values, limits: Limits, defects: Defects) -> Check:
    limit = float(limits[rule.limit])
    delivered = measurements.get(rule.measurement)
    allowed = measurements.get(rule.over) if rule.over else None
    if delivered is not None and allowed is not None:
        delivered -= max(allowed, 0.0)
    before = measurements.get(rule.before) if rule.before else None
    counted = [rule.reads(value) for value in (delivered, before) if value is not None]
    if delivered is None and (rule.needed or not counted):
        return Check(
            name=rule.name,
            passed=not rule.needed,
            value=None,
            threshold=limit,
            unit=rule.unit,
            message=rule.missing,
        )
    # Not max(): a NaN among them must fail too.
    passed = all(value >= limit if rule.lower else value <= limit for value in counted)
    worst = max(counted)
    listed = named(defects, (rule.name, *rule.places))
    channel = worse_channel(listed) if rule.by_channel else None
    reading = Reading(
        value=worst,
        limit=limit,
        signed=worst if delivered is None else delivered,
        place=where(in_channel(listed, channel) if channel else listed, measurements.get("duration_s")),
        whose=f"the {channel} channel" if channel else "the clip",
        hidden=before is not None and (delivered is None or rule.reads(before) > rule.reads(delivered)),
        measured=measurements,
    )
    return Check(
        name=rule.name,
        passed=passed,
        value=reading.signed if rule.reads is abs else worst,
        threshold=limit,
        unit=rule.unit,
        message=rule.says(reading),
    )
