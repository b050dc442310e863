"""The quality room, peaks: how high the samples reach, and the wave between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.levels import dbfs

    before = sound.before
    return Found(
        values={
            "peak_dbfs": dbfs(sound.peaks.max(initial=0.0)),
            "peak_before_dbfs": None if before is None else dbfs(before.peaks.max(initial=0.0)),
            "true_peak_dbtp": sound.meter.get("true_peak_dbtp"),
        }
    )


CHECK = QualityCheck(
    name="peaks",
    measurements={
        "peak_dbfs": Measurement(
            unit="dBFS",
            description="largest sample; highest over channels; none for digital silence",
            source="20 log10 max|x|",
        ),
        "peak_before_dbfs": Measurement(
            unit="dBFS",
            description="largest sample before normalisation; highest over channels",
            source="20 log10 max|x|",
        ),
        "true_peak_dbtp": Measurement(
            unit="dBTP",
            description="highest level between the samples, four times oversampled; highest over channels",
            source="ITU-R BS.1770-4 annex 2",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="true_peak_max_dbtp",
            description="rise between samples, above them and full scale",
            default=2.0,
            sound_effects=6.0,
        ),
        Limit(name="over_full_scale_max_db", description="highest sample above full scale", default=3.0),
    ),
    rules=(
        Rule(
            name="true_peak",
            noticed=0.6,
            measurement="true_peak_dbtp",
            over="peak_dbfs",  # samples over full scale, as lossy decoders make them, are for clipping to count
            limit="true_peak_max_dbtp",
            unit="dB over full scale",
            reads=lambda dbtp: max(dbtp, 0.0),
            says=fault(
                "Between the samples the wave rises {found} dB above full scale and every sample; up to {limit} dB is"
                " allowed.",
                "The wave does not rise above full scale between the samples.",
                1,
            ),
            missing="The true peak was not measured.",
        ),
        Rule(
            name="over_full_scale",
            noticed=0.6,
            measurement="peak_dbfs",
            limit="over_full_scale_max_db",
            unit="dB over full scale",
            reads=lambda dbfs: max(dbfs, 0.0),
            says=fault(
                "The highest sample is {found} dB above full scale, where players cut it off; up to {limit} dB is"
                " allowed.",
                "No sample is above full scale.",
                1,
            ),
            missing="The highest sample is that of silence.",
        ),
    ),
)
