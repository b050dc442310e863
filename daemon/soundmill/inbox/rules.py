"""Inbox: what a job file is read against — the models there are, the home's defaults, the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundmill.jobs import AudioFormat, QcAction


class ModelTraits(Protocol):
    """What the inbox must know of a model to refuse a row it cannot serve."""

    @property
    def name(self) -> str: ...

    @property
    def takes_melody(self) -> bool: ...

    @property
    def max_duration_s(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one job file is read. `resolve_model` raises errors.UnknownModel with the mend."""

    ulid: str
    folder: Path  # melody and continue_from are relative to it
    resolve_model: Callable[[str], ModelTraits]
    default_model: str
    default_duration: float  # seconds
    default_format: AudioFormat
    default_on_qc_fail: QcAction
    max_jobs: int
