"""The quality room, music: tempo and key against what was asked for, and the seam of what was made as a loop.

All of it is measured in audio/musical/ and comes with what the loudness meter read.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from soundmill.music.asked import key_says, tempo_says
from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import Reading, amount, percent

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    return Found(values={name: sound.meter.get(name) for name in MEASUREMENTS})


def _tempo_says(r: Reading) -> str:
    asked, heard = r.measured.get("asked_bpm"), r.measured.get("tempo_bpm")
    if asked is None or heard is None or not 0 < asked * heard < math.inf:
        return f"The tempo differs by {percent(r.value, r.limit)} from the one asked for."
    return tempo_says(asked, heard)


def _key_says(r: Reading) -> str:
    asked, heard = r.measured.get("asked_key_number"), r.measured.get("key_number")
    if asked is None or heard is None or not math.isfinite(asked + heard):
        return f"The key differs by {percent(r.value, r.limit)} from the one asked for."
    return key_says(int(asked), int(heard))


MEASUREMENTS = {
    "tempo_bpm": Measurement(
        unit="bpm",
        description="beats a minute; none under 3 s, and where nothing begins",
        source="Ellis 2007, Beat Tracking by Dynamic Programming; Klapuri et al. 2006",
    ),
    "tempo_certainty": Measurement(
        unit="correlation", description="how much of the onsets comes back after a beat, two, four and eight"
    ),
    "key_number": Measurement(
        unit="key",
        description="0 to 11 are C major to B major, 12 to 23 C minor to B minor; none without pitches",
        source="Temperley 1999, What's Key for Key?",
    ),
    "key_certainty": Measurement(
        unit="correlation", description="four times how much better the key fits than the next one, at most 1"
    ),
    "asked_bpm": Measurement(
        unit="bpm", description="asked for by the job, a column or the prompt; none where nothing"
    ),
    "asked_key_number": Measurement(unit="key", description="the same of a key, numbered as key_number"),
    "tempo_difference": Measurement(
        unit="share",
        description="from the tempo asked for, or half or double of it; none where nothing was asked or the tempo is "
        "uncertain",
    ),
    "key_difference": Measurement(
        unit="share",
        description="0 the key asked for, 0.5 a fifth from it, 0.7 its relative, 0.8 its parallel or sixth, 1 another; "
        "none as above",
        source="MIREX, Audio Key Detection",
    ),
    "loop_seam": Measurement(
        unit="ratio",
        description="how much rougher the seam of a loop is than 95 % of its own points, in spectrum, level or wave; "
        "worst of channels; none where no loop was asked",
    ),
}
CHECK = QualityCheck(
    name="musical",
    measurements=MEASUREMENTS,
    measure=_measure,
    limits=(
        Limit(
            name="tempo_difference_max",
            description="how far the tempo may be from the one asked for, or half or double of it",
            default=0.1,
            most=1,
            asked=True,
        ),
        Limit(
            name="key_difference_max",
            description="how far the key may be from the one asked for; below 0.8 its neighbours fail, too",
            default=0.8,
            most=1,
            asked=True,
        ),
        Limit(
            name="loop_seam_max",
            description="how rough a loop's seam may be; 1 is as rough as its own points",
            default=1.0,
            asked=True,
        ),
    ),
    rules=(
        Rule(
            name="tempo",
            measurement="tempo_difference",
            limit="tempo_difference_max",
            unit="share",
            says=_tempo_says,
            missing="No tempo was asked for, or none is certain: not applicable.",
        ),
        Rule(
            name="key",
            measurement="key_difference",
            limit="key_difference_max",
            unit="share",
            says=_key_says,
            missing="No key was asked for, or none is certain: not applicable.",
        ),
        Rule(
            name="loop_seam",
            measurement="loop_seam",
            limit="loop_seam_max",
            unit="ratio",
            noticed=0.9,  # it is as rough as its own points
            says=amount("The loop's seam is {found} times as rough as its own points; at most {limit} is allowed.", 2),
            missing="No loop was asked for: not applicable.",
        ),
    ),
)
