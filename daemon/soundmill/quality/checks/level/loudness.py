"""The quality room, loudness: what audio/loudness.py reads off a clip, and its plain level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import amount

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

METER = ("loudness_lufs", "loudness_range_lu", "loudness_momentary_max_lufs", "loudness_short_term_max_lufs")


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.levels import dbfs

    levels = np.sqrt(sound.power / max(sound.scaled.shape[1], 1)) * sound.peaks
    return Found(
        values={
            **{name: sound.meter.get(name) for name in METER},
            "rms_dbfs": dbfs(min(levels[sound.peaks > 0], default=0.0)),
        }
    )


CHECK = QualityCheck(
    name="loudness",
    measurements={
        "loudness_lufs": Measurement(
            unit="LUFS",
            description="integrated loudness of all channels together; none for silence",
            source="ITU-R BS.1770-4",
        ),
        "loudness_range_lu": Measurement(
            unit="LU",
            description="10th to 95th percentile of the gated short-term loudness; none under 3 s",
            source="EBU Tech 3342",
        ),
        "loudness_momentary_max_lufs": Measurement(
            unit="LUFS", description="loudest 400 ms; none under 400 ms", source="EBU Tech 3341"
        ),
        "loudness_short_term_max_lufs": Measurement(
            unit="LUFS", description="loudest 3 s; none under 3 s", source="EBU Tech 3341"
        ),
        "rms_dbfs": Measurement(
            unit="dBFS",
            description="root mean square; lowest over channels with sound; none for digital silence",
            source="20 log10 sqrt(mean x^2); 0 dBFS is a full-scale square wave, not AES17's sine",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="loudness_min_lufs",
            description="quieter takes fail",
            default=-40.0,
            music=-45.0,
            sound_effects=-50.0,
            least=-100,
            most=0,
        ),
    ),
    rules=(
        Rule(
            name="loudness",
            noticed=0.65,
            measurement="loudness_lufs",
            limit="loudness_min_lufs",
            unit="LUFS",
            needed=True,
            lower=True,
            says=amount("The clip's loudness is {found} LUFS; at least {limit} LUFS is required.", 1),
            missing="The clip is too quiet for its loudness to be measured.",
        ),
    ),
)
