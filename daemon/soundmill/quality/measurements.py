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

# What audio/loudness.py reads off a clip and the quality room only passes on.
METER = (
    "loudness_lufs",
    "loudness_range_lu",
    "loudness_momentary_max_lufs",
    "loudness_short_term_max_lufs",
    "true_peak_dbtp",
)

MEASUREMENTS: Mapping[str, MeasurementSpec] = MappingProxyType(
    {
        "silence_share": MeasurementSpec(
            unit="share",
            description="share of the whole, non-overlapping 1024-sample windows whose RMS is below -60 dBFS; "
            "a shorter clip is one window; the higher of two channels; of more than two, the windows in which all are",
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
            source="short-time Fourier transform, n_fft 2048, hop 1024, Hann window",
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
            description="the mean that three quarters of the 0.1 s blocks reach or exceed, with sign: a burst to one "
            "side is none; 0 where the blocks disagree; largest magnitude over channels",
            source="lower quartile of the blocks' means",
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
        "silence_head_s": MeasurementSpec(
            unit="s", description="silence before the first sound: all channels below -60 dBFS", source=_OWN
        ),
        "silence_tail_s": MeasurementSpec(
            unit="s", description="silence after the last sound: all channels below -60 dBFS", source=_OWN
        ),
        "silence_inside_s": MeasurementSpec(
            unit="s", description="longest silence between two sounds: all channels below -60 dBFS", source=_OWN
        ),
        "dropout_s": MeasurementSpec(
            unit="s",
            description="summed length of the silences of 3 ms to 1 s into which a sound falls by 24 dB or more "
            "within 6 ms and from which it returns as abruptly; highest over channels",
            source=_OWN,
        ),
        "flat_share": MeasurementSpec(
            unit="share",
            description="share of samples in runs of three and more equal ones at the channel's own highest or lowest "
            "level, entered by a corner: clipping at any level; highest over channels",
            source=_OWN,
        ),
        "flat_share_before": MeasurementSpec(
            unit="share", description="the same before normalisation and encoding", source=_OWN
        ),
        "true_peak_dbtp": MeasurementSpec(
            unit="dBTP",
            description="highest level between the samples, four times oversampled; highest over channels",
            source="ITU-R BS.1770-4 annex 2",
        ),
        "loudness_range_lu": MeasurementSpec(
            unit="LU",
            description="10th to 95th percentile of the gated short-term loudness; none under 3 s",
            source="EBU Tech 3342",
        ),
        "loudness_momentary_max_lufs": MeasurementSpec(
            unit="LUFS", description="loudest 400 ms; none under 400 ms", source="EBU Tech 3341"
        ),
        "loudness_short_term_max_lufs": MeasurementSpec(
            unit="LUFS", description="loudest 3 s; none under 3 s", source="EBU Tech 3341"
        ),
        "loop_share": MeasurementSpec(
            unit="share",
            description="share of the clip that repeats what was one period earlier, as the longest passage of at "
            "least three plays; the period is 0.15 to 4 s, the wave's correlation with its copy at least 0.9",
            source=_OWN,
        ),
        "loop_period_s": MeasurementSpec(unit="s", description="period of that loop; none without one", source=_OWN),
        "stuck_tone_s": MeasurementSpec(
            unit="s",
            description="longest time for which one bin of the spectrum keeps its power within 0.6 dB while it holds "
            "0.3 % or more of all power; longest over channels",
            source=_OWN,
        ),
        "stuck_tone_hz": MeasurementSpec(
            unit="Hz", description="frequency of that tone; none without one", source=_OWN
        ),
        "noise_s": MeasurementSpec(
            unit="s",
            description="longest time for which the bands from 150 Hz up to 16 kHz (or 0.9 of Nyquist) lie within 9 dB "
            "of each other (white noise), or no bin up to 10 kHz stands out of its neighbours or wavers other than by "
            "chance (of another colour; from 5 s, at 16 kHz and more); longest over channels",
            source=_OWN,
        ),
        "clicks": MeasurementSpec(
            unit="clicks",
            description="places where the wave's second difference leaps, for at most 8 samples, to eight times the "
            "highest of the 12 ms before and after with five times the slope, the wave coming back and being "
            "no three times as high after as before, or to 1.6 times with the wave itself 2.5 times as high; most over "
            "channels",
            source=_OWN,
        ),
        "level_step_db": MeasurementSpec(
            unit="dB",
            description="largest sudden, lasting change of level, up to 30 dB, that all bands of the spectrum and soft "
            "and loud moments share; largest over channels; 0 under 2 s",
            source=_OWN,
        ),
        "channel_difference_db": MeasurementSpec(
            unit="dB",
            description="level of left over right or right over left, at most 100; none unless there are two channels "
            "with sound",
            source="10 log10 of the ratio of the powers",
        ),
        "stereo_correlation": MeasurementSpec(
            unit="correlation",
            description="of left with right at no delay: -1 is opposite phase; none unless there are two channels",
            source="Pearson's r without removing the means",
        ),
    }
)
