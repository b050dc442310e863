"""What this package adds to Soundmill: a quality check, a scorer and a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from soundmill.plugins import hookimpl

if TYPE_CHECKING:
    from soundmill.engine.models import ModelSpec
    from soundmill.engine.scorers.registry import ScorerSpec
    from soundmill.quality.check import QualityCheck


@hookimpl
def register_quality_checks() -> Iterable[QualityCheck]:
    from soundmill_example import hum

    return [hum.CHECK]


@hookimpl
def register_scorers() -> Iterable[ScorerSpec]:
    from soundmill_example import brightness

    return [brightness.SPEC]


@hookimpl
def register_models() -> Iterable[ModelSpec]:
    from soundmill_example import beeps

    return [beeps.SPEC]
