"""The quality room, pumping: a gain that falls at once and recovers slowly, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import UNSURE, Found, Measurement, Note, QualityCheck

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.level.pumping import pumping

    found = pumping(list(sound.spectra.values()), sound.slow[sound.judged], sound.sample_rate / sound.slower)
    if found is None:
        return Found(values={"pumping_db": 0.0})
    detail = f"all of it falls by {found.depth_db:.0f} dB at once and recovers, {found.times} times"
    return Found(values={"pumping_db": found.depth_db}, defects=[defect("pumping", found.start_s, found.end_s, detail)])


CHECK = QualityCheck(
    name="pumping",
    measurements={
        "pumping_db": Measurement(
            unit="dB",
            description="median fall of all bands together within 90 ms, of those that recover slowly: four at least "
            "and one in 2 s, or five at a beat of 0.3 to 1.3 s; 0 without them; of all channels together; decides "
            "nothing, since music pumps to its bass drum on purpose",
        ),
    },
    measure=_measure,
    notes=(Note(measurement="pumping_db", clean=3.0, half=12.0, weight=UNSURE),),
)
