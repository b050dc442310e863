"""The quality room, duration: whether a clip is as long as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import Reading, numbers

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    error = None if sound.requested_s is None else sound.duration_s - sound.requested_s
    return Found(values={"duration_s": sound.duration_s, "duration_error_s": error})


def _says(r: Reading) -> str:
    if r.value == 0:
        return "The clip is exactly as long as asked."
    found, limit = numbers(r.value, r.limit, 2)
    return f"The clip is {found} s {'shorter' if r.signed < 0 else 'longer'} than asked; up to {limit} s is allowed."


CHECK = QualityCheck(
    name="duration",
    measurements={
        "duration_s": Measurement(unit="s", description="samples divided by sample rate"),
        "duration_error_s": Measurement(
            unit="s", description="delivered minus asked duration; none when no duration was asked"
        ),
    },
    measure=_measure,
    limits=(Limit(name="duration_tolerance_s", description="difference from the duration asked for", default=0.10),),
    rules=(
        Rule(
            name="duration",
            measurement="duration_error_s",
            limit="duration_tolerance_s",
            unit="s",
            reads=abs,
            says=_says,
            missing="No duration was asked for: not applicable.",
        ),
    ),
)
