"""The quality room, names: every measurement there is, with its unit and meaning.

No numpy, so that whoever shows a measurement can say what it is; measure.py computes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementSpec:
    """Unit, meaning (with which channel counts as the worst), and where the formula comes from."""

    unit: str
    description: str
    source: str


_OWN = "Soundmill's definition"

MEASUREMENTS: Mapping[str, MeasurementSpec] = MappingProxyType(
    {
        "silence_share": MeasurementSpec(
            unit="share",
            description="share of the whole, non-overlapping 1024-sample windows whose RMS is below -60 dBFS; "
            "a shorter clip is one window; highest over channels",
            source=_OWN,
        ),
        "clipping_share": MeasurementSpec(
            unit="share", description="share of samples over 0.99 of full scale; highest over channels", source=_OWN
        ),
        "repetition_correlation": MeasurementSpec(
            unit="correlation",
            description="highest correlation of two consecutive one-second segments; pairs with a segment 60 dB under "
            "the channel's peak are left out; none under 2 s or without such a pair; highest over channels",
            source="Pearson's r",
        ),
        "spectral_range_db": MeasurementSpec(
            unit="dB",
            description="highest minus lowest value of the log magnitude spectrum averaged over the frames that are "
            "not 60 dB under the channel's peak, from 50 Hz to 16 kHz or 0.9 of the Nyquist frequency; floor 120 dB "
            "under a sine of that peak; lowest over sounding channels",
            source="short-time Fourier transform, n_fft 2048, hop 512, Hann window",
        ),
        "spectral_tilt_db_per_octave": MeasurementSpec(
            unit="dB/octave",
            description="slope of that spectrum over log2 frequency from 50 Hz to 16 kHz (or 0.9 of Nyquist); "
            "steepest (largest magnitude) over channels",
            source="ordinary least squares over the bins",
        ),
        "loudness_lufs": MeasurementSpec(
            unit="LUFS",
            description="integrated loudness of all channels together; none for silence",
            source="ITU-R BS.1770-4",
        ),
        "peak_dbfs": MeasurementSpec(
            unit="dBFS",
            description="largest sample; highest over channels; none for digital silence",
            source="20 log10 max|x|",
        ),
        "peak_before_dbfs": MeasurementSpec(
            unit="dBFS",
            description="largest sample before normalisation; highest over channels",
            source="20 log10 max|x|",
        ),
        "clipping_share_before": MeasurementSpec(
            unit="share",
            description="share of samples over 0.99 of full scale before normalisation; highest over channels",
            source=_OWN,
        ),
        "rms_dbfs": MeasurementSpec(
            unit="dBFS",
            description="root mean square; lowest over channels with sound; none for digital silence",
            source="20 log10 sqrt(mean x^2); 0 dBFS is a full-scale square wave, not AES17's sine",
        ),
        "dc_offset": MeasurementSpec(
            unit="full scale",
            description="mean of the samples, with sign; largest magnitude over channels",
            source="mean",
        ),
        "nonfinite_samples": MeasurementSpec(
            unit="samples",
            description="NaN and infinite samples, all channels together; they count as 0 elsewhere",
            source=_OWN,
        ),
        "duration_s": MeasurementSpec(unit="s", description="samples divided by sample rate", source=_OWN),
        "duration_error_s": MeasurementSpec(
            unit="s", description="delivered minus asked duration; none when no duration was asked", source=_OWN
        ),
    }
)
