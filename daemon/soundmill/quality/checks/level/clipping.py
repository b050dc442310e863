"""The quality room, clipping: samples at full scale, and tops cut flat at any level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import amount, share

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

SHORTEST_S = 1.5  # a blip may be a square wave, a blast is recorded beyond the limit
LISTED_FROM = 2.5  # times as many samples
LONG_ENOUGH_S = 3.0  # so is many a word or blow that published games have


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect, listed_defects
    from soundmill.quality.detectors.level.clipping import CLIPPED_ABOVE, density, pile, share_of

    tops, before, rate = sound.tops, sound.before, sound.sample_rate
    clipped, flat = f"over {CLIPPED_ABOVE} of full scale", "in flat tops"
    defects = listed_defects("clipping", tops.clipped, clipped, rate)
    defects += listed_defects("flat_tops", tops.flat, flat, rate)
    if before is not None:
        defects += listed_defects("flat_tops_before", before.flat, f"{flat} before normalisation", rate)
        defects += listed_defects("clipping_before", before.clipped, f"{clipped} before normalisation", rate)
    piles = [
        pile(sound.scaled[c], tops.lows[c] / peak, tops.highs[c] / peak) if peak else 0.0
        for c, peak in enumerate(tops.peaks)
    ]
    piled = max(piles, default=0.0) if sound.duration_s >= LONG_ENOUGH_S else 0.0
    if piled > LISTED_FROM:
        defects.append(defect("cut_tops", 0.0, sound.duration_s, f"{piled:.1f} times as many samples lie at one level"))
    return Found(
        values={
            "clipping_share": share_of(tops.clipped, tops.length),
            "clipping_share_before": None if before is None else share_of(before.clipped, before.length),
            "flat_share": share_of(tops.flat, tops.length),
            "flat_share_before": None if before is None else share_of(before.flat, before.length),
            "clipped_density": max(density(each.piled, each.loud, each.length) for each in (tops, before) if each)
            if sound.duration_s >= SHORTEST_S
            else 0.0,
            "top_pile": piled,
        },
        defects=defects,
    )


CHECK = QualityCheck(
    name="clipping",
    measurements={
        "clipping_share": Measurement(
            unit="share", description="share of samples over 0.99 of full scale; highest over channels"
        ),
        "clipping_share_before": Measurement(
            unit="share",
            description="share of samples over 0.99 of full scale before normalisation; highest over channels",
        ),
        "flat_share": Measurement(
            unit="share",
            description="share of samples in runs of three and more equal ones at the channel's own highest or lowest "
            "level, entered by a corner: clipping at any level; highest over channels",
        ),
        "flat_share_before": Measurement(unit="share", description="the same before normalisation and encoding"),
        "clipped_density": Measurement(
            unit="share",
            description="samples within 0.2 % of the channel's highest or lowest level, as a share of those beyond "
            "half of it; highest over channels, delivered or before normalisation; 0 where they are fewer than 0.05 % "
            "of all, and in clips under 1.5 s",
        ),
        "top_pile": Measurement(
            unit="times",
            description="how many times as many samples lie at one level as at those just below it, where little lies "
            "above: one, three or six of a hundred levels from a fifth of the highest or lowest one on, of 65,536 "
            "samples spread over the clip; highest over channels and sides; 0 in clips under 3 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="clipping_share_max",
            description="share of samples over 0.99 of full scale",
            default=0.01,
            music=0.05,
            sound_effects=0.10,
            most=1,
        ),
        Limit(
            name="flat_share_max",
            description="share of samples in tops cut flat at any level",
            default=0.002,
            sound_effects=0.10,
            most=1,
        ),
        Limit(
            name="clipped_density_max",
            description="share of loud samples at the very highest or lowest level",
            default=0.3,
            sound_effects=0.33,
            most=1,
        ),
        Limit(
            name="top_pile_max",
            description="times as many samples at one level as just below it",
            default=3.5,
            sound_effects=10.0,
        ),
    ),
    rules=(
        Rule(
            name="clipped_peaks",
            measurement="clipped_density",
            limit="clipped_density_max",
            unit="share",
            places=("flat_tops", "flat_tops_before", "clipping", "clipping_before"),
            says=share("{found} of the loud samples are cut off at one level{place}; at most {limit} may be."),
            missing="How much of what is loud is cut off was not measured.",
        ),
        Rule(
            name="cut_tops",
            measurement="top_pile",
            limit="top_pile_max",
            unit="times",
            says=amount(
                "The wave was cut at one level: {found} times as many samples lie there as just below; up to "
                "{limit} times is allowed.",
                1,
            ),
            missing="Whether the wave was cut at some level was not looked for.",
        ),
        Rule(
            name="clipping",
            measurement="clipping_share",
            before="clipping_share_before",
            limit="clipping_share_max",
            unit="share",
            needed=True,
            places=("clipping_before",),
            says=share("{found} of the samples are clipped{when}{place}; at most {limit} may be."),
            missing="How much of the clip is clipped was not measured.",
        ),
        Rule(
            name="flat_tops",
            measurement="flat_share",
            before="flat_share_before",
            limit="flat_share_max",
            unit="share",
            places=("flat_tops_before",),
            says=share("{found} of the samples lie in tops cut flat{when}{place}; at most {limit} may."),
            missing="Flat tops were not measured.",
        ),
    ),
)
