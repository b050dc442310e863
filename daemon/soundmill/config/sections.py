"""The parts of soundmill.yaml. What quality has limits for it says itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator
from pydantic_core import core_schema

from soundmill.engine.scorers.registry import BUILT_IN, on_this_machine, scorers
from soundmill.engine.scorers.registry import find as find_scorer
from soundmill.errors import BadParameter
from soundmill.jobs import AudioFormat, Normalization, QualityKind
from soundmill.quality.check import Limit
from soundmill.quality.limits import all_limits


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


class InboxConfig(Section):
    settle_s: float = Field(1.0, ge=0, description="a file is read once it has not changed for this long")
    patience_s: float = Field(
        60.0, ge=0, description="how long a file that seems unfinished is waited for after its last change"
    )
    scan_interval_s: float = Field(2.0, gt=0, le=3600, description="time between full scans of the inbox")
    max_file_mb: float = Field(32.0, gt=0, le=1024, description="larger job files are rejected")
    max_jobs: int = Field(1_000_000, ge=1, description="most jobs one file may expand to")
    input_folders: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="where melody and continue_from may be beside inbox and outputs; absolute, or from ~"
    )

    @model_validator(mode="after")
    def _folders_are_absolute(self) -> Self:
        for folder in self.input_folders:
            if not Path(folder).expanduser().is_absolute():
                raise ValueError(f"input_folders: {folder} is relative; name the folder from / or ~")
        return self


class ScheduleConfig(Section):
    max_attempts: int = Field(3, ge=1, le=100, description="a job that fails this often ends as failed")
    qc_retries: int = Field(2, ge=0, le=100, description="new takes after failed checks, with on_qc_fail: retry")
    backoff_max_s: float = Field(300.0, gt=0, description="longest wait before a retry")
    pass_over_s: float = Field(
        600.0, ge=0, description="longest that another model's jobs wait for the loaded model's queue"
    )
    deadline_s: float = Field(600.0, gt=0, description="time a clip may take beside its share per second of audio")
    deadline_per_audio_s: float = Field(60.0, ge=0, description="time a clip may take per second of audio")
    load_deadline_s: float = Field(3600.0, gt=0, description="time loading (and fetching) a model may take")

    def clip_deadline_s(self, duration: float) -> float:
        """How long an engine may take for a clip of `duration` seconds before it counts as hung."""
        return self.deadline_s + self.deadline_per_audio_s * duration


class EngineConfig(Section):
    devices: Literal["auto"] | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        "auto", description="auto, or a list such as [cuda:0, cuda:1], [mps] or [cpu]"
    )
    slots: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto", description="clips generated at once on a device; auto measures what fits"
    )


class ClusterConfig(Section):
    """Engines on the machines of a Ray cluster, beside those of engine.devices where that is not auto."""

    address: str | None = Field(
        None,
        pattern=r"^(auto|local|[\w.-]+:\d{1,5})$",
        description="HOST:PORT of the head; auto: the cluster this machine is in; local: one of this machine alone",
    )
    gpus: Literal["all"] | Annotated[int, Field(ge=0, le=100_000)] = Field(
        "all", description="engines at most, one a GPU; 0: engines on CPUs, as all is where no machine has a GPU"
    )
    cpus_per_engine: Literal["auto"] | Annotated[float, Field(gt=0, le=1024)] = Field(
        "auto", description="CPUs that an engine takes of its machine; auto: 1 beside a GPU, else all"
    )
    models: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        {},
        description="machines that alone make a model's clips, as {musicgen-large: [ws1, rack1-*, local]}; local: this "
        "one's own devices; all make those of other models",
    )


class AudioConfig(Section):
    format: AudioFormat = Field(AudioFormat.WAV, description="for rows that name none: wav, flac, ogg or mp3")
    normalization: Normalization = Field(Normalization.LOUDNESS, description="none, peak, rms or loudness")
    loudness_lufs: float = Field(-14.0, ge=-70, le=0, description="target of loudness normalization")
    peak_dbfs: float = Field(-1.0, ge=-60, le=0, description="target of peak normalization")
    rms_dbfs: float = Field(-18.0, ge=-60, le=0, description="target of rms normalization")
    fade_ms: float = Field(10.0, ge=0, le=1000, description="fade where a clip is cut, so it does not click; 0: none")

    @property
    def normalization_target(self) -> float:
        return {
            Normalization.LOUDNESS: self.loudness_lufs,
            Normalization.PEAK: self.peak_dbfs,
            Normalization.RMS: self.rms_dbfs,
            Normalization.NONE: 0.0,
        }[self.normalization]


LIMITS = "The limits one kind of sound is judged by; a value exactly at its limit passes."


class QualityLimits(Section):
    """The limits one kind of sound is judged by; its fields are those of quality/limits.py."""


@cache
def _limits_model(kind: QualityKind, limits: tuple[Limit, ...]) -> type[QualityLimits]:
    fields: dict[str, Any] = {
        limit.name: (
            type(limit.default),
            Field(limit.of(kind), ge=limit.least, le=limit.most, description=limit.description),
        )
        for limit in limits
    }
    prefix = {QualityKind.CUSTOM: "Quality"}.get(kind) or kind.value.title().replace("_", "")
    model: type[QualityLimits] = create_model(f"{prefix}Limits", __base__=QualityLimits, __doc__=LIMITS, **fields)
    return model


@dataclass(frozen=True, slots=True)
class LimitsOf:
    """Has pydantic look the limits of a kind up when it reads them: a check that is added brings limits along."""

    kind: QualityKind

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, Any]:
        return self.model().model_json_schema()

    def defaults(self) -> QualityLimits:
        return self.model()()

    def model(self) -> type[QualityLimits]:
        return _limits_model(self.kind, all_limits())

    def _read(self, value: object) -> QualityLimits:
        return value if isinstance(value, QualityLimits) else self.model().model_validate(value)


MUSIC, SOUND_EFFECTS, CUSTOM = map(LimitsOf, QualityKind)


class QualityConfig(Section):
    """Limits by kind of sound. A job names its kind, or its model decides: AudioGen makes sound effects."""

    music: Annotated[QualityLimits, MUSIC] = Field(default_factory=MUSIC.defaults)
    sound_effects: Annotated[QualityLimits, SOUND_EFFECTS] = Field(default_factory=SOUND_EFFECTS.defaults)
    custom: Annotated[QualityLimits, CUSTOM] = Field(
        default_factory=CUSTOM.defaults, description="your own, for jobs with quality: custom"
    )


AUTO = "auto"


class _Scoring(Section):
    """Beside these keys there is `<scorer>_model` for every scorer; extra are those of scorers that plugins bring."""

    model_config = ConfigDict(extra="allow")

    scorers: tuple[str, ...] = Field(
        (),
        description="models that score takes, any of "
        + " and ".join(f"{each.name} ({each.asks})" for each in BUILT_IN)
        + "; auto: those whose package and weights are on this machine",
    )
    rank_by: str = Field(
        "soundmill",
        description="what decides which takes keep_best keeps; stars: people's ratings, then soundmill; "
        "listeners: their answers about pairs, then soundmill; prompt: what its words ask for against what is heard; "
        "gain: how much likelier the model finds a take with its prompt than without",
    )
    device: str = Field(
        "cpu", pattern=r"^(auto|cpu|mps|cuda:\d+)$", description="auto: a GPU that generates nothing, else the CPU"
    )

    @field_validator("scorers", mode="before")
    @classmethod
    def _auto_alone(cls, written: object) -> object:
        return (AUTO,) if written == AUTO else written

    @property
    def chosen(self) -> tuple[str, ...]:
        """The scorers by name; with auto those that can be opened with what is on this machine now."""
        if self.scorers != (AUTO,):
            return self.scorers
        return tuple(name for name, spec in scorers().items() if on_this_machine(spec, self.weights_of(name)))

    @model_validator(mode="after")
    def _scorers_are_known(self) -> Self:
        try:
            chosen = [find_scorer(name) for name in self.chosen]
            for key, value in (self.model_extra or {}).items():
                if not (key.endswith("_model") and find_scorer(key.removesuffix("_model")) and isinstance(value, str)):
                    raise ValueError(f"{key}: no such key, or no text")
        except BadParameter as error:
            raise ValueError(str(error)) from error
        if self.rank_by not in (
            "soundmill",
            "stars",
            "listeners",
            "prompt",
            "gain",
            *(name for each in chosen for name in each.scores),
        ):
            owner = next((each.name for each in scorers().values() if self.rank_by in each.scores), None)
            if owner is None:
                raise ValueError(f"rank_by {self.rank_by}: nothing scores under that name")
            here = ", and auto does not find it on this machine" if self.scorers == (AUTO,) else ""
            raise ValueError(f"rank_by {self.rank_by} needs {owner} among scorers{here}")
        if len(set(self.scorers)) < len(self.scorers):
            raise ValueError("scorers names one twice")
        return self

    def weights_of(self, scorer: str) -> str:
        """A Hugging Face id or a folder."""
        return str(getattr(self, f"{scorer}_model", None) or find_scorer(scorer).model)


if TYPE_CHECKING:
    ScoringConfig = _Scoring
else:
    ScoringConfig = create_model(
        "ScoringConfig",
        __base__=_Scoring,
        **{
            f"{each.name}_model": (str, Field(each.model, min_length=1, description="Hugging Face id or folder"))
            for each in BUILT_IN
        },
    )


Days = Annotated[float, Field(gt=0, le=36_500)]


class RetentionConfig(Section):
    """Which takes go. Their rows stay; a take that a person rated stays too, whatever these say."""

    after_d: Days | None = Field(None, description="takes older than so many days go; null: they stay")
    failed_after_d: Days | None = Field(None, description="the same of takes that failed a check")
    set_aside_after_d: Days | None = Field(None, description="the same of takes that keep_best set aside")
    max_gb: Annotated[float, Field(gt=0)] | None = Field(
        None, description="where takes are more than that together, the oldest go: set aside, then failed, then others"
    )


class WebConfig(Section):
    host: str = Field("127.0.0.1", description="address the site listens on")
    port: int = Field(8001, ge=0, le=65535, description="port of the site; 0 takes a free one")
    hosts: tuple[str, ...] = Field((), description="further names it is reached by, as a proxy's; others are refused")
    base_url: str = Field(
        "/", pattern=r"^/([\w.~-]+/)*$", description="path below which a proxy shows the site, as /mill/"
    )


AlertKind = Literal[
    "batch_finished", "batch_failed", "storage_closed", "storage_opened", "worker_died", "machine_gone",
    "file_rejected", "report_failed", "daemon_died", "trouble", "trouble_over",
]  # fmt: skip


class AlertsConfig(Section):
    """Who is told, without asking, and of what."""

    webhook: str | None = Field(
        None,
        pattern=r"^(https?://[^\s/]+\S*|env:\w+|file:.+)$",
        description="address that alerts are posted to as JSON; env:NAME or file:PATH is where a secret one stands",
    )
    token: str | None = Field(
        None,
        pattern=r"^(env:\w+|file:.+)$",
        description="env:NAME or file:PATH of a token that is sent along (Authorization: Bearer)",
    )
    command: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="a program and its arguments; it gets each alert as JSON on standard input"
    )
    on: tuple[AlertKind, ...] = Field(get_args(AlertKind), description="of what; leave out what nobody wants to hear")
    repeat_s: float = Field(900.0, ge=0, le=604_800, description="of one cause no more than one alert in this time")
    timeout_s: float = Field(10.0, gt=0, le=300, description="how long a receiver or the program may take")

    @model_validator(mode="before")
    @classmethod
    def _yaml_reads_on_as_true(cls, value: object) -> object:
        return {"on" if key is True else key: each for key, each in value.items()} if isinstance(value, dict) else value


class C2paConfig(Section):
    """Whose Content Credentials (C2PA) the files of profiles with sign: true carry."""

    certificate: str | None = Field(None, description="PEM file with the certificate and those it hangs by")
    key: str | None = Field(None, description="PEM file (PKCS 8) with its private key")
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        "es256", description="how the key signs"
    )
    timestamp_url: str | None = Field(None, description="authority that vouches for the time (RFC 3161), for each file")
