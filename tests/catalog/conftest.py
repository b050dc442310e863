"""A real catalogue in a temporary folder, a clock that stands still until told, and a Mill to drive both."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.reader import Reader
from soundmill.jobs import (
    Attempt,
    Batch,
    BatchSpec,
    Check,
    FailureKind,
    JobSpec,
    Judgement,
    Output,
    Parameters,
    QcAction,
    Source,
    Verdict,
)
from support.catalogues import put_empty
from support.outputs import make_output

PARAMETERS = Parameters(duration=4.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Mill:
    """Drives a catalogue the way the stages around it would."""

    path: Path
    clock: Clock
    catalog: Catalog
    eye: sqlite3.Connection | None = None
    ulids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def spec(self, position: int, **changes: Any) -> JobSpec:
        values: dict[str, Any] = {
            "position": position,
            "name": f"job-{position:04}",
            "prompt": f"a calm tune number {position}",
            "model": "tiny",
            "parameters": PARAMETERS,
            "seed": 100 + position,
        }
        return JobSpec(**values | changes)

    def source(self, ulid: str | None = None, **changes: Any) -> Source:
        values: dict[str, Any] = {
            "ulid": ulid or f"01ULID{next(self.ulids):020}",
            "file_name": "themes.yaml",
            "sha256": "ab" * 32,
            "size_bytes": 123,
        }
        return Source(**values | changes)

    def ingest(
        self,
        jobs: int | Iterable[JobSpec] = 3,
        name: str = "themes",
        on_qc_fail: QcAction = QcAction.KEEP,
        **changes: Any,
    ) -> Batch:
        specs = [self.spec(n + 1, **changes) for n in range(jobs)] if isinstance(jobs, int) else list(jobs)
        spec = BatchSpec(name=name, jobs=specs, job_count=len(specs), on_qc_fail=on_qc_fail)
        return self.catalog.ingest(spec, self.source())

    def claim(self, limit: int = 1, model: str = "tiny", worker: str = "w0", engine_idle: bool = True) -> list[Attempt]:
        return self.catalog.claim(worker=worker, device="cpu", model=model, limit=limit, engine_idle=engine_idle)

    def output(
        self, attempt: Attempt, quarantined: bool = False, measurements: Mapping[str, float | None] | None = None
    ) -> Output:
        job = attempt.job
        path = f"{job.batch_name}/{job.name}.wav"
        if quarantined:
            path = f"{job.batch_name}/quarantine/{job.name}.take{attempt.number}.wav"
        return make_output(
            attempt,
            path,
            versions={"torch": "2.11"},
            defects=({"kind": "silence", "start_s": 0.5},),
            measurements=measurements or {},
            peaks=b"\x01drawn",
            fingerprint=b"\x01known",
            quarantined=quarantined,
        )

    def judgement(self, passed: bool = True, ruleset: str = "r1", score: float = 80.0) -> Judgement:
        return Judgement(
            checks=(
                Check(name="silence", passed=passed, value=0.1, threshold=0.3, unit="share", message="10% is silent"),
                Check(name="clipping", passed=True, value=0.0, threshold=0.01, unit="share", message="no clipping"),
            ),
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            score=score,
            ruleset=ruleset,
        )

    def succeed(
        self,
        attempt: Attempt,
        *,
        passed: bool = True,
        retry: bool = False,
        ruleset: str = "r1",
        measurements: Mapping[str, float | None] | None = None,
        score: float = 80.0,
        final_attempt: int | None = None,
    ) -> bool:
        set_aside = retry or final_attempt not in (None, attempt.number)
        return self.catalog.succeed(
            attempt,
            self.output(
                attempt,
                set_aside,
                {"silence_share": 0.1, "loudness_lufs": -14.0} if measurements is None else measurements,
            ),
            self.judgement(passed, ruleset, score),
            retry_for_quality=retry,
            final_attempt=final_attempt,
        )

    def fail(
        self,
        attempt: Attempt,
        *,
        retry_in: float | None = None,
        counts: bool = True,
        suspect: bool = False,
        kind: FailureKind = FailureKind.ENGINE_DIED,
    ) -> bool:
        retry_at = None if retry_in is None else self.clock.now + retry_in
        return self.catalog.fail(attempt, kind, "it broke", retry_at=retry_at, counts=counts, suspect=suspect)

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Look at the tables through a connection of the test's own."""
        if self.eye is None:
            self.eye = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
            self.eye.row_factory = sqlite3.Row
        return [dict(row) for row in self.eye.execute(sql, values)]

    def close(self) -> None:
        self.catalog.close()
        if self.eye is not None:
            self.eye.close()
            self.eye = None

    def row(self, sql: str, *values: object) -> dict[str, Any]:
        (row,) = self.rows(sql, *values)
        return row

    def content(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table, to compare before and after."""
        tables = [row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: [tuple(row.values()) for row in self.rows(f'SELECT * FROM "{name}"')] for name in tables}

    def counters_are_true(self) -> bool:
        """Whether each batch's counters equal a count of its jobs and takes."""
        for batch in self.rows("SELECT * FROM batches"):
            counted = {
                row["status"]: row["n"]
                for row in self.rows(
                    "SELECT status, count(*) AS n FROM jobs WHERE batch_id = ? GROUP BY status", batch["id"]
                )
            }
            for status in ("queued", "running", "succeeded", "failed", "cancelled"):
                if batch[f"n_{status}"] != counted.get(status, 0):
                    return False
            flagged = self.row(
                "SELECT count(*) AS n FROM outputs o JOIN jobs j ON j.id = o.job_id WHERE o.batch_id = ?"
                " AND j.status = 'succeeded' AND j.final_attempt = o.attempt AND o.verdict = 'failed'",
                batch["id"],
            )
            outputs = self.row("SELECT count(*) AS n FROM outputs WHERE batch_id = ?", batch["id"])
            if batch["n_flagged"] != flagged["n"] or batch["n_outputs"] != outputs["n"]:
                return False
            unfinished = counted.get("queued", 0) + counted.get("running", 0)
            if (batch["finished_at"] is None) != (unfinished > 0):
                return False
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_mill(tmp_path: Path) -> Iterator[Callable[..., Mill]]:
    """Opens a catalogue, or the same one once more as a restarted daemon would."""
    opened: list[Mill] = []

    def make(path: Path | None = None, clock: Clock | None = None) -> Mill:
        path = path or tmp_path / "catalog.db"
        clock = clock or Clock()
        opened.append(Mill(path, clock, Catalog.open(put_empty(path), clock=clock)))
        return opened[-1]

    yield make
    for mill in opened:
        mill.close()


@pytest.fixture
def mill(make_mill: Callable[..., Mill], clock: Clock) -> Mill:
    return make_mill(clock=clock)


@pytest.fixture
def reader(mill: Mill) -> Iterator[Reader]:
    with Reader.open(mill.path) as reader:
        yield reader
