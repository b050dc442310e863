"""soundmill.yaml: how the mill is set.

`load(home)` reads the file once and returns a frozen Config; every stage is handed the values it
needs, so no stage imports this room.
"""

from soundmill.config.reading import load
from soundmill.config.sections import (
    AUTO,
    AlertKind,
    AlertsConfig,
    AudioConfig,
    ClusterConfig,
    EngineConfig,
    InboxConfig,
    QualityConfig,
    RetentionConfig,
    ScheduleConfig,
    ScoringConfig,
    WebConfig,
)
from soundmill.config.settings import Config, schema

__all__ = [
    "AUTO",
    "AlertKind",
    "AlertsConfig",
    "AudioConfig",
    "ClusterConfig",
    "Config",
    "EngineConfig",
    "InboxConfig",
    "QualityConfig",
    "RetentionConfig",
    "ScheduleConfig",
    "ScoringConfig",
    "WebConfig",
    "load",
    "schema",
]
