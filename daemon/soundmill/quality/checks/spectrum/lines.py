"""The quality room, lines: ringing, images of a bad resampling and hiss: what shows in a spectrum's fine structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import amount, fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

RINGS = 25  # standing bins that a ripple comes with
COMB_LISTED_FROM_DB, MIRRORED_LISTED_FROM, HISS_LISTED_FROM_DB = 5.5, 0.6, -40.0


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.spectrum.hiss import NONE_DB, hiss_db
    from soundmill.quality.detectors.spectrum.lines import Lines, lines

    each = [lines(one, sound.sample_rate) for one in sound.spectra.values()]
    comb = max((one for one in each if one.standing >= RINGS), key=lambda one: one.comb_db, default=Lines())
    image = max(each, key=lambda one: one.mirrored, default=Lines())
    hiss = max((hiss_db(one) for one in sound.spectra.values()), default=NONE_DB)
    defects = []
    if comb.comb_db > COMB_LISTED_FROM_DB:
        detail = f"rings at every multiple of {1000 / comb.comb_ms:.0f} Hz, an echo after {comb.comb_ms:.1f} ms"
        defects.append(defect("ringing", 0.0, sound.duration_s, detail))
    if image.mirrored > MIRRORED_LISTED_FROM:
        detail = f"what lies below {image.fold_hz:.0f} Hz is mirrored above it"
        defects.append(defect("images", 0.0, sound.duration_s, detail))
    if hiss > HISS_LISTED_FROM_DB:
        defects.append(defect("hiss", 0.0, sound.duration_s, f"steady noise, {hiss:.0f} dB against the sound"))
    return Found(
        values={
            "ringing_db": comb.comb_db,
            "standing_lines": float(max((one.standing for one in each), default=0)),
            "mirrored": image.mirrored,
            "hiss_db": hiss,
        },
        defects=defects,
    )


CHECK = QualityCheck(
    name="lines",
    measurements={
        "ringing_db": Measurement(
            unit="dB",
            description="half the depth of the strongest regular ripple of the average spectrum from 300 Hz to 8 kHz, "
            "of an echo after 1 to 10 ms, where 25 bins or more stand as under standing_lines, else 0; decides "
            "nothing, since a held chord has one too; highest over channels",
            source="cepstrum of B. Bogert, M. Healy, J. Tukey (1963)",
        ),
        "standing_lines": Measurement(
            unit="bins",
            description="bins from 600 Hz on that lie 6 dB above the mean of the 25 around them in four fifths of the "
            "half seconds; most over channels; bells have many as well",
        ),
        "mirrored": Measurement(
            unit="correlation",
            description="of the fine structure up to 2.5 kHz below a frequency with that above it turned round, at "
            "half of the usual sample rates and of parts of this one; highest over frequencies and channels",
        ),
        "hiss_db": Measurement(
            unit="dB",
            description="power of three or more bands in a row from 2 kHz on whose level keeps within 1.5 dB in a "
            "quarter of the moments, the soft ones, and within 2.5 dB of each other, against all power; -100 where "
            "there are none, half of all bands keep still or it is above -10 dB; highest over channels",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="mirrored_max",
            description="likeness of the spectrum above half of a sample rate with that below",
            default=0.8,
            sound_effects=0.9,
            most=1,
        ),
        Limit(
            name="hiss_max_db",
            description="steady noise against the sound",
            default=-33.0,
            sound_effects=0.0,
            least=-100,
            most=0,
        ),
    ),
    rules=(
        Rule(
            name="images",
            measurement="mirrored",
            limit="mirrored_max",
            unit="correlation",
            says=fault(
                "The sound was resampled without a filter: its spectrum is mirrored, alike by {found}{place}; up to "
                "{limit} is allowed.",
                "No part of the spectrum mirrors another.",
                2,
            ),
            missing="Images of a bad resampling were not looked for.",
        ),
        Rule(
            name="hiss",
            measurement="hiss_db",
            limit="hiss_max_db",
            unit="dB",
            says=amount("Hiss lies under the sound, {found} dB against it{place}; at most {limit} dB is allowed.", 1),
            missing="Hiss was not looked for.",
        ),
    ),
)
