"""The JSON Schema of a sidecar, the `<take>.json` beside a take: what `wiring.sidecar_for` writes."""

from __future__ import annotations

from typing import Any, get_type_hints

from soundmill.jobs import AudioFormat, Check, Parameters, Verdict


def schema() -> dict[str, Any]:
    """Draft 2020-12. Every key is always there, but the message of a check that passed."""
    from pydantic import ConfigDict, create_model  # here, because only who asks for the schema needs it

    of_a_check: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(Check).items()}
    check = create_model("Check", __config__=ConfigDict(extra="forbid"), **of_a_check | {"message": (str, "")})
    kinds: dict[str, Any] = {
        "soundmill": str, "batch": str, "job": str, "position": int, "replicate": int, "prompt": str, "model": str,
        **get_type_hints(Parameters),
        "seed": int, "attempt": int, "melody": str | None, "continue_from": str | None,
        "labels": dict[str, str], "condition": dict[str, str],
        "format": AudioFormat, "sample_rate": int, "channels": int,
        "duration_s": float, "generation_s": float, "device_s": float, "row_steps": int,
        "verdict": Verdict, "score": float, "ruleset": str, "checks": list[check],
        "measurements": dict[str, float | None], "defects": list[dict[str, object]],
        "licence": str, "versions": dict[str, str],
    }  # fmt: skip
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in kinds.items()}
    model = create_model(
        "Sidecar", __config__=ConfigDict(extra="forbid"), __doc__="Everything known of a take.", **fields
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:soundmill:schema:sidecar:1",
        **model.model_json_schema(),
    }
