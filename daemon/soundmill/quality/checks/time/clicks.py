"""The quality room, clicks: a few samples that do not follow from their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import Reading, count

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import span_defects
    from soundmill.quality.detectors.time.clicks import clicks

    found = [clicks(sound.scaled[c], sound.sample_rate) if sound.peaks[c] > 0 else () for c in sound.judged]
    spans = [[(float(at), float(at)) for at in each] for each in found]
    return Found(
        values={"clicks": float(max(map(len, spans), default=0))}, defects=span_defects("clicks", spans, "a click")
    )


def _says(r: Reading) -> str:
    if r.value == 0:
        return "No click was found."
    allowed = "none is allowed" if r.limit == 0 else f"up to {r.limit:,.0f} are allowed"
    return f"{count(r.value, 'click was', 'clicks were')} found{r.place}; {allowed}."


CHECK = QualityCheck(
    name="clicks",
    measurements={
        "clicks": Measurement(
            unit="clicks",
            description="places where the wave's second difference leaps, for at most 8 samples or 0.18 ms, to 12 "
            "times the highest of the 12 ms before and after with eight times the slope, the wave coming back and "
            "being no three times as high after as before, or to 1.6 times with the wave itself 2.5 times as high; "
            "most over channels",
        ),
    },
    measure=_measure,
    limits=(Limit(name="clicks_max", description="clicks that are let pass", default=0, sound_effects=2),),
    rules=(
        Rule(
            name="clicks",
            measurement="clicks",
            limit="clicks_max",
            unit="clicks",
            says=_says,
            missing="Clicks were not looked for.",
        ),
    ),
)
