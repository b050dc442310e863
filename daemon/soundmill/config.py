"""soundmill.yaml and the home folder: where everything is and how the mill is set.

`load(home)` reads the file once and returns a frozen Config; every stage is handed the values it
needs, so no stage imports this module.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from soundmill.errors import ConfigError
from soundmill.jobs import AudioFormat, Normalization, QcAction


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
    patience_s: float = Field(
        60.0, ge=0, description="how long a file that seems unfinished is waited for after its last change"
    )
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


class QualityLimits(Section):
    """The limits one kind of sound is judged by; a value exactly at its limit passes."""

    silence_share_max: float = Field(0.30, ge=0, le=1, description="share of 1024-sample windows below -60 dBFS RMS")
    silence_head_max_s: float = Field(3.0, ge=0, description="silence before the first sound")
    silence_tail_max_s: float = Field(2.5, ge=0, description="silence after the last sound")
    silence_inside_max_s: float = Field(2.0, ge=0, description="longest silence between two sounds")
    dropout_max_s: float = Field(0.004, ge=0, description="summed length of silences that begin and end abruptly")
    clipping_share_max: float = Field(0.01, ge=0, le=1, description="share of samples over 0.99 of full scale")
    flat_share_max: float = Field(0.002, ge=0, le=1, description="share of samples in tops cut flat at any level")
    true_peak_max_dbtp: float = Field(2.0, ge=0, description="rise between samples, above them and full scale")
    repetition_max: float = Field(0.95, ge=0, le=1.01, description="correlation of consecutive one-second segments")
    loop_share_max: float = Field(0.5, ge=0, le=1, description="share that copies what was one period earlier")
    spectral_range_min_db: float = Field(30.0, ge=0, description="range of the time-averaged spectrum")
    noise_max_s: float = Field(1.0, ge=0, description="longest passage of nothing but noise")
    stuck_tone_max_s: float = Field(4.5, ge=0, description="longest that one tone may sound on unchanged")
    clicks_max: int = Field(0, ge=0, description="clicks that are let pass")
    level_step_max_db: float = Field(20.0, ge=0, description="sudden, lasting change of level in all bands alike")
    loudness_min_lufs: float = Field(-40.0, ge=-100, le=0, description="quieter takes fail")
    channel_difference_max_db: float = Field(15.0, ge=0, description="level of one stereo channel over the other")
    opposite_phase_max: float = Field(0.7, ge=0, le=1, description="correlation of left with right turned over")
    nonfinite_max: int = Field(0, ge=0, description="samples that are not numbers")
    dc_offset_max: float = Field(0.02, ge=0, le=1, description="lasting offset of the wave, full scale = 1")
    duration_tolerance_s: float = Field(0.10, ge=0, description="difference from the duration asked for")


class MusicLimits(QualityLimits):
    """Loud masters touch full scale on purpose, and what is cut flat has a limit of its own; at 120 beats a minute a
    second comes back by itself, and loops have a limit of their own. A last chord rings out into silence, an organ
    holds a note, an instrument stands on one side or is spread by turning a channel over: published music holds all of
    this."""

    silence_tail_max_s: float = Field(5.0, ge=0, description="silence after the last sound")
    dropout_max_s: float = Field(0.006, ge=0, description="summed length of silences that begin and end abruptly")
    noise_max_s: float = Field(1.5, ge=0, description="longest passage of nothing but noise")
    stuck_tone_max_s: float = Field(5.5, ge=0, description="longest that one tone may sound on unchanged")
    channel_difference_max_db: float = Field(16.0, ge=0, description="level of one stereo channel over the other")
    opposite_phase_max: float = Field(0.8, ge=0, le=1, description="correlation of left with right turned over")
    loudness_min_lufs: float = Field(-45.0, ge=-100, le=0, description="quieter takes fail")
    clipping_share_max: float = Field(0.05, ge=0, le=1, description="share of samples over 0.99 of full scale")
    repetition_max: float = Field(1.01, ge=0, le=1.01, description="correlation of consecutive one-second segments")


class SoundEffectsLimits(QualityLimits):
    """Steps are silent between steps, a slam ends in silence, rain is broadband, an alarm repeats itself, shots are
    recorded beyond the limit: published effects hold all of this."""

    silence_share_max: float = Field(0.98, ge=0, le=1, description="share of 1024-sample windows below -60 dBFS RMS")
    silence_head_max_s: float = Field(3.0, ge=0, description="silence before the first sound")
    silence_tail_max_s: float = Field(300.0, ge=0, description="silence after the last sound")
    silence_inside_max_s: float = Field(10.0, ge=0, description="longest silence between two sounds")
    dropout_max_s: float = Field(0.25, ge=0, description="summed length of silences that begin and end abruptly")
    clipping_share_max: float = Field(0.10, ge=0, le=1, description="share of samples over 0.99 of full scale")
    flat_share_max: float = Field(0.10, ge=0, le=1, description="share of samples in tops cut flat at any level")
    true_peak_max_dbtp: float = Field(6.0, ge=0, description="rise between samples, above them and full scale")
    repetition_max: float = Field(1.01, ge=0, le=1.01, description="correlation of consecutive one-second segments")
    spectral_range_min_db: float = Field(0.0, ge=0, description="range of the time-averaged spectrum")
    noise_max_s: float = Field(300.0, ge=0, description="longest passage of nothing but noise")
    clicks_max: int = Field(2, ge=0, description="clicks that are let pass")
    loudness_min_lufs: float = Field(-50.0, ge=-100, le=0, description="quieter takes fail")
    dc_offset_max: float = Field(0.05, ge=0, le=1, description="lasting offset of the wave, full scale = 1")
    level_step_max_db: float = Field(100.0, ge=0, description="sudden, lasting change of level in all bands alike")


class QualityConfig(Section):
    """Limits by kind of sound. A job names its kind, or its model decides: AudioGen makes sound effects."""

    music: MusicLimits = MusicLimits()
    sound_effects: SoundEffectsLimits = SoundEffectsLimits()
    custom: QualityLimits = Field(QualityLimits(), description="your own, for jobs with quality: custom")


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
    quality: QualityConfig = QualityConfig()
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
