"""soundmill.yaml and the home folder: where everything is and how the mill is set.

`load(home)` reads the file once and returns a frozen Config; every stage is handed the values it
needs, so no stage imports this module. What quality has limits for it says itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import core_schema

from soundmill.errors import ConfigError
from soundmill.jobs import AudioFormat, Normalization, QcAction, QualityKind
from soundmill.quality.check import Limit
from soundmill.quality.limits import all_limits


@dataclass(frozen=True, slots=True)
class Home:
    """The folder one daemon works in, and the paths in it."""

    root: Path

    @property
    def config_file(self) -> Path:
        return self.root / "soundmill.yaml"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.db"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def control(self) -> Path:
        return self.inbox / ".control"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def create(self) -> None:
        """Make the folders that are not there yet; what is there is left alone."""
        for folder in ("accepted", "rejected", ".claimed", ".control"):
            (self.inbox / folder).mkdir(parents=True, exist_ok=True)
        self.outputs.mkdir(exist_ok=True)


def find_home(chosen: str | None, environ: Mapping[str, str] = os.environ) -> Home:
    """`--home`, or SOUNDMILL_HOME, or ~/soundmill."""
    root = chosen or environ.get("SOUNDMILL_HOME") or "~/soundmill"
    return Home(Path(root).expanduser().absolute())


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class InboxConfig(Section):
    settle_s: float = Field(1.0, ge=0, description="a file is read once it has not changed for this long")
    scan_interval_s: float = Field(2.0, gt=0, le=3600, description="time between full scans of the inbox")
    max_file_mb: float = Field(32.0, gt=0, le=1024, description="larger job files are rejected")
    max_jobs: int = Field(1_000_000, ge=1, description="most jobs one file may expand to")


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
class _LimitsOf:
    """Has pydantic look the limits of a kind up when it reads them: a check that is added brings limits along."""

    kind: QualityKind

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, Any]:
        return self._model().model_json_schema()

    def defaults(self) -> QualityLimits:
        return self._model()()

    def _model(self) -> type[QualityLimits]:
        return _limits_model(self.kind, all_limits())

    def _read(self, value: object) -> QualityLimits:
        return value if isinstance(value, QualityLimits) else self._model().model_validate(value)


MUSIC, SOUND_EFFECTS, CUSTOM = map(_LimitsOf, QualityKind)


class QualityConfig(Section):
    """Limits by kind of sound. A job names its kind, or its model decides: AudioGen makes sound effects."""

    music: Annotated[QualityLimits, MUSIC] = Field(default_factory=MUSIC.defaults)
    sound_effects: Annotated[QualityLimits, SOUND_EFFECTS] = Field(default_factory=SOUND_EFFECTS.defaults)
    custom: Annotated[QualityLimits, CUSTOM] = Field(
        default_factory=CUSTOM.defaults, description="your own, for jobs with quality: custom"
    )


class ScoringConfig(Section):
    scorers: tuple[Literal["clap", "audiobox"], ...] = Field(
        (), description="models that score takes, any of clap (fits the prompt?) and audiobox (is it enjoyable?)"
    )
    rank_by: Literal["soundmill", "stars", "clap", "audiobox_ce", "audiobox_cu", "audiobox_pc", "audiobox_pq"] = Field(
        "soundmill", description="what decides which takes keep_best keeps; stars: people's ratings, then soundmill"
    )
    device: str = Field(
        "cpu", pattern=r"^(auto|cpu|mps|cuda:\d+)$", description="auto: a GPU that generates nothing, else the CPU"
    )
    clap_model: str = Field("laion/clap-htsat-unfused", min_length=1, description="Hugging Face id or folder")
    audiobox_model: str = Field("facebook/audiobox-aesthetics", min_length=1, description="Hugging Face id or folder")

    @model_validator(mode="after")
    def _can_rank(self) -> ScoringConfig:
        scorer = self.rank_by.partition("_")[0]
        if scorer not in ("soundmill", "stars", *self.scorers):
            raise ValueError(f"rank_by {self.rank_by} needs {scorer} among scorers")
        if len(set(self.scorers)) < len(self.scorers):
            raise ValueError("scorers names one twice")
        return self


class WebConfig(Section):
    host: str = Field("127.0.0.1", description="address the site listens on")
    port: int = Field(8001, ge=0, le=65535, description="port of the site; 0 takes a free one")


class Config(Section):
    """The whole of soundmill.yaml."""

    default_model: str = Field("facebook/musicgen-small", description="for rows that name none")
    default_duration: float = Field(10.0, gt=0, le=300, description="seconds, for rows that name none")
    on_qc_fail: QcAction = Field(QcAction.KEEP, description="keep, retry or quarantine")
    inbox: InboxConfig = InboxConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    engine: EngineConfig = EngineConfig()
    audio: AudioConfig = AudioConfig()
    quality: QualityConfig = Field(default_factory=QualityConfig)
    scoring: ScoringConfig = ScoringConfig()
    web: WebConfig = WebConfig()


def load(home: Home) -> Config:
    """Read soundmill.yaml; a missing file means all defaults.

    Raises ConfigError naming every key that is wrong.
    """
    try:
        text = home.config_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{home.config_file}: cannot be read ({error})") from error
    try:
        data = yaml.safe_load(text)
        return Config.model_validate({} if data is None else data)
    except yaml.YAMLError as error:
        raise ConfigError(f"{home.config_file}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{home.config_file}: {faults}") from error
