"""Report: the other batches of an experiment, as the folder of one of them sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from soundmill.report.record import BatchRecord, JobRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier batch. Files, pictures (by take's file) and `report`, None where there is none, are named as from the
    later batch's folder."""

    name: str
    jobs: tuple[JobRecord, ...]
    pictures: Mapping[str, str]
    report: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A later batch; `report` as in `Earlier`."""

    name: str
    report: str | None


def going_on(folder: Path, names: Iterable[str]) -> tuple[Later, ...]:
    """Batches that go on with the one of `folder`, by name."""
    return tuple(Later(name=name, report=_report(folder, name)) for name in names)


def seen_from(folder: Path, batches: Iterable[BatchRecord]) -> tuple[Earlier, ...]:
    """Batches whose folders lie beside `folder`."""
    return tuple(_earlier(folder, batch) for batch in batches)


def _earlier(folder: Path, batch: BatchRecord) -> Earlier:
    there = f"../{batch.name}"
    drawn = {take.file: f"pictures/{take.file}.png" for _, take in batch.takes if take.present}
    return Earlier(
        name=batch.name,
        jobs=tuple(
            replace(job, takes=tuple(replace(take, file=f"{there}/{take.file}") for take in job.takes))
            for job in batch.jobs
        ),
        pictures={
            f"{there}/{file}": f"{there}/{picture}"
            for file, picture in drawn.items()
            if (folder.parent / batch.name / picture).is_file()
        },
        report=_report(folder, batch.name),
    )


def _report(folder: Path, name: str) -> str | None:
    return f"../{name}/report.html" if (folder.parent / name / "report.html").is_file() else None
