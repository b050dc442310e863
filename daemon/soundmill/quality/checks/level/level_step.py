"""The quality room, level steps: the loudness jumps while the sound stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

LISTED_FROM_DB = 3.0  # smaller steps are no defects


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.level.steps import level_step

    step, at = max((level_step(each) for each in sound.spectra.values()), default=(0.0, 0.0))
    values = {"level_step_db": step}
    if step < LISTED_FROM_DB:
        return Found(values=values)
    return Found(values=values, defects=[defect("level_step", at, at, f"the level jumps by {step:.1f} dB")])


CHECK = QualityCheck(
    name="level_step",
    measurements={
        "level_step_db": Measurement(
            unit="dB",
            description="largest sudden, lasting change of level, up to 30 dB, that all bands of the spectrum and soft "
            "and loud moments share; largest over channels; 0 under 2 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="level_step_max_db",
            description="sudden, lasting change of level in all bands alike",
            default=20.0,
        ),
    ),
    rules=(
        Rule(
            name="level_step",
            noticed=0.6,
            measurement="level_step_db",
            limit="level_step_max_db",
            unit="dB",
            says=fault(
                "The level jumps by {found} dB{place}; up to {limit} dB is allowed.", "The level never jumps.", 1
            ),
            missing="Jumps of the level were not looked for.",
        ),
    ),
)
