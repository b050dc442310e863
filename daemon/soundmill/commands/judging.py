"""Judging one piece of audio, a file's or samples in memory, with the daemon's quality checks: what `soundmill qc` does
with each file, and what notebooks do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from soundmill.errors import SoundmillError
from soundmill.jobs import Check, QualityKind, Verdict
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from soundmill.audio.decode import Recording

SHORTEST_S = 0.025  # a click is told from what follows by 12 ms on either side
MOST_CHANNELS = 64  # more are samples whose axes were mistaken


class TooShort(SoundmillError):
    """There is no sound, or less than can be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the checks say of a piece of audio.

    score: 0 to 100, at most 49 where a check failed
    measurements: by name, None where there is no number; soundmill.quality.registry.measurements() says what each is
    defects: {name, start_s, end_s, detail} in order of time, whether or not the limits mind them
    ruleset: a short name of the kind, rules and limits
    """

    verdict: Verdict
    score: float
    kind: QualityKind
    sample_rate: int  # Hz
    channels: int
    checks: tuple[Check, ...]
    measurements: Mapping[str, float | None]
    defects: tuple[Mapping[str, object], ...]
    ruleset: str

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)


def judge_audio(
    audio: str | os.PathLike[str] | ArrayLike,
    sample_rate: int | None = None,
    *,
    kind: QualityKind | str = QualityKind.MUSIC,
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Judged:
    """Judge audio as the daemon judges a take.

    `audio` is the path of a file, or samples [time] or [channels, time] as floating-point numbers, full scale = 1,
    channels in the order of a WAV file, with their `sample_rate` in Hz. They are left as they are. `kind` is music,
    sound_effects or custom; `limits` changes some of that kind's defaults, by their names in soundmill.yaml, which is
    not read. A file is also checked for sound that its header announces and that is not there.

    Raises TooShort under 25 ms of sound; OSError or MissingInput where a file cannot be read; ValueError for samples
    of another shape or type or without a rate, an unknown kind or an unknown limit.
    """
    whose = QualityKind(kind)
    allowed = limits_of(whose, limits)
    if isinstance(audio, str | os.PathLike):
        if sample_rate is not None:
            raise ValueError("a file says its sample rate itself")
        return _judge_file(Path(audio), allowed, whose)
    if sample_rate is None or sample_rate <= 0:
        raise ValueError(f"samples need their sample rate in Hz, not {sample_rate}")
    return _judge(_samples(audio), sample_rate, allowed, whose)


def _samples(audio: ArrayLike) -> NDArray[np.float32]:
    """As [channels, time]."""
    import numpy as np

    given = np.asarray(audio)
    if not np.issubdtype(given.dtype, np.floating):
        raise ValueError(f"samples of {given.dtype}: floating-point numbers are needed, full scale = 1")
    if given.ndim not in (1, 2) or (given.ndim == 2 and not 1 <= len(given) <= MOST_CHANNELS):
        raise ValueError(f"samples of shape {given.shape}: must be [time] or [channels, time]")
    return np.atleast_2d(given).astype(np.float32, copy=False)


def _judge_file(path: Path, limits: Mapping[str, float], kind: QualityKind) -> Judged:
    from soundmill.audio.decode import read_recording

    if not path.stat().st_size:
        raise TooShort("The file is empty: it has 0 bytes.")
    recording = read_recording(path)
    if not recording.samples.size:
        cut = recording.share < 1
        raise TooShort(
            "The file is cut short: it holds none of the sound it announces."
            if cut
            else "The file is empty: it holds no samples."
        )
    whole = whole_file(recording, limits["duration_tolerance_s"])
    return _judge(recording.samples, recording.sample_rate, limits, kind, whole)


def _judge(
    samples: NDArray[np.float32],
    sample_rate: int,
    limits: Mapping[str, float],
    kind: QualityKind,
    whole: Check | None = None,
) -> Judged:
    """The samples of a file, which has a check of its own, are used up."""
    from soundmill.audio.loudness import meter
    from soundmill.audio.musical.heard import musical
    from soundmill.music.asked import Asked
    from soundmill.quality.measure import measure

    channels, length = samples.shape
    if length < SHORTEST_S * sample_rate:
        lasts_ms, needed_ms = 1000 * length / sample_rate, 1000 * SHORTEST_S
        what = "clip" if whole is None else "file"
        raise TooShort(
            f"The {what} is too short to be judged: {lasts_ms:.1f} ms; at least {needed_ms:g} ms are needed."
        )
    read = meter(samples, sample_rate)
    heard = musical(samples, sample_rate, asked=Asked(), looped=False)
    measured = measure(
        samples,
        sample_rate,
        requested_s=None,
        loudness_lufs=read.loudness_lufs,
        before=None,
        meter={**asdict(read), **heard},
        overwrite_samples=whole is not None,
    )
    judgement = judge(measured.values, limits, measured.defects, kind, also=[] if whole is None else [whole])
    return Judged(
        verdict=judgement.verdict,
        score=judgement.score,
        kind=kind,
        sample_rate=sample_rate,
        channels=channels,
        checks=judgement.checks,
        measurements=measured.values,
        defects=measured.defects,
        ruleset=judgement.ruleset,
    )


def whole_file(recording: Recording, tolerance_s: float) -> Check:
    """Whether the sound that a file's header promises is there."""
    there_s = recording.samples.shape[1] / recording.sample_rate
    promised_s = there_s / recording.share
    missing_s = promised_s - there_s
    if missing_s <= tolerance_s:
        message = "No sound is missing that the file announces."
    else:
        fault = "damaged or cut short" if recording.damaged else "cut short"
        message = f"The file is {fault}: {promised_s:.2f} s announced, {there_s:.2f} s are there."
    return Check(
        name="whole_file",
        passed=missing_s <= tolerance_s,
        value=missing_s,
        threshold=tolerance_s,
        unit="s",
        message=message,
    )
