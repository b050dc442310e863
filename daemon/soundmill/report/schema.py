"""Report: the JSON Schema of summary.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

from soundmill.report.listeners import Preferred
from soundmill.report.statistics.findings import ConditionRank, FactorEffect, Interaction
from soundmill.report.summary import KEYS, WITHOUT, ModelNumbers, PromptNumbers

TITLES = {"counts": "Counts", "rates": "Rates", "timing": "Timing", "quality": "Quality"}
# What stands under a key, where it is not what stands under every other key of its section.
KINDS: Mapping[str, object] = {
    "finished": bool,
    "goes_on_with": list[str],
    "goes_on_in": list[str],
    "timing.created_at": str,
    "timing.started_at": str | None,
    "timing.finished_at": str | None,
    "timing.audio_s": float,
    "timing.processing_s": float,
    "timing.generation_s": float,
    "quality.rated": int,
    "quality.too_quiet": int,
    "quality.failed_checks": dict[str, int],
    "quality.measurements": dict[str, float],
    "models": dict[str, ModelNumbers],
    "errors": dict[str, int],
    "best": list[str],
    "prompts": list[PromptNumbers],
    "listeners": list[Preferred],
    "sentences": list[str],
    "licences": list[str],
}
USUAL: Mapping[str, object] = {"": str, "counts": int, "rates": float | None, "timing": float | None,
                               "quality": float | None}  # fmt: skip


def schema() -> dict[str, Any]:
    """Draft 2020-12. Every key is always there; the findings are as the analysis has them, less what it says of them
    in words."""
    from pydantic import ConfigDict, Field, create_model  # here, because only who asks for the schema needs it

    closed = ConfigDict(extra="forbid")

    def finding(kind: type) -> Any:
        fields: dict[str, Any] = {n: (hint, ...) for n, hint in get_type_hints(kind).items() if n not in WITHOUT}
        return create_model(kind.__name__, __config__=closed, **fields)

    kinds = {
        **KINDS,
        "factors": list[finding(FactorEffect)],  # type: ignore[misc]
        "interactions": list[finding(Interaction)],  # type: ignore[misc]
        "conditions": list[finding(ConditionRank)],  # type: ignore[misc]
    }
    sections: dict[str, dict[str, Any]] = {}
    for key, meaning in KEYS.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, {})[name] = (kinds.get(key, USUAL[section]), Field(..., description=meaning))
        if section:
            sections[""].setdefault(section, (object, ...))  # its place among the others
    for section, title in TITLES.items():
        sections[""][section] = (create_model(title, __config__=closed, **sections[section]), ...)
    model = create_model("Summary", __config__=closed, __doc__="A batch in numbers.", **sections[""])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:soundmill:schema:summary:1",
        **model.model_json_schema(),
    }
