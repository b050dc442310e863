"""The ground, hooks: what a plugin may answer. Each function here is one question.

The types are named in quotes because this is the ground: the nouns live in the rooms that use them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from soundmill.engine.models import ModelSpec
    from soundmill.engine.scorers.registry import ScorerSpec
    from soundmill.quality.check import QualityCheck

GROUP = "soundmill"  # of entry points, and pluggy's project name

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Models by name, beside those of `soundmill models list`."""


@hookspec
def register_scorers() -> Iterable[ScorerSpec]:  # type: ignore[empty-body]
    """Models that score takes, for `scoring.scorers` in soundmill.yaml."""


@hookspec
def register_quality_checks() -> Iterable[QualityCheck]:  # type: ignore[empty-body]
    """Checks that every take is judged by, with their measurement and limits."""
