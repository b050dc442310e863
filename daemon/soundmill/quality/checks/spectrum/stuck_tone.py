"""The quality room, stuck tones: one that sounds on unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import fault, share

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

SHORTEST_S = 5.0  # a beep is one tone throughout


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.spectrum.tones import stuck_tone

    tones = [tone for each in sound.spectra.values() if (tone := stuck_tone(each))]
    if not tones:
        return Found(values={"stuck_tone_s": 0.0, "stuck_tone_hz": None, "stuck_tone_share": 0.0})
    tone = max(tones, key=lambda each: each.end_s - each.start_s)
    sounds_for = (tone.end_s - tone.start_s) / sound.duration_s
    return Found(
        values={
            "stuck_tone_s": tone.end_s - tone.start_s,
            "stuck_tone_hz": tone.hertz,
            "stuck_tone_share": sounds_for if sound.duration_s >= SHORTEST_S else 0.0,
        },
        defects=[defect("stuck_tone", tone.start_s, tone.end_s, f"a steady tone of {tone.hertz:.0f} Hz")],
    )


CHECK = QualityCheck(
    name="stuck_tone",
    measurements={
        "stuck_tone_s": Measurement(
            unit="s",
            description="longest time for which one bin of the spectrum keeps its power within 0.6 dB while it holds "
            "0.3 % or more of all power; longest over channels",
        ),
        "stuck_tone_share": Measurement(
            unit="share", description="share of the clip for which that tone sounds; 0 in clips under 5 s"
        ),
        "stuck_tone_hz": Measurement(unit="Hz", description="frequency of that tone; none without one"),
    },
    measure=_measure,
    limits=(
        Limit(
            name="stuck_tone_max_s",
            description="longest that one tone may sound on unchanged",
            default=4.5,
            music=5.5,
        ),
        Limit(
            name="stuck_tone_share_max",
            description="share of the clip for which one tone may sound on unchanged",
            default=0.45,
            music=0.38,
            sound_effects=0.38,
            most=1,
        ),
    ),
    rules=(
        Rule(
            name="stuck_tone",
            noticed=0.6,
            measurement="stuck_tone_s",
            limit="stuck_tone_max_s",
            unit="s",
            says=fault(
                "One tone sounds on unchanged for {found} s{place}; up to {limit} s is allowed.",
                "No tone sounds on unchanged.",
                1,
            ),
            missing="Stuck tones were not looked for.",
        ),
        Rule(
            name="stuck_tone_share",
            measurement="stuck_tone_share",
            limit="stuck_tone_share_max",
            unit="share",
            places=("stuck_tone",),
            says=share("One tone sounds on unchanged through {found} of the clip{place}; at most {limit} is allowed."),
            missing="Stuck tones were not looked for.",
        ),
    ),
)
