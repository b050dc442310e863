"""The quality room, noise: passages that are nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import UNSURE, Found, Limit, Measurement, Note, QualityCheck, Rule
from soundmill.quality.sentences import fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.spectrum.noise import noise_span, odd

    spans = [(span, odd(each, span)) for each in sound.spectra.values() if (span := noise_span(each))]
    if not spans:
        return Found(values={"noise_s": 0.0, "odd_noise_s": 0.0})
    start, end = max((span for span, _ in spans), key=lambda span: span[1] - span[0])
    odd_s = max((end - start for (start, end), is_odd in spans if is_odd), default=0.0)
    return Found(values={"noise_s": end - start, "odd_noise_s": odd_s}, defects=[defect("noise", start, end, "noise")])


CHECK = QualityCheck(
    name="noise",
    measurements={
        "noise_s": Measurement(
            unit="s",
            description="longest time for which the bands from 150 Hz up to 16 kHz (or 0.9 of Nyquist) lie within 9 dB "
            "of each other (white noise), or no bin up to 10 kHz stands out of its neighbours or wavers other than by "
            "chance (of another colour; from 5 s, at 16 kHz and more); longest over channels",
        ),
        "odd_noise_s": Measurement(
            unit="s",
            description="the same of noise that is unlike the rest: more than a tenth of what sounds lies outside of "
            "it, and the levels of the bands differ by 5 dB and more on average from there, gain apart",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="noise_max_s",
            description="longest passage of nothing but noise",
            default=1.0,
            music=1.5,
            sound_effects=300.0,
        ),
        Limit(
            name="odd_noise_max_s",
            description="longest passage of nothing but noise in a clip of something else",
            default=1.5,
            sound_effects=1.0,
        ),
    ),
    rules=(
        Rule(
            name="noise",
            measurement="noise_s",
            limit="noise_max_s",
            unit="s",
            says=fault(
                "The clip is nothing but noise for {found} s{place}; up to {limit} s is allowed.",
                "No passage is nothing but noise.",
                1,
            ),
            missing="Noise was not looked for.",
        ),
        Rule(
            name="odd_noise",
            measurement="odd_noise_s",
            limit="odd_noise_max_s",
            unit="s",
            places=("noise",),
            says=fault(
                "What sounds turns into nothing but noise for {found} s{place}; up to {limit} s is allowed.",
                "Nothing turns into noise.",
                1,
            ),
            missing="Noise was not looked for.",
        ),
    ),
    notes=(Note(measurement="noise_s", clean=0.5, half=3.0, weight=UNSURE),),
)
