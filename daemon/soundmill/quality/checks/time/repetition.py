"""The quality room, repetition: one second like the next, and passages that play over and over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import amount, share

if TYPE_CHECKING:
    from soundmill.quality.detectors.time.loops import Loop
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.time.loops import find_loop
    from soundmill.quality.detectors.time.repetition import repetition

    loop: Loop | None = None
    if sound.spectra:
        frame_rate = next(iter(sound.spectra.values())).frame_rate
        together = np.sum([each.bands for each in sound.spectra.values()], axis=0)
        loop = find_loop(sound.heard, sound.sample_rate, together, frame_rate)
    values = {
        "repetition_correlation": repetition(sound.heard, sound.sample_rate),
        "loop_share": (loop.end_s - loop.start_s) / sound.duration_s if loop else 0.0,
        "loop_period_s": loop.period_s if loop else None,
    }
    if not loop:
        return Found(values=values)
    detail = f"repeats what was {loop.period_s:.3f} s earlier"
    return Found(values=values, defects=[defect("loops", loop.start_s, loop.end_s, detail)])


CHECK = QualityCheck(
    name="repetition",
    measurements={
        "repetition_correlation": Measurement(
            unit="correlation",
            description="highest correlation of two consecutive one-second segments; pairs with a segment 60 dB under "
            "the channel's peak are left out; none under 2 s or without such a pair; highest over channels",
            source="Pearson's r",
        ),
        "loop_share": Measurement(
            unit="share",
            description="share of the clip that repeats what was one period earlier, as the longest passage of at "
            "least three plays; the period is 0.15 to 4 s, the wave's correlation with its copy at least 0.9",
        ),
        "loop_period_s": Measurement(unit="s", description="period of that loop; none without one"),
    },
    measure=_measure,
    limits=(
        Limit(
            name="repetition_max",
            description="correlation of consecutive one-second segments",
            default=0.95,
            music=1.01,
            sound_effects=1.01,
            most=1.01,
        ),
        Limit(name="loop_share_max", description="share that copies what was one period earlier", default=0.5, most=1),
    ),
    rules=(
        Rule(
            name="repetition",
            noticed=0.95,
            measurement="repetition_correlation",
            limit="repetition_max",
            unit="correlation",
            says=amount("One second and the next correlate by at most {found}; up to {limit} is allowed.", 2),
            missing="Too short or too quiet to repeat itself from one second to the next: not applicable.",
        ),
        Rule(
            name="loops",
            measurement="loop_share",
            limit="loop_share_max",
            unit="share",
            says=share(
                "{found} of the clip repeats what came before it, sample for sample{place}; at most {limit} may."
            ),
            missing="Loops were not measured.",
        ),
    ),
)
