"""The quality room, judging: measurements and thresholds in, checks and a verdict out.

Pure and without numpy: the daemon judges, so a changed threshold re-judges old takes without their audio.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from soundmill.jobs import Check, Judgement, Verdict
from soundmill.quality.score import score

RULE_VERSION = 1  # rises when a rule or the score changes its meaning, so that old takes are judged again


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The limits of the checks; a value exactly at its limit passes."""

    silence_share_max: float = 0.30  # share of 1024-sample windows below -60 dBFS RMS
    clipping_share_max: float = 0.01  # share of samples over 0.99 of full scale
    repetition_max: float = 0.95  # correlation of consecutive one-second segments
    spectral_range_min_db: float = 30.0  # range of the time-averaged spectrum
    dc_offset_max: float = 0.02  # mean of the samples, full scale = 1
    duration_tolerance_s: float = 0.10  # difference from the duration asked for
    loudness_min_lufs: float = -40.0


def ruleset(thresholds: Thresholds) -> str:
    """A short name of the rules and limits a judgement was made by: equal names, equal judgements."""
    text = json.dumps(
        [RULE_VERSION, {name: float(limit) for name, limit in asdict(thresholds).items()}], sort_keys=True
    )
    return f"{RULE_VERSION}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def judge(measurements: Mapping[str, float | None], thresholds: Thresholds) -> Judgement:
    """The checks of one take, by name: silence, clipping, repetition, spectral_balance, loudness, dc_offset,
    nonfinite, duration. The verdict is failed when any of them is.

    A missing measurement (None or absent) passes where it means "not applicable" (repetition under two seconds,
    no duration asked, no samples from before normalisation) and fails where a sounding clip would have a number.
    """
    get = measurements.get
    checks = (
        _silence(get("silence_share"), thresholds.silence_share_max),
        _clipping(get("clipping_share"), get("clipping_share_before"), thresholds.clipping_share_max),
        _repetition(get("repetition_correlation"), thresholds.repetition_max),
        _spectral_balance(get("spectral_range_db"), thresholds.spectral_range_min_db),
        _loudness(get("loudness_lufs"), thresholds.loudness_min_lufs),
        _dc_offset(get("dc_offset"), thresholds.dc_offset_max),
        _nonfinite(get("nonfinite_samples")),
        _duration(get("duration_error_s"), thresholds.duration_tolerance_s),
    )
    return Judgement(
        checks=checks,
        verdict=Verdict.PASSED if all(check.passed for check in checks) else Verdict.FAILED,
        score=score(checks),
        ruleset=ruleset(thresholds),
    )


def _silence(share: float | None, most: float) -> Check:
    passed = share is not None and share <= most
    if share is None:
        message = "How much of the clip is silent was not measured."
    else:
        message = f"{_percent(share, most)} of the clip is silent; at most {_percent(most, share)} is allowed."
    return Check(name="silence", passed=passed, value=share, threshold=most, unit="share", message=message)


def _clipping(delivered: float | None, before: float | None, most: float) -> Check:
    shares = [share for share in (delivered, before) if share is not None]
    worst = None if delivered is None else max(shares)
    if worst is None or delivered is None:
        message = "How much of the clip is clipped was not measured."
    else:
        when = " before normalisation" if worst > delivered else ""
        message = f"{_percent(worst, most)} of the samples are clipped{when}; at most {_percent(most, worst)} may be."
    passed = delivered is not None and all(share <= most for share in shares)
    return Check(name="clipping", passed=passed, value=worst, threshold=most, unit="share", message=message)


def _repetition(correlation: float | None, most: float) -> Check:
    if correlation is None:
        message = "Too short or too quiet to repeat itself from one second to the next: not applicable."
    else:
        found, limit = _numbers(correlation, most, 2)
        message = f"One second and the next correlate by at most {found}; up to {limit} is allowed."
    passed = correlation is None or correlation <= most
    return Check(
        name="repetition", passed=passed, value=correlation, threshold=most, unit="correlation", message=message
    )


def _spectral_balance(range_db: float | None, least: float) -> Check:
    if range_db is None:
        message = "The clip has no spectrum to judge: there is no sound in it."
    else:
        found, limit = _numbers(range_db, least, 1)
        message = (
            f"The spectrum spans {found} dB from its strongest to its weakest part; at least {limit} dB is required."
        )
    passed = range_db is not None and range_db >= least
    return Check(name="spectral_balance", passed=passed, value=range_db, threshold=least, unit="dB", message=message)


def _loudness(lufs: float | None, least: float) -> Check:
    if lufs is None:
        message = "The clip is too quiet for its loudness to be measured."
    else:
        found, limit = _numbers(lufs, least, 1)
        message = f"The clip's loudness is {found} LUFS; at least {limit} LUFS is required."
    passed = lufs is not None and lufs >= least
    return Check(name="loudness", passed=passed, value=lufs, threshold=least, unit="LUFS", message=message)


def _dc_offset(offset: float | None, most: float) -> Check:
    if offset is None:
        message = "The offset of the waveform from zero was not measured."
    else:
        found, limit = _numbers(abs(offset), most, 3)
        message = f"The waveform is offset from zero by {found} of full scale; at most {limit} is allowed."
    passed = offset is not None and abs(offset) <= most
    return Check(name="dc_offset", passed=passed, value=offset, threshold=most, unit="full scale", message=message)


def _nonfinite(count: float | None) -> Check:
    if count is None:
        message = "Whether every sample is a number was not measured."
    elif count == 0:
        message = "Every sample is a number."
    else:
        message = f"{_count(count)} not a number or infinite; none may be."
    return Check(name="nonfinite", passed=count == 0, value=count, threshold=0.0, unit="samples", message=message)


def _duration(error_s: float | None, tolerance_s: float) -> Check:
    if error_s is None:
        message = "No duration was asked for: not applicable."
    elif error_s == 0:
        message = "The clip is exactly as long as asked."
    else:
        found, limit = _numbers(abs(error_s), tolerance_s, 2)
        direction = "shorter" if error_s < 0 else "longer"
        message = f"The clip is {found} s {direction} than asked; up to {limit} s is allowed."
    passed = error_s is None or abs(error_s) <= tolerance_s
    return Check(name="duration", passed=passed, value=error_s, threshold=tolerance_s, unit="s", message=message)


def _count(count: float) -> str:
    return "1 sample is" if count == 1 else f"{count:,.0f} samples are"


def _numbers(value: float, limit: float, digits: int) -> tuple[str, str]:
    """Both rounded alike, with as many digits as it takes to tell two different numbers apart (at most six more)."""
    for more in range(7):
        texts = f"{value:z.{digits + more}f}", f"{limit:z.{digits + more}f}"
        if texts[0] != texts[1] or value == limit or not math.isfinite(value):
            break
    return texts


def _percent(share: float, other: float) -> str:
    return f"{_numbers(share * 100, other * 100, 0 if share >= 0.1 and other >= 0.1 else 1)[0]} %"
