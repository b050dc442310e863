"""Inbox: what editors and the README say about job files, drawn from the models that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soundmill.inbox.jobfile.cells import KNOWN, TEXT_FIELDS, bounds, choices, unit_of
from soundmill.inbox.jobfile.written import Experiment, JobFile, JobRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One column of a CSV job file, or one key of a job in a YAML one."""

    name: str
    type: str
    unit: str
    default: str
    range: str
    meaning: str


# Defaults that are not a constant of the model.
_DEFAULTS = {
    "id": "number and prompt",
    "prompt": "required",
    "model": "`default_model` of soundmill.yaml",
    "duration": "`default_duration` of soundmill.yaml",
    "seed": "derived, recorded",
    "keep_best": "all",
    "quality": "by the model",
    "format": "`audio.format` of soundmill.yaml",
    "melody": "none",
    "continue_from": "none",
}

_EXPERIMENT_DEFAULTS = {
    "prompt": "that of `defaults` or `template`",
    "factors": "required",
    "n": "required in a sampled design",
    "baseline": "each factor's first level",
    "extends": "none",
}


def _parameter(name: str) -> Parameter:
    info = JobRow.model_fields[name]
    low, high = bounds(info)
    words = choices(info)
    longest = next((m.max_length for m in info.metadata if hasattr(m, "max_length")), None)
    if name in TEXT_FIELDS:
        kind = "file" if name in ("melody", "continue_from") else "text"
        span = f"up to {longest:,} characters" if kind == "text" and name != "model" else ""
    elif words:
        kind, span = "word", ", ".join(words)
    elif info.annotation is bool:
        kind, span = "switch", "true, false"
    else:
        kind = "whole number" if "int" in str(info.annotation) else "number"
        # 2^53 is what people know; its sixteen digits are not
        span = f"{low:,g} to {'2^53 - 1' if name == 'seed' else f'{high:,g}'}"
    return Parameter(
        name=name,
        type=kind,
        unit=unit_of(info),
        default=_DEFAULTS.get(name) or (str(info.default).lower() if info.annotation is bool else f"{info.default:g}"),
        range=span,
        meaning=info.description or "",
    )


PARAMETERS = tuple(_parameter(name) for name in KNOWN)


def parameter_table() -> str:
    """PARAMETERS as a Markdown table."""
    lines = ["| column | type | unit | default | range | meaning |", "|---|---|---|---|---|---|"]
    lines += [f"| `{p.name}` | {p.type} | {p.unit} | {p.default} | {p.range} | {p.meaning} |" for p in PARAMETERS]
    return "\n".join(lines) + "\n"


def experiment_table() -> str:
    """The keys of an experiment as a Markdown table."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for name, info in Experiment.model_fields.items():
        default = _EXPERIMENT_DEFAULTS.get(name) or f"{info.default}"
        lines.append(f"| `{name}` | {default} | {info.description} |")
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a YAML job file, for editors that complete and check while one types."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:soundmill:schema:jobfile:1"}
    return about | JobFile.model_json_schema()
