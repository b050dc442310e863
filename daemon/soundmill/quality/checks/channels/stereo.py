"""The quality room, stereo: whether left and right belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import amount, fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.channels.stereo import balance, correlation

    if len(sound.scaled) != 2:
        return Found(values={"channel_difference_db": None, "stereo_correlation": None})
    return Found(
        values={
            "channel_difference_db": balance(sound.power * sound.peaks**2),
            "stereo_correlation": correlation(sound.scaled[0], sound.scaled[1], sound.power),
        }
    )


CHECK = QualityCheck(
    name="stereo",
    measurements={
        "channel_difference_db": Measurement(
            unit="dB",
            description="level of left over right or right over left, at most 100; none unless there are two channels "
            "with sound",
            source="10 log10 of the ratio of the powers",
        ),
        "stereo_correlation": Measurement(
            unit="correlation",
            description="of left with right at no delay: -1 is opposite phase; none unless there are two channels",
            source="Pearson's r without removing the means",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="channel_difference_max_db",
            description="level of one stereo channel over the other",
            default=15.0,
            music=16.0,
        ),
        Limit(
            name="opposite_phase_max",
            description="correlation of left with right turned over",
            default=0.7,
            music=0.8,
            most=1,
        ),
    ),
    rules=(
        Rule(
            name="channel_balance",
            measurement="channel_difference_db",
            limit="channel_difference_max_db",
            unit="dB",
            says=amount("One channel is {found} dB louder than the other; up to {limit} dB is allowed.", 1),
            missing="Only two channels with sound can be compared: not applicable.",
        ),
        Rule(
            name="phase",
            measurement="stereo_correlation",
            limit="opposite_phase_max",
            unit="correlation",
            reads=lambda correlation: max(-correlation, 0.0),
            says=fault(
                "Left and right are in opposite phase with a correlation of -{found}; up to -{limit} is allowed.",
                "Left and right are not in opposite phase.",
                2,
            ),
            missing="Only two channels can be in opposite phase: not applicable.",
        ),
    ),
)
