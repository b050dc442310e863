"""The quality room, dead channels: one that breaks off while the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

GO_ON = 0.5  # share of the time for which some other channel sounds


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.defects import span_defects
    from soundmill.quality.detectors.time.pauses import SILENCE_DBFS
    from soundmill.quality.detectors.time.stops import stops
    from soundmill.quality.sound import BLOCK

    if len(sound.judged) < 2:
        return Found(values={"dead_channel_s": None})
    block_s = BLOCK / sound.sample_rate
    levels = sound.blocks[sound.judged] / BLOCK * np.square(sound.peaks[sound.judged])[:, None]
    sounding = levels >= 10 ** (SILENCE_DBFS / 10)
    spans: list[list[tuple[float, float]]] = [[] for _ in sound.scaled]
    for row, channel in enumerate(sound.judged):
        others = np.asarray(np.delete(sounding, row, axis=0).any(axis=0))
        for start, end in stops(levels[row], block_s, sound.duration_s, never_rests=True):
            if others[round(start / block_s) : round(end / block_s)].mean() > GO_ON:
                spans[channel].append((start, end))
    return Found(
        values={"dead_channel_s": max((sum(end - start for start, end in each) for each in spans), default=0.0)},
        defects=span_defects("dead_channel", spans, "the sound breaks off"),
    )


CHECK = QualityCheck(
    name="dead_channel",
    measurements={
        "dead_channel_s": Measurement(
            unit="s",
            description="summed length of the silences of one channel before which it breaks off (falls by 24 dB "
            "or more within 6 ms, from about as loud as 0.25 s earlier; or had no rest before), to the end or to as "
            "abrupt a return, while another sounds for half of the time; highest over channels; none for one alone",
        ),
    },
    measure=_measure,
    limits=(Limit(name="dead_channel_max_s", description="one channel broken off while another goes on", default=1.5),),
    rules=(
        Rule(
            name="dead_channel",
            measurement="dead_channel_s",
            limit="dead_channel_max_s",
            unit="s",
            says=fault(
                "One channel breaks off for {found} s while another goes on{place}; up to {limit} s is allowed.",
                "No channel breaks off while another goes on.",
                1,
            ),
            missing="Only one of several channels can break off: not applicable.",
        ),
    ),
)
