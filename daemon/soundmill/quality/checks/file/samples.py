"""The quality room, samples: those that are no numbers, and a wave that does not lie around zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import Reading, amount, count

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


LISTED_FROM = 0.005  # of full scale: a smaller offset is no defect


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import sample_defects, span_defects
    from soundmill.quality.detectors.levels import offset

    offsets, spans = [0.0], list[list[tuple[float, float]]]()
    for c in sound.judged:
        found, start, end = offset(sound.scaled[c], sound.sample_rate)
        offsets.append(found * float(sound.peaks[c]))
        for_a_while = start > 0 or end < sound.duration_s  # throughout there is no place to name
        spans.append([(start, end)] if for_a_while and abs(offsets[-1]) > LISTED_FROM else [])
    bad = sound.nonfinite
    return Found(
        values={
            "dc_offset": max(offsets, key=abs),
            "nonfinite_samples": 0.0 if bad is None else float(bad.sum()),
        },
        defects=[
            *span_defects("dc_offset", spans, "the wave is offset"),
            *([] if bad is None else sample_defects("nonfinite", bad, "NaN or infinite", sound.sample_rate)),
        ],
    )


def _says(r: Reading) -> str:
    if r.value == 0:
        return "Every sample is a number."
    return f"{count(r.value, 'sample is', 'samples are')} not a number or infinite{r.place}; none may be."


CHECK = QualityCheck(
    name="samples",
    measurements={
        "dc_offset": Measurement(
            unit="full scale",
            description="the mean that three quarters of the 0.1 s blocks reach or exceed, with sign, in that quarter "
            "of the clip (at least 3 s) where it is largest: a burst to one side is none; 0 where the blocks disagree; "
            "largest magnitude over channels",
            source="lower quartile of the blocks' means",
        ),
        "nonfinite_samples": Measurement(
            unit="samples", description="NaN and infinite samples, all channels together; they count as 0 elsewhere"
        ),
    },
    measure=_measure,
    limits=(
        Limit(name="nonfinite_max", description="samples that are not numbers", default=0),
        Limit(
            name="dc_offset_max",
            description="lasting offset of the wave, full scale = 1",
            default=0.02,
            sound_effects=0.05,
            most=1,
        ),
    ),
    rules=(
        Rule(
            name="dc_offset",
            noticed=0.6,
            measurement="dc_offset",
            limit="dc_offset_max",
            unit="full scale",
            reads=abs,
            needed=True,
            says=amount(
                "The waveform is offset from zero by {found} of full scale{place}; at most {limit} is allowed.", 3
            ),
            missing="The offset of the waveform from zero was not measured.",
        ),
        Rule(
            name="nonfinite",
            measurement="nonfinite_samples",
            limit="nonfinite_max",
            unit="samples",
            needed=True,
            says=_says,
            missing="Whether every sample is a number was not measured.",
        ),
    ),
)
