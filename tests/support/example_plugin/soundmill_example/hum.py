"""A quality check: mains hum, one steady low tone under everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import share

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    import numpy as np  # here, not above: the daemon reads this file and has no use for numpy

    time = np.arange(sound.scaled.shape[1]) / sound.sample_rate
    wave = np.exp(-2j * np.pi * 50 * time)
    shares = [
        2 * abs(sound.scaled[c] @ wave) ** 2 / (time.size * sound.power[c]) for c in sound.judged if sound.peaks[c] > 0
    ]
    return Found(values={"hum_share": float(max(shares, default=0.0))})


CHECK = QualityCheck(
    name="hum",
    measurements={
        "hum_share": Measurement(unit="share", description="share of the power at 50 Hz; highest over channels")
    },
    measure=_measure,
    limits=(Limit(name="hum_share_max", description="share of the power at 50 Hz", default=0.1, most=1),),
    rules=(
        Rule(
            name="hum",
            measurement="hum_share",
            limit="hum_share_max",
            unit="share",
            says=share("{found} of the sound is mains hum; at most {limit} is allowed."),
            missing="Hum was not looked for.",
        ),
    ),
)
