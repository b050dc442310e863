"""The quality room, silence: how much of a clip is silent and where, and dropouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, Note, QualityCheck, Rule
from soundmill.quality.sentences import fault, share

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.defects import defect, silence_defects, span_defects
    from soundmill.quality.detectors.time.pauses import pauses, silent_windows, torn_s, window_of
    from soundmill.quality.detectors.time.stops import breaks_off
    from soundmill.quality.sound import BLOCK

    window = window_of(sound.sample_rate, BLOCK)
    silent = silent_windows(sound.scaled, sound.blocks, BLOCK, window, sound.peaks)[sound.judged]
    if len(sound.scaled) > 2:  # films are mixed with channels that are silent for most of the time
        silent = np.asarray(silent.all(axis=0, keepdims=True))
    levels = sound.blocks[sound.judged] / BLOCK * np.square(sound.peaks[sound.judged])[:, None]
    block_s = BLOCK / sound.sample_rate
    together = (
        pauses(levels.max(axis=0), block_s, sound.duration_s) if levels.size else pauses(levels.ravel(), block_s, 0.0)
    )
    alone = [pauses(each, block_s, sound.duration_s).dropouts for each in levels]
    peaks = sound.peaks[sound.judged]
    cut_s = breaks_off(sound.heard, peaks, levels, BLOCK, sound.sample_rate) if levels.size else None
    cut = [] if cut_s is None else [(cut_s, sound.duration_s)]
    return Found(
        values={
            "silence_share": float(silent.mean(axis=1).max()) if silent.size else 1.0,
            "silence_head_s": together.head_s,
            "silence_tail_s": together.tail_s,
            "silence_inside_s": together.inside_s,
            "cut_tail_s": sum(end - start for start, end in cut),
            "dropout_s": torn_s(alone, sound.duration_s),
        },
        defects=[
            *silence_defects(silent, window, sound.scaled.shape[1], sound.sample_rate),
            *span_defects("dropouts", alone, "the sound drops out"),
            *(defect("cut_tail", start, end, "the sound breaks off in all channels") for start, end in cut),
        ],
    )


CHECK = QualityCheck(
    name="silence",
    measurements={
        "silence_share": Measurement(
            unit="share",
            description="share of the whole, non-overlapping windows of 32 ms whose RMS is below -60 dBFS; "
            "a shorter clip is one window; the higher of two channels; of more than two, the windows in which all are",
        ),
        "silence_head_s": Measurement(
            unit="s", description="silence before the first sound: all channels below -60 dBFS"
        ),
        "silence_tail_s": Measurement(
            unit="s", description="silence after the last sound: all channels below -60 dBFS"
        ),
        "cut_tail_s": Measurement(
            unit="s",
            description="silence after the last sound where that breaks off: its last 3 ms lie above -50 dBFS and less "
            "than 30 dB under the level up to there; 0 where it dies away",
        ),
        "silence_inside_s": Measurement(
            unit="s", description="longest silence between two sounds: all channels below -60 dBFS"
        ),
        "dropout_s": Measurement(
            unit="s",
            description="summed length of the silences of 3 ms to 1 s into which a sound falls by 24 dB or more "
            "within 6 ms and from which it returns as abruptly, its last and first 3 ms (first 6, where it is cut "
            "within 2) no 14 dB under the 50 ms beside them; highest over channels; 0 where four and more lie on a "
            "beat, as rests do, and under 1 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="silence_share_max",
            description="share of windows of 32 ms below -60 dBFS RMS",
            default=0.30,
            sound_effects=0.98,
            most=1,
        ),
        Limit(name="silence_head_max_s", description="silence before the first sound", default=3.0),
        Limit(
            name="silence_tail_max_s",
            description="silence after the last sound",
            default=2.5,
            music=5.0,
            sound_effects=300.0,
        ),
        Limit(
            name="cut_tail_max_s",
            description="silence after a last sound that breaks off",
            default=1.0,
            music=3.0,
        ),
        Limit(
            name="silence_inside_max_s",
            description="longest silence between two sounds",
            default=2.0,
            sound_effects=10.0,
        ),
        Limit(
            name="dropout_max_s",
            description="summed length of silences that begin and end abruptly",
            default=0.004,
            music=0.006,
            sound_effects=0.25,
        ),
    ),
    rules=(
        Rule(
            name="silence",
            noticed=0.8,
            measurement="silence_share",
            limit="silence_share_max",
            unit="share",
            needed=True,
            places=("silence_head", "silence_tail"),
            by_channel=True,
            says=share("{found} of {whose} is silent{place}; at most {limit} is allowed."),
            missing="How much of the clip is silent was not measured.",
        ),
        Rule(
            name="silence_head",
            measurement="silence_head_s",
            limit="silence_head_max_s",
            unit="s",
            says=fault(
                "The clip is silent from the start for {found} s; up to {limit} s is allowed.",
                "The clip begins with sound.",
                1,
            ),
            missing="Silence at the beginning was not measured.",
        ),
        Rule(
            name="silence_tail",
            measurement="silence_tail_s",
            limit="silence_tail_max_s",
            unit="s",
            says=fault(
                "The clip is silent to the end for {found} s{place}; up to {limit} s is allowed.",
                "The clip ends with sound.",
                1,
            ),
            missing="Silence at the end was not measured.",
        ),
        Rule(
            name="cut_tail",
            measurement="cut_tail_s",
            limit="cut_tail_max_s",
            unit="s",
            says=fault(
                "The sound breaks off and nothing follows for {found} s{place}; up to {limit} s is allowed.",
                "The sound does not break off before the end.",
                1,
            ),
            missing="Whether the sound breaks off was not looked for.",
        ),
        Rule(
            name="silence_inside",
            measurement="silence_inside_s",
            limit="silence_inside_max_s",
            unit="s",
            places=("silence",),
            says=fault(
                "The sound pauses for {found} s{place}; up to {limit} s is allowed.", "The sound never pauses.", 1
            ),
            missing="Pauses were not measured.",
        ),
        Rule(
            name="dropouts",
            measurement="dropout_s",
            limit="dropout_max_s",
            unit="s",
            says=fault(
                "The sound drops out for {found} s{place}; up to {limit} s is allowed.",
                "The sound never drops out.",
                3,
            ),
            missing="Dropouts were not measured.",
        ),
    ),
    notes=(Note(measurement="silence_tail_s", clean=2.0, half=4.0, weight=0.2),),
)
