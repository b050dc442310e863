"""The quality room, pairs: a stereo channel turned over from some moment on, or later than the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import Reading, fault, numbers

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

LISTED_FROM = 0.2


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.channels.pairs import delay, turn
    from soundmill.quality.detectors.defects import defect

    if len(sound.scaled) != 2 or not sound.peaks.all():
        return Found(values=dict.fromkeys(CHECK.measurements))
    turned, at_s = turn(sound.scaled[0], sound.scaled[1], sound.sample_rate)
    alike, later_s = delay(sound.slow[0], sound.slow[1], sound.sample_rate / sound.slower)
    defects = []
    if turned > LISTED_FROM:
        defects.append(defect("polarity_turn", at_s, at_s, "one channel is turned over"))
    if alike > LISTED_FROM:
        later = "right" if later_s > 0 else "left"
        detail = f"{abs(later_s) * 1000:.1f} ms later in channel {later}"
        defects.append(defect("channel_delay", 0.0, sound.duration_s, detail))
    return Found(
        values={
            "polarity_turn": turned,
            "polarity_turn_share": min(at_s, sound.duration_s - at_s) / sound.duration_s if turned else 0.0,
            "delayed_channel": alike,
            "channel_delay_ms": later_s * 1000,
        },
        defects=defects,
    )


def _says(r: Reading) -> str:
    if r.value <= 0:
        return "Neither channel comes later than the other."
    found, limit = numbers(r.value, r.limit, 2)
    return f"One channel comes 4 ms or more after the other, correlated by {found}{r.place}; up to {limit} is allowed."


CHECK = QualityCheck(
    name="pairs",
    measurements={
        "polarity_turn": Measurement(
            unit="correlation",
            description="mean correlation of the quarters of a second of left and right before a moment and, with the "
            "other sign, after it, whichever is nearer to 0; at the moment where that is farthest; 0 without such a "
            "moment, none unless there are two channels with sound",
        ),
        "polarity_turn_share": Measurement(
            unit="share", description="of the clip, which lies on the shorter side of that moment"
        ),
        "delayed_channel": Measurement(
            unit="correlation",
            description="of one channel with the other 4 to 45 ms later, where most of five excerpts of 1.5 s agree on "
            "the delay within 1 ms, are less alike by 0.25 without it and no more alike than a delay of all of it "
            "leaves them, up to 4 kHz; else 0; none unless there are two channels",
        ),
        "channel_delay_ms": Measurement(unit="ms", description="that delay; above 0 where the right channel is later"),
    },
    measure=_measure,
    limits=(
        Limit(
            name="polarity_turn_max",
            description="correlation that turns over at some moment",
            default=0.5,
            most=1,
        ),
        Limit(
            name="delayed_channel_max",
            description="correlation of one channel with the other 4 to 45 ms later",
            default=0.75,
            most=1,
        ),
    ),
    rules=(
        Rule(
            name="polarity_turn",
            measurement="polarity_turn",
            limit="polarity_turn_max",
            graver=("polarity_turn_share", 0.1),
            unit="correlation",
            says=fault(
                "One channel is turned over from some moment on{place}, with correlations of ±{found}; up to {limit} is"
                " allowed.",
                "Neither channel is turned over midway.",
                2,
            ),
            missing="Only two channels with sound can be turned over against each other: not applicable.",
        ),
        Rule(
            name="channel_delay",
            measurement="delayed_channel",
            limit="delayed_channel_max",
            graver=("channel_delay_ms", 4.0),
            unit="correlation",
            says=_says,
            missing="Only two channels with sound can be later than each other: not applicable.",
        ),
    ),
)
