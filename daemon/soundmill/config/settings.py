"""The whole of soundmill.yaml."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from soundmill.config.sections import (
    AlertsConfig,
    AudioConfig,
    C2paConfig,
    ClusterConfig,
    EngineConfig,
    InboxConfig,
    QualityConfig,
    RetentionConfig,
    ScheduleConfig,
    ScoringConfig,
    Section,
    WebConfig,
)
from soundmill.deliver.profile import Profile, merged
from soundmill.jobs import QcAction


class Config(Section):
    """The whole of soundmill.yaml."""

    default_model: str = Field("facebook/musicgen-small", description="for rows that name none")
    default_duration: float = Field(10.0, gt=0, le=300, description="seconds, for rows that name none")
    on_qc_fail: QcAction = Field(QcAction.KEEP, description="keep, retry or quarantine")
    name: str | None = Field(
        None,
        max_length=200,
        description="pattern of clips' names, as MX_{place}_{take:02}; ids and a job file's own come first",
    )
    inbox: InboxConfig = Field(default_factory=InboxConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    cluster: ClusterConfig = Field(default_factory=ClusterConfig)
    audio: AudioConfig = Field(default_factory=AudioConfig)
    quality: QualityConfig = Field(default_factory=QualityConfig)
    scoring: ScoringConfig = Field(default_factory=ScoringConfig)
    web: WebConfig = Field(default_factory=WebConfig)
    alerts: AlertsConfig = Field(default_factory=AlertsConfig)
    retention: RetentionConfig = Field(default_factory=RetentionConfig)
    profiles: dict[Annotated[str, Field(pattern=r"^[\w-]{1,50}$")], Profile] = Field(
        {}, description="how deliveries are made, by name; those built in can be changed under their own"
    )
    c2pa: C2paConfig = Field(default_factory=C2paConfig)
    delivery_folders: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="where a job file's deliver may write beside the home's deliveries; absolute, or from ~"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_nothing_all_is_usual(cls, written: object) -> object:
        """A key whose own keys are all commented out has nothing below it."""
        return {k: v for k, v in written.items() if v is not None} if isinstance(written, dict) else written

    @field_validator("profiles", mode="before")
    @classmethod
    def _profiles_take_over(cls, written: object) -> object:
        return merged(written) if isinstance(written, dict) else written


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of soundmill.yaml."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:soundmill:schema:settings:1"}
    return about | Config.model_json_schema()
