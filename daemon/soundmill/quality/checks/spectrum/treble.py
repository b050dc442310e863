"""The quality room, treble: high frequencies that are gone from some moment on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

LISTED_FROM_DB = 15.0


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.spectrum.treble import treble_lost

    fell, at_s, hertz = max((treble_lost(each) for each in sound.spectra.values()), default=(0.0, 0.0, 0.0))
    values = {"treble_lost_db": fell}
    if fell < LISTED_FROM_DB:
        return Found(values=values)
    detail = f"what lies above {hertz:.0f} Hz falls by {fell:.0f} dB for good"
    return Found(values=values, defects=[defect("treble_lost", at_s, sound.duration_s, detail)])


CHECK = QualityCheck(
    name="treble",
    measurements={
        "treble_lost_db": Measurement(
            unit="dB",
            description="by how much the power above a frequency from 1 to 6.5 kHz, against that of the octave and a "
            "half below it, lies in half of the quarters of a second before a moment above the most that it ever is "
            "after it, less three times what the median below changes by beyond 6 dB; where that is most, with 1 s "
            "on either side; highest over channels",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="treble_lost_max_db",
            description="lasting fall of all treble, the rest going on",
            default=20.0,
        ),
    ),
    rules=(
        Rule(
            name="treble_lost",
            noticed=0.6,
            measurement="treble_lost_db",
            limit="treble_lost_max_db",
            unit="dB",
            says=fault(
                "The treble is lost: it falls by {found} dB or more and never comes back{place}; up to {limit} dB is"
                " allowed.",
                "The treble is never lost.",
                1,
            ),
            missing="Whether treble is lost was not looked for.",
        ),
    ),
)
