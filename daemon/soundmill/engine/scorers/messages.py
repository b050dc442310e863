"""The scoring room, wire: what the daemon and its scoring process say to each other. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from soundmill.errors import EngineError

# The names each scorer scores under. Audiobox Aesthetics judges four axes: content enjoyment, content usefulness,
# production complexity and production quality.
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"clap": ("clap",), "audiobox": ("audiobox_ce", "audiobox_cu", "audiobox_pc", "audiobox_pq")}
)

Scores = Mapping[str, float | None]  # by name; None where the audio gives no score, as silence without a sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """An audio file and the prompt it was generated from. `key` is the caller's."""

    key: int
    file: Path
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Score `takes` with `scorer`, whose weights are `model`: a Hugging Face id or a folder."""

    scorer: str
    model: str
    takes: tuple[Take, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores by key. `unread` says of the takes that have none why: the file is gone or is no audio."""

    scores: Mapping[int, Scores]
    unread: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringFailed:
    """None of the takes was scored."""

    error: EngineError


Answer = Scored | ScoringFailed
