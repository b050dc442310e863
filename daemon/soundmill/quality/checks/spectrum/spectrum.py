"""The quality room, spectral balance: whether a clip has more than one colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundmill.quality.check import Found, Limit, Measurement, QualityCheck, Rule
from soundmill.quality.sentences import amount

if TYPE_CHECKING:
    from soundmill.quality.sound import Sound


def _measure(sound: Sound) -> Found:
    from soundmill.quality.detectors.spectra import range_and_tilt

    shapes = [range_and_tilt(each, sound.sample_rate) for each in sound.spectra.values()]
    return Found(
        values={
            "spectral_range_db": min((span for span, _ in shapes if span is not None), default=None),
            "spectral_tilt_db_per_octave": max((tilt for _, tilt in shapes if tilt is not None), key=abs, default=None),
        }
    )


CHECK = QualityCheck(
    name="spectrum",
    measurements={
        "spectral_range_db": Measurement(
            unit="dB",
            description="highest minus lowest value of the log magnitude spectrum averaged over the frames that are "
            "not 60 dB under the channel's peak, from 50 Hz to 7.2 kHz, or to 0.9 of where the spectrum ends; floor "
            "120 dB under a sine of that peak; lowest over sounding channels",
            source="short-time Fourier transform, n_fft 2048, hop 1024, Hann window",
        ),
        "spectral_tilt_db_per_octave": Measurement(
            unit="dB/octave",
            description="slope of that spectrum over log2 frequency from 50 Hz to 16 kHz (or 0.9 of Nyquist); "
            "steepest (largest magnitude) over channels",
            source="ordinary least squares over the bins",
        ),
    },
    measure=_measure,
    limits=(
        Limit(
            name="spectral_range_min_db",
            description="range of the time-averaged spectrum",
            default=30.0,
            music=20.0,
            sound_effects=0.0,
        ),
    ),
    rules=(
        Rule(
            name="spectral_balance",
            noticed=0.75,
            measurement="spectral_range_db",
            limit="spectral_range_min_db",
            unit="dB",
            needed=True,
            lower=True,
            says=amount(
                "The spectrum spans {found} dB from its strongest to its weakest part; at least {limit} dB is"
                " required.",
                1,
            ),
            missing="The clip has no spectrum to judge: there is no sound in it.",
        ),
    ),
)
