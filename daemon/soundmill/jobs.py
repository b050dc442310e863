"""The shared nouns: what is asked for, what is tried, and what comes out.

A batch is one accepted job file; a job is one requested clip; an attempt is one try at a job; an
output is the audio file of one attempt. Times are Unix seconds (float, UTC), durations seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # the daemon stopped or died under it
    CANCELLED = "cancelled"


class FailureKind(StrEnum):
    """Why an attempt failed; `schedule/retry.py` says what follows from each."""

    BAD_PARAMETER = "bad_parameter"
    UNKNOWN_MODEL = "unknown_model"
    MODEL_UNAVAILABLE = "model_unavailable"
    MISSING_INPUT = "missing_input"
    OUT_OF_MEMORY = "out_of_memory"
    ENGINE_DIED = "engine_died"
    TIMED_OUT = "timed_out"
    IO = "io"
    INTERNAL = "internal"


class QcAction(StrEnum):
    """What happens to a take whose quality checks fail."""

    KEEP = "keep"
    RETRY = "retry"
    QUARANTINE = "quarantine"


class QualityKind(StrEnum):
    """Whose thresholds judge a take: footsteps are silent between steps and rain is broadband, music is neither."""

    MUSIC = "music"
    SOUND_EFFECTS = "sound_effects"
    CUSTOM = "custom"


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"


class AudioFormat(StrEnum):
    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    MP3 = "mp3"


class Normalization(StrEnum):
    NONE = "none"
    PEAK = "peak"
    RMS = "rms"
    LOUDNESS = "loudness"


def bounds(least: float, most: float = math.inf, *, off: float | None = None) -> Mapping[str, float | None]:
    """What an engine can do with a sampling parameter; `off` is the value that leaves the sampling alone."""
    return {"least": least, "most": most, "off": off}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Sampling parameters under AudioCraft's names. `duration` in seconds; `top_k` 0 and `top_p` 0
    mean off; `temperature` 0 means greedy; `cfg_coef` is the guidance coefficient."""

    duration: float
    temperature: float = field(metadata=bounds(0))
    top_k: int = field(metadata=bounds(0, off=0))
    top_p: float = field(metadata=bounds(0, 1, off=0))
    cfg_coef: float = field(metadata=bounds(-math.inf))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One requested clip as a job file asks for it, before the catalogue gives it an id.

    `name` is unique in its batch and safe as a file name. `labels` are the columns Soundmill does
    not know; `condition` maps factor to level in an experiment; replicates of one row share its
    position and count from 1.
    """

    position: int  # 1-based, in the order of the file
    name: str
    prompt: str
    model: str
    parameters: Parameters
    seed: int
    priority: int = 0
    format: AudioFormat = AudioFormat.WAV
    melody: Path | None = None
    continue_from: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, str] = field(default_factory=dict)
    replicate: int = 1
    quality: QualityKind | None = None  # None: by the model
    keep_best: int | None = None  # of the takes of this position, by score; None keeps all


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAsked:
    """What a job file wants of its takes when the batch ends. `to` is a folder, None for one of the batch's name."""

    profile: str
    to: str | None = None
    zipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpec:
    """One readable job file. `jobs` may be iterated more than once and is not held in memory."""

    name: str
    jobs: Iterable[JobSpec]
    job_count: int
    on_qc_fail: QcAction = QcAction.KEEP
    priority: int = 0
    kind: str = "list"  # list, template or experiment
    experiment: Mapping[str, object] | None = None  # the experiment section as written
    extends: str | None = None  # name of the earlier batch whose experiment this one goes on with
    deliver: DeliveryAsked | None = None
    labels: tuple[str, ...] = ()  # the columns and keys that set nothing and are kept beside the jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a batch came from. `ulid` names the claim and makes its ingest happen once."""

    ulid: str
    file_name: str
    sha256: str
    size_bytes: int
    again: bool = False  # a person asked for the same content once more
    kept_as: str | None = None  # where in inbox/accepted/ it goes, "2026-11/themes.csv"
    modified_ns: int | None = None  # the file's own time, to see whether it was written to since
    rest_of: Batch | None = None  # only the rows that this batch lacks were taken of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One accepted job file, as the catalogue has it. `name` is unique in the catalogue."""

    id: int
    ulid: str
    name: str
    job_count: int
    on_qc_fail: QcAction
    paused: bool
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One requested clip, as the catalogue has it."""

    id: int
    batch_id: int
    batch_name: str
    position: int
    name: str
    prompt: str
    model: str
    parameters: Parameters
    seed: int
    priority: int
    format: AudioFormat
    melody: Path | None
    continue_from: Path | None
    on_qc_fail: QcAction
    status: JobStatus
    attempt: int  # number of the latest attempt, 0 before the first
    strikes: int  # attempts that count against max_attempts
    qc_retries: int  # attempts repeated because a quality check failed
    labels: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, str] = field(default_factory=dict)
    replicate: int = 1
    quality: QualityKind | None = None
    keep_best: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a job, claimed by a worker. The pair (job id, number) fences its finish."""

    job: Job
    number: int
    seed: int
    worker: str
    started_at: float
    alone: bool = False  # an earlier attempt took its engine down: run it without neighbours

    @property
    def key(self) -> tuple[int, int]:
        return self.job.id, self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQueue:
    """What waits for one model: the head of its queue by priority, then age."""

    model: str
    priority: int
    oldest_queued_at: float
    head_job_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A loaded model. `slots` is how many clips its engine takes at once."""

    name: str
    sample_rate: int  # Hz
    channels: int
    frame_rate: float  # Hz
    slots: int
    device: str
    licence: str
    versions: Mapping[str, str] = field(default_factory=dict)  # soundmill, audiocraft, torch, device, weights


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """All an engine needs for one clip; what comes out depends on nothing else.

    `tags` are written into the file beside those the engine adds; `deadline_s` is how long the
    engine may take from submission before it counts as hung.
    """

    job_id: int
    attempt: int
    prompt: str
    parameters: Parameters
    seed: int
    format: AudioFormat
    normalization: Normalization
    normalization_target: float  # LUFS for loudness, dBFS for peak and rms, unused for none
    deadline_s: float
    melody: Path | None = None
    continue_from: Path | None = None
    fade_s: float = 0.0  # at the end, and at the start of a clip that continues none; 0 leaves the cut as it is
    tags: Mapping[str, str] = field(default_factory=dict)
    input_folders: tuple[Path, ...] | None = None  # melody and continue_from are read from these alone; None: any

    @property
    def key(self) -> tuple[int, int]:
        return self.job_id, self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A finished clip: encoded audio and what was measured on it.

    `measurements` maps a name of quality/measure.py to its number (None where it has none, as the
    loudness of silence); `defects` lists where in the clip something was found, as plain data.
    """

    job_id: int
    attempt: int
    audio: bytes
    format: AudioFormat
    sample_rate: int  # Hz
    channels: int
    duration_s: float
    generation_s: float  # wall time from the clip's first step to its last, other clips beside it
    device_s: float  # its share of that: each step's time divided among the rows computed in it
    row_steps: int  # rows computed for it in all its steps: one a step, two with guidance or in AudioCraft's own loop
    measurements: Mapping[str, float | None]
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    defects: tuple[Mapping[str, object], ...] = ()
    peaks: bytes | None = None  # its outline and spectrogram, as audio/peaks.py packs them; None from an engine without
    fingerprint: bytes | None = None  # as audio/fingerprint/ packs it; the same

    @property
    def key(self) -> tuple[int, int]:
        return self.job_id, self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFailed:
    job_id: int
    attempt: int
    kind: FailureKind
    message: str

    @property
    def key(self) -> tuple[int, int]:
        return self.job_id, self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a running clip is: steps done of steps due."""

    job_id: int
    attempt: int
    done: int
    due: int

    @property
    def key(self) -> tuple[int, int]:
        return self.job_id, self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule applied to one measurement. `message` is a sentence a person understands."""

    name: str
    passed: bool
    value: float | None
    threshold: float
    unit: str
    message: str


