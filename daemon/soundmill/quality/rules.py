"""The quality room, rules: every check there is, what it reads, and how it says what it found. No numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundmill.quality.sentences import Reading, count, numbers, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One number against one limit.

    limit: a name of Thresholds; `lower` says that the number must not be below it
    before: the same measured before normalisation, which counts where it is worse
    over: a measurement that is allowed for: where it is above 0, only what exceeds it counts
    reads: what of the measurement counts: abs where both signs are faults
    needed: a sounding clip would have this number, so none fails
    places: names of defects, beside the rule's own, that show where
    by_channel: the measurement is that of the worse of two channels, which the sentence names
    """

    name: str
    measurement: str
    limit: str
    unit: str
    says: Callable[[Reading], str]
    missing: str
    before: str | None = None
    over: str | None = None
    reads: Callable[[float], float] = float
    needed: bool = False
    lower: bool = False
    places: tuple[str, ...] = ()
    by_channel: bool = False


def _share(text: str) -> Callable[[Reading], str]:
    return lambda r: text.format(
        found=percent(r.value, r.limit), limit=percent(r.limit, r.value), place=r.place, whose=r.whose, when=_when(r)
    )


def _amount(text: str, digits: int) -> Callable[[Reading], str]:
    def says(r: Reading) -> str:
        found, limit = numbers(r.value, r.limit, digits)
        return text.format(found=found, limit=limit, place=r.place)

    return says


def _fault(text: str, none: str, digits: int) -> Callable[[Reading], str]:
    """As _amount, with a sentence of its own for no fault at all."""
    amount = _amount(text, digits)
    return lambda r: none if r.value <= 0 else amount(r)


def _when(r: Reading) -> str:
    return " before normalisation" if r.hidden else ""


def _duration(r: Reading) -> str:
    if r.value == 0:
        return "The clip is exactly as long as asked."
    found, limit = numbers(r.value, r.limit, 2)
    return f"The clip is {found} s {'shorter' if r.signed < 0 else 'longer'} than asked; up to {limit} s is allowed."


def _nonfinite(r: Reading) -> str:
    if r.value == 0:
        return "Every sample is a number."
    return f"{count(r.value, 'sample is', 'samples are')} not a number or infinite{r.place}; none may be."


def _clicks(r: Reading) -> str:
    if r.value == 0:
        return "No click was found."
    allowed = "none is allowed" if r.limit == 0 else f"up to {r.limit:,.0f} are allowed"
    return f"{count(r.value, 'click was', 'clicks were')} found{r.place}; {allowed}."


