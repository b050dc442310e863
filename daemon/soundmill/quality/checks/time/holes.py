"""The quality room, holes: the wave stands still amid the sound, as where packets never came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import span_defects
    from soundmill.quality.detectors.time.holes import holes
    from soundmill.quality.detectors.time.pauses import torn_s

    spans = [
        holes(sound.scaled[c], sound.sample_rate, float(sound.peaks[c])) if sound.peaks[c] > 0 else []
        for c in sound.judged
    ]
    return Found(
        values={"hole_s": torn_s(spans, sound.duration_s)},
        defects=span_defects("holes", spans, "the wave stands still"),
    )


CHECK = QualityCheck(
    name="holes",
    measurements={
        "hole_s": Measurement(
            unit="s",
            description="summed length of the stretches of 5 ms to 1 s in which the wave stands still at zero, entered "
            "and left from one sample to the next by a sound about as loud before and after, or within a millisecond "
            "by the same sound; or from 25 ms on at another value below the crests; highest over channels; 0 for a "
            "wave made of such steps, where four and more holes lie on a beat, and under 1 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(name="hole_max_s", description="summed length of moments at which the wave stands still", default=0.004),
    ),
    rules=(
        Rule(
            name="holes",
            measurement="hole_s",
            limit="hole_max_s",
            unit="s",
            says=fault(
                "The wave stands still amid the sound for {found} s{place}; up to {limit} s is allowed.",
                "The wave never stands still amid the sound.",
                3,
            ),
            missing="Holes were not looked for.",
        ),
    ),
)
