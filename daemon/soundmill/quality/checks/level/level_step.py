"""The quality room, level steps: the loudness jumps while the sound stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.level.steps import Clip, hops, level_step
    from soundmill.quality.sound import BLOCK

    if not sound.spectra:
        return Found(values={"level_step_db": 0.0})
    heard = list(sound.spectra)
    weights = np.square(sound.peaks[heard] / sound.peaks[heard].max())  # a peak may be 1e38
    power, hop = hops(weights @ sound.blocks[heard], BLOCK, sound.sample_rate)
    step, at = level_step(
        Clip(
            power=power,
            hop=hop,
            waves=sound.heard if heard == sound.judged else sound.scaled[heard],
            loudness=np.sqrt(weights),
            rate=sound.sample_rate,
            bands=np.sum([each.bands * by for each, by in zip(sound.spectra.values(), weights, strict=True)], axis=0),
            spectra=next(iter(sound.spectra.values())),
        )
    )
    values = {"level_step_db": step}
    if step == 0:
        return Found(values=values)
    return Found(values=values, defects=[defect("level_step", at, at, f"the level jumps by {step:.1f} dB")])


CHECK = QualityCheck(
    name="level_step",
    measurements={
        "level_step_db": Measurement(
            unit="dB",
            description="largest sudden, lasting change of level, from 6 to 60 dB, that all bands of the spectrum and "
            "soft and loud moments share, the sound being as lively after as before; of all channels together; 0 under "
            "2.4 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="level_step_max_db",
            description="sudden, lasting change of level in all bands alike",
            default=20.0,
            music=16.0,
            sound_effects=16.0,
        ),
    ),
    rules=(
        Rule(
            name="level_step",
            noticed=0.6,
            measurement="level_step_db",
            limit="level_step_max_db",
            unit="dB",
            says=fault(
                "The level jumps by {found} dB{place}; up to {limit} dB is allowed.", "The level never jumps.", 1
            ),
            missing="Jumps of the level were not looked for.",
        ),
    ),
)
