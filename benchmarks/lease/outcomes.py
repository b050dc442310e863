"""What the parts of a lease found, and whether that is what is asked of a GPU."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True, kw_only=True)
class Outcome:
    """`state` is done, failed, stopped (at its limit) or waiting."""

    state: str = "waiting"
    limit_s: float = 0.0
    took_s: float = 0.0
    results: dict[str, Any] = field(default_factory=dict)
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A result of a part, and the least or most that is asked of it on a GPU."""

    about: str
    part: str
    result: str
    least: float | None = None
    most: float | None = None


AIMS = (
    Aim(about="small, audio-s per s at full slots", part="speed", result="full slots: audio-s per s", least=200),
    Aim(about="medium, audio-s per s at full slots", part="sizes", result="medium: audio-s per s", least=60),
    Aim(about="one clip of small, times AudioCraft's loop", part="speed", result="one clip: times the loop", least=5),
    Aim(about="mixed sweep, times the loop", part="speed", result="full slots: times the loop", least=40),
    Aim(about="share of copy bandwidth", part="speed", result="full slots: share of copy bandwidth", least=0.5),
    Aim(
        about="exact at any concurrency (share of cases)",
        part="truth",
        result="exact: share of cases, at best",
        least=1.0,
    ),
    Aim(about="what exactness costs", part="truth", result="exact: cost", most=0.1),
)


def read_records(file: Path) -> dict[str, Any]:
    """A part's results; a line that was cut off by its end is left out."""
    found: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found |= json.loads(line)
    return found


def write_json(file: Path, about: Mapping[str, Any], outcomes: Mapping[str, Outcome]) -> None:
    """All at once, so that whoever stops this finds a whole file."""
    fresh = file.with_name(f"{file.name}.new")
    parts = {name: asdict(outcome) for name, outcome in outcomes.items()}
    fresh.write_text(json.dumps({**about, "parts": parts}, indent=1), encoding="utf-8")
    fresh.replace(file)


def judge(aim: Aim, outcomes: Mapping[str, Outcome], on_gpu: bool) -> tuple[Any, str]:
    """What was measured of an aim, and "met", "not met" or "not measured"."""
    value = outcomes[aim.part].results.get(aim.result) if aim.part in outcomes else None
    if not on_gpu or not isinstance(value, int | float):
        return value, "not measured"
    met = (aim.least is None or value >= aim.least) and (aim.most is None or value <= aim.most)
    return value, "met" if met else "not met"


def table(outcomes: Mapping[str, Outcome], on_gpu: bool) -> str:
    lines = ["| part | result | value |", "|---|---|---|"]
    for name, outcome in outcomes.items():
        lines.append(f"| {name} | {outcome.state} | {outcome.took_s:.0f} of {outcome.limit_s:.0f} s |")
        lines += [f"| | {key} | {shown(value)} |" for key, value in outcome.results.items()]
    lines += ["", "| aim on a GPU | asked | measured | |", "|---|---|---|---|"]
    for aim in AIMS:
        value, verdict = judge(aim, outcomes, on_gpu)
        asked = f"≥ {aim.least:g}" if aim.least is not None else f"≤ {aim.most:g}"
        lines.append(f"| {aim.about} | {asked} | {'' if value is None else shown(value)} | {verdict} |")
    return "\n".join(lines)


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
