"""Reports of the batches that publish/conftest.py fills a home with: forest (a list with a bit of everything), sweep
(an experiment), evening (in work), later (paused)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from publish.conftest import Home, fill, make_home
from soundmill.catalog.reader import Reader
from soundmill.jobs import JobStatus, Verdict
from soundmill.quality.registry import looked_at_by
from soundmill.report.record import BatchRecord, JobRecord, TakeRecord, read_record
from soundmill.report.write import write_report

MADE_AT = 1_760_003_600.0


def record_of(home: Home, batch: str) -> BatchRecord:
    with Reader.open(home.database) as reader:
        return read_record(reader.everything_of(batch), home.outputs / batch, looked_at_by())


def report_on(home: Home, batch: str, earlier: Sequence[BatchRecord] = (), later: Sequence[str] = ()) -> Path:
    """Make the report of a batch; its folder."""
    page = write_report(
        record_of(home, batch),
        home.outputs / batch,
        earlier=earlier,
        later=later,
        made_at=MADE_AT,
        processes=1,
        progress=lambda _: None,
    )
    return page.parent


@pytest.fixture(scope="module")
def fresh() -> Iterator[Callable[[Path], Home]]:
    """Makes an empty home; its catalogue is closed after the module's tests."""
    made: list[Home] = []

    def make(root: Path) -> Home:
        made.append(make_home(root))
        return made[-1]

    yield make
    for home in made:
        home.catalog.close()


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The filled home with a report of every batch; tests only read it."""
    home = make_home(tmp_path_factory.mktemp("reported"))
    fill(home)
    for batch in ("forest", "sweep", "evening", "later"):
        (home.outputs / batch).mkdir(exist_ok=True)
        report_on(home, batch)
    yield home
    home.catalog.close()


TAKE = TakeRecord(
    file="clip.wav", present=True, attempt=1, seed=1, worker="cpu", device="cpu", format="wav", sample_rate=8000,
    channels=1, duration_s=1.0, size_bytes=16044, sha256="ab" * 32, normalization="loudness",
    normalization_target=-14.0, generation_s=0.5, device_s=0.1,
    row_steps=100, licence="MIT", versions={},
    verdict=Verdict.PASSED, ruleset="music-2-58f211b6", score=80.0, scores={},
    measurements={"loudness_lufs": -14.0}, checks=(), defects=(),
    stars=None, rejected=False, note=None, quarantined=False, kept=None, final=True, created_at=1_760_000_010.0,
    pruned_at=None,
)  # fmt: skip
JOB = JobRecord(
    id=1, position=1, name="clip", prompt="a bell", model="tiny", duration=1.0, temperature=1.0, top_k=250, top_p=0.0,
    cfg_coef=3.0, seed=1, format="wav", melody=None, continue_from=None, labels={}, condition={}, replicate=1,
    status=JobStatus.SUCCEEDED, attempts=1, error_kind=None, error=None, queued_at=1_760_000_000.0,
    started_at=1_760_000_001.0, finished_at=1_760_000_010.0, takes=(TAKE,),
)  # fmt: skip
BATCH = BatchRecord(
    comparisons=(),
    name="bells", kind="list", file_name="bells.csv", kept_as="2026-01/bells.csv", sha256="cd" * 32, ulid="01JC",
    on_qc_fail="keep", priority=0, experiment=None, extends=None, paused=False,
    created_at=1_760_000_000.0, started_at=1_760_000_001.0, finished_at=1_760_000_010.0, jobs=(JOB,), attempts=(),
)  # fmt: skip


def jobs_with(changes: Sequence[tuple[dict[str, object], dict[str, object] | None]]) -> tuple[JobRecord, ...]:
    """One job per pair of (changes to the job, changes to its take), numbered from 1. None for a take: it has none."""
    return tuple(
        replace(
            JOB,
            **{"id": at, "position": at, "name": f"clip-{at}"} | of_job,  # type: ignore[arg-type]
            takes=() if of_take is None else (replace(TAKE, **{"file": f"clip-{at}.wav"} | of_take),),  # type: ignore[arg-type]
        )
        for at, (of_job, of_take) in enumerate(changes, 1)
    )
