"""The quality room, speed: wow and flutter, as of a tape or a record that runs unevenly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Measurement, QualityCheck

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.time.speed import unevenness

    slow = sound.slow[sound.judged].mean(axis=0)
    found = dict(zip(("wow", "flutter"), unevenness(slow, sound.sample_rate / sound.slower), strict=True))
    defects = [
        defect(
            name,
            0.0,
            sound.duration_s,
            f"the speed wavers by about {100 * each.deviation:.1f} %, {each.rate_hz:.1f} times a second",
        )
        for name, each in found.items()
        if each
    ]
    return Found(
        values={f"{name}_share": each.deviation if each else 0.0 for name, each in found.items()}, defects=defects
    )


CHECK = QualityCheck(
    name="speed",
    measurements={
        "wow_share": Measurement(
            unit="share of the speed",
            description="by which all from 150 Hz to 1.9 kHz becomes higher and lower together, 0.4 to 6.5 times a "
            "second at one rate; too small rather than too large; 0 where it does not, and for more than 6 %; of all "
            "channels together; decides nothing, since a tape's wow is also an effect",
            source="rates of IEC 60386; optical flow of B. Lucas and T. Kanade (1981)",
        ),
        "flutter_share": Measurement(
            unit="share of the speed",
            description="the same, 6.5 to 20 times a second",
            source="rates of IEC 60386; optical flow of B. Lucas and T. Kanade (1981)",
        ),
    },
    measure=_measure,
)
