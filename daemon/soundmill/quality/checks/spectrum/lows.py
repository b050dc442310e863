"""The quality room, lows: mains hum and rumble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import UNSURE, Found, Limit, Measurement, Note, QualityCheck, Rule
from soundmill.quality.sentences import amount

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound

LISTED_FROM_DB = -40.0
RUMBLE_LISTED_FROM_DB = -14.0


def _measure(sound: Sound) -> Found:
    import numpy as np

    from soundmill.quality.detectors.defects import defect
    from soundmill.quality.detectors.spectrum.lows import NONE_DB, lows

    peaks = np.asarray(sound.peaks[sound.judged], np.float32)
    if not peaks.any():
        return Found(values={"mains_hum_db": None, "mains_hum_perhaps_db": None, "rumble_db": None})
    mixed = (peaks / peaks.max()) @ sound.slow[sound.judged]
    found = lows(mixed, sound.sample_rate / sound.slower)
    defects = []
    if found.hum_db > LISTED_FROM_DB:
        detail = f"{found.lines} lines at multiples of {found.mains_hz:.0f} Hz, {found.hum_db:.0f} dB against the sound"
        defects.append(defect("mains_hum", 0.0, sound.duration_s, detail))
    if found.rumble_db > RUMBLE_LISTED_FROM_DB:
        detail = f"4 to 24 Hz, {found.rumble_db:.0f} dB against the sound"
        defects.append(defect("rumble", 0.0, sound.duration_s, detail))
    sure_db = found.hum_db if found.sure else NONE_DB
    values = {"mains_hum_db": sure_db, "mains_hum_perhaps_db": found.hum_db, "rumble_db": found.rumble_db}
    return Found(values=values, defects=defects)


CHECK = QualityCheck(
    name="lows",
    measurements={
        "mains_hum_db": Measurement(
            unit="dB",
            description="power of the lines at 50, 100, … 450 Hz (or 60 …) that lie 5 dB above their surroundings, "
            "against all power, where all lines together lie 52 dB farther above them than multiples of most other "
            "frequencies do, moments weighted by how soft they are there; -100 elsewhere; of all channels together",
            source="weighted least squares of a sine in noise that changes",
        ),
        "mains_hum_perhaps_db": Measurement(
            unit="dB", description="the same where the lines lie 28 dB farther above them; decides nothing"
        ),
        "rumble_db": Measurement(
            unit="dB",
            description="power from 4 to 24 Hz against all power, in the lower quartile of seconds; of all channels "
            "together, -100 under 3 s",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="mains_hum_max_db",
            description="mains hum against the sound",
            default=-36.0,
            sound_effects=0.0,
            least=-100,
            most=0,
        ),
        Limit(
            name="rumble_max_db",
            description="what lies from 4 to 24 Hz against the sound",
            default=-12.0,
            sound_effects=0.0,
            least=-100,
            most=0,
        ),
    ),
    rules=(
        Rule(
            name="mains_hum",
            measurement="mains_hum_db",
            limit="mains_hum_max_db",
            unit="dB",
            says=amount("Mains hum lies at {found} dB against the sound{place}; at most {limit} dB is allowed.", 1),
            missing="Mains hum was not looked for.",
        ),
        Rule(
            name="rumble",
            noticed=0.85,
            measurement="rumble_db",
            limit="rumble_max_db",
            unit="dB",
            says=amount("Rumble below 25 Hz lies at {found} dB against the sound{place}; at most {limit} dB may.", 1),
            missing="Rumble was not looked for.",
        ),
    ),
    notes=(
        Note(measurement="mains_hum_db", clean=-36.0, half=-22.0, weight=0.6),
        Note(measurement="mains_hum_perhaps_db", clean=-36.0, half=-22.0, weight=UNSURE),
        Note(measurement="rumble_db", clean=-19.0, half=-13.0),
    ),
)
