"""The quality room, speed: wow, flutter and steps of pitch, as of a tape or a clock that runs unevenly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import UNSURE, Found, Measurement, Note, QualityCheck

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

LEAST_RATE = 6000  # Hz: with less there are too few partials


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.time.pitch import pitch_step
    from soundmill.quality.detectors.time.speed import unevenness

    if not sound.judged or sound.sample_rate < LEAST_RATE:
        return Found(values={"wow_share": 0.0, "flutter_share": 0.0, "pitch_step_semitones": 0.0})
    slow, rate = sound.slow[sound.judged].mean(axis=0), sound.sample_rate / sound.slower
    found = dict(zip(("wow", "flutter"), unevenness(slow, rate), strict=True))
    step = pitch_step(slow, rate, list(sound.spectra.values()))
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
    if step:
        where = "higher" if step.semitones > 0 else "lower"
        detail = f"all of it is {abs(step.semitones):.1f} semitones {where} from here on"
        defects.append(defect("pitch_step", step.at_s, step.at_s, detail))
    return Found(
        values={
            **{f"{name}_share": each.deviation if each else 0.0 for name, each in found.items()},
            "pitch_step_semitones": step.semitones if step else 0.0,
        },
        defects=defects,
    )


CHECK = QualityCheck(
    name="speed",
    measurements={
        "wow_share": Measurement(
            unit="share of the speed",
            description="by which all from 150 Hz to 1.9 kHz becomes higher and lower together, 0.4 to 7 times a "
            "second at one rate; too small rather than too large; 0 where it does not, under 0.3 % (flutter 0.2 %) and "
            "for more than 4.5 %; of all channels together; decides nothing, since a tape's wow is also an effect",
            source="rates of IEC 60386; optical flow of B. Lucas and T. Kanade (1981)",
        ),
        "flutter_share": Measurement(
            unit="share of the speed",
            description="the same, 6.5 to 20 times a second",
            source="rates of IEC 60386; optical flow of B. Lucas and T. Kanade (1981)",
        ),
        "pitch_step_semitones": Measurement(
            unit="semitones",
            description="by which all from 150 Hz to 3.3 kHz is higher from some moment of the middle 15 s on, 0.5 to "
            "4 either way: what is heard 0.25 s, 2 s and all before and after is alike when moved by so much, and the "
            "spectrum up to 20 kHz with it, and not otherwise; 0 without such a moment; decides nothing, since songs "
            "change their key",
        ),
    },
    measure=_measure,
    notes=(
        Note(measurement="wow_share", clean=0.001, half=0.01, weight=0.3),
        Note(measurement="flutter_share", clean=0.002, half=0.008, weight=0.3),
        Note(measurement="pitch_step_semitones", clean=0.2, half=1.5, reads=abs, weight=UNSURE),
    ),
)