LIMIT_SCORE = 49.0  # of a take with one measurement exactly at its limit; one that failed a check has no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The checks of one output, their verdict and its 0 to 100 score."""

    checks: tuple[Check, ...]
    verdict: Verdict
    score: float
    ruleset: str  # identifies the thresholds that were applied


# Judges a take by its job's model and kind of sound, what was measured on it, and where something was found.
Judge = Callable[[str, QualityKind | None, Mapping[str, float | None], Sequence[Mapping[str, object]]], Judgement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The audio file that became of a clip. `path` is relative to the home's outputs folder."""

    clip: Generated
    path: str
    size_bytes: int
    sha256: str
    normalization: Normalization
    normalization_target: float  # as in GenerationRequest
    quarantined: bool = False
    fade_s: float | None = None  # as in GenerationRequest; None: not recorded


def derive_seed(*parts: str | int) -> int:
    """A seed in [0, 2**31) from what identifies a take; the same parts give the same seed.

    31 bits, because that range is accepted by every tool a person may paste the number into.
    """
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33


def attempt_seed(job_seed: int, qc_retries: int) -> int:
    """The seed of an attempt: the job's own, or a fresh one once quality checks asked for another take."""
    return job_seed if qc_retries == 0 else derive_seed("qc-retry", job_seed, qc_retries)
