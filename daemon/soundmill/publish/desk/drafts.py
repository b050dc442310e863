"""Job files written of takes: more like them, others around one, and what goes on from them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from soundmill.jobs import Parameters

Row = Mapping[str, Any]

PLACEHOLDER = re.compile(r"(\{[^{}]*\})")  # of a job file; in the prompt of a take it is meant literally
SETTINGS = ("model", *(each.name for each in fields(Parameters)), "format")
MORE = 4  # takes of each
FURTHER = 2
REPLICATES = 2
LONGEST_S = 30.0  # of MusicGen's clips; a check tells where a model's are shorter
HOTTEST = 2.0  # of what is tried; more is noise


def more_like(takes: Sequence[Row]) -> tuple[str, str]:
    """Name and text of a file for further takes of these jobs: the same settings, without their seeds."""
    jobs = [{**_job(take), "count": MORE} for take in takes]
    return _file(f"{takes[0]['batch']}-more", jobs, f"More like {_listed(takes)}: the same settings, new seeds.")


def go_on_from(takes: Sequence[Row], outputs: Path, inbox: Path) -> tuple[str, str]:
    """Name and text of a file for takes that continue these. The files are named as the inbox sees them."""
    folder = os.path.relpath(outputs, inbox)
    jobs = [
        {**_job(take), "duration": _on_s(take), "continue_from": f"{folder}/{take['audio']}", "count": FURTHER}
        for take in takes
    ]
    text = f"Goes on from {_listed(takes)}. The duration is that of the whole clip, which begins with it."
    return _file(f"{takes[0]['batch']}-on", jobs, text)


def _on_s(take: Row) -> float:
    """As much again, as far as a model's longest clip allows."""
    heard_s = float(take["duration_s"])
    whole_s = heard_s + float(take["duration"])
    return round(min(whole_s, LONGEST_S) if heard_s < LONGEST_S else whole_s, 2)


def around(take: Row) -> tuple[str, str]:
    """Name and text of an experiment around one take: one setting at a time, with the same seeds in each condition."""
    factors = {
        "temperature": _beside(take["temperature"], 0.2, HOTTEST),
        "cfg_coef": _beside(take["cfg_coef"], 1.0, 10),
    }
    settings = {name: value for name, value in _settings(take).items() if name not in factors}
    content = {
        "name": f"{take['batch']}-around-{take['job']}"[:100].rstrip("-"),
        "defaults": {"prompt": PLACEHOLDER.sub(r"{\1}", take["prompt"]), **settings},
        "experiment": {
            "design": "one_factor_at_a_time",
            "factors": factors,
            "baseline": {name: take[name] for name in factors},
            "replicates": REPLICATES,
        },
    }
    return _written(content, f"Around {_listed([take])}: which of these settings matter?")


def _beside(value: float, step: float, most: float) -> list[float]:
    """A setting with one that is lower and one that is higher, as far as there are."""
    levels = {round(max(0.0, value - step), 3), round(value, 3), round(max(value, min(value + step, most)), 3)}
    return sorted(levels)


def _job(take: Row) -> dict[str, Any]:
    labels = take["labels"] if isinstance(take["labels"], Mapping) else json.loads(take["labels"])
    return {"id": take["job"], "prompt": PLACEHOLDER.sub(r"{\1}", take["prompt"]), **_settings(take), **labels}


def _settings(take: Row) -> dict[str, Any]:
    return {name: take[name] for name in SETTINGS if take[name] is not None}


def _file(name: str, jobs: list[dict[str, Any]], says: str) -> tuple[str, str]:
    """Settings that all jobs share stand once."""
    shared = {key: jobs[0][key] for key in SETTINGS if all(job.get(key) == jobs[0].get(key) for job in jobs)}
    own = [{key: value for key, value in job.items() if key not in shared} for job in jobs]
    taken = set[str]()
    for job in own:  # takes of several batches may have the same name
        if job["id"].casefold() in taken:
            del job["id"]
        else:
            taken.add(job["id"].casefold())
    return _written({"name": name, "defaults": shared, "jobs": own}, says)


def _written(content: dict[str, Any], says: str) -> tuple[str, str]:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return f"{content['name']}.yaml", f"# {' '.join(says.split())}\n{text}"


def _listed(takes: Sequence[Row]) -> str:
    named = ", ".join(f"{take['batch']}/{take['job']}" for take in takes[:3])
    return named if len(takes) <= 3 else f"{named} and {len(takes) - 3} more"