RULES: tuple[Rule, ...] = (
    Rule(
        name="silence",
        measurement="silence_share",
        limit="silence_share_max",
        unit="share",
        needed=True,
        places=("silence_head", "silence_tail"),
        by_channel=True,
        says=_share("{found} of {whose} is silent{place}; at most {limit} is allowed."),
        missing="How much of the clip is silent was not measured.",
    ),
    Rule(
        name="silence_head",
        measurement="silence_head_s",
        limit="silence_head_max_s",
        unit="s",
        says=_fault(
            "The clip is silent from the start for {found} s; up to {limit} s is allowed.",
            "The clip begins with sound.",
            1,
        ),
        missing="Silence at the beginning was not measured.",
    ),
    Rule(
        name="silence_tail",
        measurement="silence_tail_s",
        limit="silence_tail_max_s",
        unit="s",
        says=_fault(
            "The clip is silent to the end for {found} s{place}; up to {limit} s is allowed.",
            "The clip ends with sound.",
            1,
        ),
        missing="Silence at the end was not measured.",
    ),
    Rule(
        name="silence_inside",
        measurement="silence_inside_s",
        limit="silence_inside_max_s",
        unit="s",
        places=("silence",),
        says=_fault("The sound pauses for {found} s{place}; up to {limit} s is allowed.", "The sound never pauses.", 1),
        missing="Pauses were not measured.",
    ),
    Rule(
        name="dropouts",
        measurement="dropout_s",
        limit="dropout_max_s",
        unit="s",
        says=_fault(
            "The sound drops out for {found} s{place}; up to {limit} s is allowed.", "The sound never drops out.", 3
        ),
        missing="Dropouts were not measured.",
    ),
    Rule(
        name="clipping",
        measurement="clipping_share",
        before="clipping_share_before",
        limit="clipping_share_max",
        unit="share",
        needed=True,
        places=("clipping_before",),
        says=_share("{found} of the samples are clipped{when}{place}; at most {limit} may be."),
        missing="How much of the clip is clipped was not measured.",
    ),
    Rule(
        name="flat_tops",
        measurement="flat_share",
        before="flat_share_before",
        limit="flat_share_max",
        unit="share",
        places=("flat_tops_before",),
        says=_share("{found} of the samples lie in tops cut flat{when}{place}; at most {limit} may."),
        missing="Flat tops were not measured.",
    ),
    Rule(
        name="true_peak",
        measurement="true_peak_dbtp",
        over="peak_dbfs",  # samples over full scale, as lossy decoders make them, are for clipping to count
        limit="true_peak_max_dbtp",
        unit="dB over full scale",
        reads=lambda dbtp: max(dbtp, 0.0),
        says=_fault(
            "Between the samples the wave rises {found} dB above full scale and every sample; up to {limit} dB is"
            " allowed.",
            "The wave does not rise above full scale between the samples.",
            1,
        ),
        missing="The true peak was not measured.",
    ),
    Rule(
        name="repetition",
        measurement="repetition_correlation",
        limit="repetition_max",
        unit="correlation",
        says=_amount("One second and the next correlate by at most {found}; up to {limit} is allowed.", 2),
        missing="Too short or too quiet to repeat itself from one second to the next: not applicable.",
    ),
    Rule(
        name="loops",
        measurement="loop_share",
        limit="loop_share_max",
        unit="share",
        says=_share("{found} of the clip repeats what came before it, sample for sample{place}; at most {limit} may."),
        missing="Loops were not measured.",
    ),
    Rule(
        name="spectral_balance",
        measurement="spectral_range_db",
        limit="spectral_range_min_db",
        unit="dB",
        needed=True,
        lower=True,
        says=_amount(
            "The spectrum spans {found} dB from its strongest to its weakest part; at least {limit} dB is required.", 1
        ),
        missing="The clip has no spectrum to judge: there is no sound in it.",
    ),
    Rule(
        name="noise",
        measurement="noise_s",
        limit="noise_max_s",
        unit="s",
        says=_fault(
            "The clip is nothing but noise for {found} s{place}; up to {limit} s is allowed.",
            "No passage is nothing but noise.",
            1,
        ),
        missing="Noise was not looked for.",
    ),
    Rule(
        name="stuck_tone",
        measurement="stuck_tone_s",
        limit="stuck_tone_max_s",
        unit="s",
        says=_fault(
            "One tone sounds on unchanged for {found} s{place}; up to {limit} s is allowed.",
            "No tone sounds on unchanged.",
            1,
        ),
        missing="Stuck tones were not looked for.",
    ),
    Rule(
        name="clicks",
        measurement="clicks",
        limit="clicks_max",
        unit="clicks",
        says=_clicks,
        missing="Clicks were not looked for.",
    ),
    Rule(
        name="level_step",
        measurement="level_step_db",
        limit="level_step_max_db",
        unit="dB",
        says=_fault("The level jumps by {found} dB{place}; up to {limit} dB is allowed.", "The level never jumps.", 1),
        missing="Jumps of the level were not looked for.",
    ),
    Rule(
        name="loudness",
        measurement="loudness_lufs",
        limit="loudness_min_lufs",
        unit="LUFS",
        needed=True,
        lower=True,
        says=_amount("The clip's loudness is {found} LUFS; at least {limit} LUFS is required.", 1),
        missing="The clip is too quiet for its loudness to be measured.",
    ),
    Rule(
        name="channel_balance",
        measurement="channel_difference_db",
        limit="channel_difference_max_db",
        unit="dB",
        says=_amount("One channel is {found} dB louder than the other; up to {limit} dB is allowed.", 1),
        missing="Only two channels with sound can be compared: not applicable.",
    ),
    Rule(
        name="phase",
        measurement="stereo_correlation",
        limit="opposite_phase_max",
        unit="correlation",
        reads=lambda correlation: max(-correlation, 0.0),
        says=_fault(
            "Left and right are in opposite phase with a correlation of -{found}; up to -{limit} is allowed.",
            "Left and right are not in opposite phase.",
            2,
        ),
        missing="Only two channels can be in opposite phase: not applicable.",
    ),
    Rule(
        name="dc_offset",
        measurement="dc_offset",
        limit="dc_offset_max",
        unit="full scale",
        reads=abs,
        needed=True,
        says=_amount("The waveform is offset from zero by {found} of full scale; at most {limit} is allowed.", 3),
        missing="The offset of the waveform from zero was not measured.",
    ),
    Rule(
        name="nonfinite",
        measurement="nonfinite_samples",
        limit="nonfinite_max",
        unit="samples",
        needed=True,
        says=_nonfinite,
        missing="Whether every sample is a number was not measured.",
    ),
    Rule(
        name="duration",
        measurement="duration_error_s",
        limit="duration_tolerance_s",
        unit="s",
        reads=abs,
        says=_duration,
        missing="No duration was asked for: not applicable.",
    ),
)
