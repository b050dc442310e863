"""The scoring room, messages: what the daemon and its scoring process say to each other. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundmill.engine.scorers.registry import Scores
from soundmill.errors import EngineError


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
