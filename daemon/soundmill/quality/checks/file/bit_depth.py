"""The quality room, bit depth: samples that were rounded coarsely, which hisses and crackles along with the sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import Reading, numbers

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

BIT_DB = 6.02
SHORTEST_S = 1.5  # blips of old games have few bits and less level


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import span_defects
    from soundmill.quality.detectors.file.bits import quantisation_db

    steps = [
        quantisation_db(sound.scaled[c], float(sound.power[c]), float(sound.peaks[c]))
        if c in sound.judged and sound.peaks[c] > 0 and sound.duration_s >= SHORTEST_S
        else None
        for c in range(len(sound.scaled))
    ]
    coarse = [step for step in steps if step is not None]
    return Found(
        values={"quantisation_db": max(coarse, default=None)},
        defects=span_defects(
            "bit_depth",
            [[] if step is None else [(0.0, sound.duration_s)] for step in steps],
            f"rounded to {-max(coarse) / BIT_DB:.0f} bits" if coarse else "",
        ),
    )


def _says(r: Reading) -> str:
    found, limit = numbers(-r.value / BIT_DB, -r.limit / BIT_DB, 1)
    return f"The samples were rounded to {found} bits; at least {limit} are required."


CHECK = QualityCheck(
    name="bit_depth",
    measurements={
        "quantisation_db": Measurement(
            unit="dB",
            description="step between the values that occur, against the range from the lowest to the highest sample: "
            "-6.02 for each bit; coarsest channel; none where the values are as dense as those of 16 bits, or too few, "
            "and in clips under 1.5 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="quantisation_max_db",
            description="step of samples rounded coarsely against their range: -6.02 dB a bit",
            default=-51.0,
            sound_effects=-37.0,
            least=-100,
            most=0,
        ),
    ),
    rules=(
        Rule(
            name="bit_depth",
            noticed=0.7,
            measurement="quantisation_db",
            limit="quantisation_max_db",
            unit="dB",
            says=_says,
            missing="The samples were not rounded.",
        ),
    ),
)
