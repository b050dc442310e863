"""The quality room, lines: ringing, images of a bad resampling and hiss: what shows in a spectrum's fine structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import UNSURE, Found, Limit, Measurement, Note, QualityCheck, Rule
from soundmill.quality.sentences import amount, fault

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

RINGS = 2.4  # lines of those counted
COMB_LISTED_FROM_DB, MIRRORED_LISTED_FROM, HISS_LISTED_FROM_DB = 4.0, 0.75, -31.0


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.spectrum.hiss import NONE_DB, hiss_db
    from soundmill.quality.detectors.spectrum.lines import Lines, lines

    each = [lines(one, sound.sample_rate) for one in sound.spectra.values()]
    comb = max(each, key=lambda one: abs(one.comb_db), default=Lines())
    rings = max(each, key=lambda one: one.standing, default=Lines())
    image = max(each, key=lambda one: one.mirrored, default=Lines())
    hisses = [hiss_db(one) for one in sound.spectra.values()]
    hiss = max((perhaps for perhaps, _ in hisses), default=NONE_DB)
    defects = []
    if abs(comb.comb_db) > COMB_LISTED_FROM_DB:
        where = "halfway between multiples" if comb.comb_db < 0 else "at every multiple"
        detail = f"rings {where} of {1000 / comb.comb_ms:.0f} Hz, an echo after {comb.comb_ms:.1f} ms"
        defects.append(defect("ringing", 0.0, sound.duration_s, detail))
    elif rings.standing > RINGS:
        detail = f"rings at {len(rings.rings_hz)} frequencies from {min(rings.rings_hz):.0f} Hz on whatever sounds"
        defects.append(defect("ringing", 0.0, sound.duration_s, detail))
    if image.mirrored > MIRRORED_LISTED_FROM:
        detail = f"what lies below {image.fold_hz:.0f} Hz is mirrored above it"
        defects.append(defect("images", 0.0, sound.duration_s, detail))
    if hiss > HISS_LISTED_FROM_DB:
        defects.append(defect("hiss", 0.0, sound.duration_s, f"steady noise, {hiss:.0f} dB against the sound"))
    return Found(
        values={
            "ringing_db": abs(comb.comb_db),
            "standing_lines": rings.standing,
            "mirrored": image.mirrored,
            "hiss_db": max((surely for _, surely in hisses), default=NONE_DB),
            "hiss_perhaps_db": hiss,
        },
        defects=defects,
    )


CHECK = QualityCheck(
    name="lines",
    measurements={
        "ringing_db": Measurement(
            unit="dB",
            description="half the depth of the strongest regular ripple of the spectrum from 300 Hz to 8 kHz, of an "
            "echo after 1 to 10 ms, on average over the quarters of the clip; 0 where one has less than 2.7 dB, and "
            "under 3 s; decides nothing, since a chord held throughout has one too; highest over channels",
            source="cepstrum of B. Bogert, M. Healy, J. Tukey (1963)",
        ),
        "standing_lines": Measurement(
            unit="lines",
            description="lines from 350 Hz to 9 kHz that lie 7 dB above what is beside them in four fifths of the half "
            "seconds, keep their frequency within a fifth of a bin, waver and follow what is beside them, or keep it "
            "within a tenth and waver as noise does; less those that lie as a scale of semitones or multiples of a "
            "frequency do; 0 under 3 s; most over channels; bells have many",
        ),
        "mirrored": Measurement(
            unit="correlation",
            description="of the fine structure below a frequency with that above it turned round, over 2.2 kHz of "
            "it, in all but the least alike quarter of the half seconds; at half of the usual sample rates and of "
            "parts of this one; highest over frequencies, distances from them and channels",
        ),
        "hiss_db": Measurement(
            unit="dB",
            description="power of white noise as loud as the floor of two or more bands in a row from 1.2 kHz on, "
            "against all power: bands whose softest hundredth and twentieth of moments differ little more than by "
            "chance, as do those of five sixths of the clip, and whose floors lie within 2.5 dB of each other; -100 "
            "where there are none or it is above -14 dB; highest over channels",
        ),
        "hiss_perhaps_db": Measurement(
            unit="dB", description="the same where two sixths of the clip reach that floor; decides nothing"
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
            default=-28.0,
            sound_effects=0.0,
            least=-100,
            most=0,
        ),
    ),
    rules=(
        Rule(
            name="images",
            noticed=0.7,
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
    notes=(
        Note(measurement="ringing_db", clean=5.0, half=8.0, weight=0.5),
        Note(measurement="standing_lines", clean=2.0, half=5.0, weight=0.2),
        Note(measurement="hiss_db", clean=-38.0, half=-26.0, weight=0.6),
        Note(measurement="hiss_perhaps_db", clean=-38.0, half=-26.0, weight=UNSURE),
    ),
)
