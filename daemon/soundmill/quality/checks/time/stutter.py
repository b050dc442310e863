"""The quality room, stutter and endings: a clip that is stuck for a moment, or over before its sound is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import UNSURE, Found, Limit, Measurement, Note, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

NO_END_DB = -100.0
LISTED_FROM_DB = -22.0  # what ends softer was dying away, and was let go


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.time.ending import LOUD, ending_db
    from soundmill.quality.detectors.time.stutter import stutters
    from soundmill.quality.sound import BLOCK

    if not sound.peaks[sound.judged].any() or not sound.blocks.shape[1]:
        return Found(values={"stutter_s": 0.0, "ending_db": NO_END_DB})
    slow = sound.slow[sound.judged].mean(axis=0)
    stuck = stutters(slow, sound.sample_rate / sound.slower, sound.heard, sound.sample_rate)
    loud = float(np.quantile(sound.blocks[sound.judged].mean(axis=0) / BLOCK, LOUD))
    ends = ending_db(sound.heard, sound.sample_rate, loud)
    defects = [
        defect("stutter", each.start_s, each.end_s, f"the same {1000 * each.period_s:.0f} ms again and again")
        for each in stuck
    ]
    if ends is not None and ends > LISTED_FROM_DB:
        defects.append(defect("ending_cut", sound.duration_s, sound.duration_s, "the clip ends and not its sound"))
    return Found(
        values={
            "stutter_s": sum(each.end_s - each.start_s for each in stuck),
            "ending_db": NO_END_DB if ends is None else max(ends, NO_END_DB),
        },
        defects=defects,
    )


CHECK = QualityCheck(
    name="stutter",
    measurements={
        "stutter_s": Measurement(
            unit="s",
            description="summed length of what is the 20 to 100 ms before it once more, to 2 % of the power of its "
            "slope, for one and a half such periods or more, and like nothing sooner; of all channels together",
        ),
        "ending_db": Measurement(
            unit="dB",
            description="level of the last 60 ms against what nine in ten blocks of 64 samples do not reach, where the "
            "last 3 ms are no 9 dB softer and the clip does not begin as abruptly, within 9 dB as loud; else -100, and "
            "under 2.5 s; decides nothing: "
            "what is asked for by its length ends somewhere",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="stutter_max_s",
            description="summed length of 20 to 100 ms played again and again",
            default=0.06,
            sound_effects=300.0,
        ),
    ),
    rules=(
        Rule(
            name="stutter",
            measurement="stutter_s",
            limit="stutter_max_s",
            unit="s",
            says=fault(
                "The sound stutters for {found} s{place}; up to {limit} s is allowed.", "The sound never stutters.", 2
            ),
            missing="Stutter was not looked for.",
        ),
    ),
    notes=(
        Note(measurement="stutter_s", clean=0.06, half=0.3),
        Note(measurement="ending_db", clean=-24.0, half=-9.0, weight=UNSURE),
    ),
)
