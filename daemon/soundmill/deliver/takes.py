"""Deliver, takes: what is known of a take that is to be delivered, and how the takes of a batch are chosen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePath

from soundmill.jobs import Parameters

GOOD_STARS = 4  # of five: what people rated this high is delivered where nothing was picked

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One take as the catalogue's view has it. `file` is below the outputs folder; `settings` are the sampling
    parameters; `gain_db` is what normalisation did to it when it was made, None where that is not known."""

    output_id: int
    file: str
    sha256: str
    batch: str
    batch_ulid: str
    job: str
    position: int
    replicate: int
    attempt: int
    prompt: str
    model: str
    licence: str
    seed: int
    settings: Mapping[str, float]
    labels: Mapping[str, str]
    condition: Mapping[str, str]
    versions: Mapping[str, str]
    sample_rate: int
    channels: int
    duration_s: float
    loudness_lufs: float | None
    gain_db: float | None
    stars: float | None
    picks: str
    created_at: str  # ISO 8601, UTC

    @property
    def name(self) -> str:
        """As commands take it."""
        return f"{self.batch}/{self.job}"

    @property
    def identifier(self) -> str:
        """Unique in the world: the batch's ulid, the row's number in the catalogue's batch, and the attempt."""
        return f"{self.batch_ulid}/{self.job}/{self.attempt}"


def take_of(row: Row, batch_ulid: str, picks: str) -> Take:
    """The take of a row of the view `takes` with its `peak_before_dbfs`."""
    before, after = row.get("peak_before_dbfs"), row.get("peak_dbfs")
    gain = _number(after) - _number(before) if before is not None and after is not None else None
    return Take(
        output_id=int(_number(row["output_id"])),
        file=str(row["audio"]),
        sha256=str(row["sha256"]),
        batch=str(row["batch"]),
        batch_ulid=batch_ulid,
        job=str(row["job"]),
        position=int(_number(row["position"])),
        replicate=int(_number(row["replicate"])),
        attempt=int(_number(row["attempt"])),
        prompt=str(row["prompt"]),
        model=str(row["model"]),
        licence=str(row["licence"] or ""),
        seed=int(_number(row["seed"])),
        settings={name: _number(row[name]) for name in (each.name for each in fields(Parameters))},
        labels=_texts(row["labels"]),
        condition=_texts(row["condition"]),
        versions=_texts(row["versions"]),
        sample_rate=int(_number(row["sample_rate"])),
        channels=int(_number(row["channels"])),
        duration_s=_number(row["duration_s"]),
        loudness_lufs=None if row["loudness_lufs"] is None else _number(row["loudness_lufs"]),
        gain_db=gain,
        stars=None if row["stars"] is None else _number(row["stars"]),
        picks=picks,
        created_at=str(row["created_at"]),
    )


def choose(rows: Sequence[Row], picked: Iterable[int]) -> tuple[list[Row], str]:
    """Which takes of a batch are delivered, and why those: what was picked; else what people gave four stars or more;
    else every take that counts, was kept and is not in quarantine."""
    ids = set(picked)
    if chosen := [row for row in rows if row["output_id"] in ids]:
        return chosen, "picked"
    passed = [row for row in rows if not row.get("rejected")]
    if chosen := [row for row in passed if row["stars"] is not None and _number(row["stars"]) >= GOOD_STARS]:
        return chosen, f"rated {GOOD_STARS} stars or more"
    kept = [row for row in passed if row["is_final"] and row["kept"] != 0 and not row["quarantined"]]
    return kept, "kept"


def is_non_commercial(licence: str) -> bool:
    """Whether a licence forbids selling: CC-BY-NC and its kin, or what says so in words."""
    words = licence.upper().replace("-", " ").replace("_", " ").split()
    return "NC" in words or "NONCOMMERCIAL" in words or ("NON" in words and "COMMERCIAL" in words)


def short_model(model: str) -> str:
    return PurePath(model).name


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


def _texts(value: object) -> dict[str, str]:
    found = json.loads(value) if isinstance(value, str) else value
    assert isinstance(found, Mapping)
    return {str(name): str(text) for name, text in found.items()}
