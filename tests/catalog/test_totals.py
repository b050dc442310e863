"""What the catalogue knows of its large views without counting is what counting gives."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.catalog.asking import ratings
from soundmill.catalog.catalog import Catalog
from soundmill.jobs import BatchSpec, FailureKind, JobSpec, Judgement, Parameters, QcAction, Source, Verdict
from soundmill.publish.sharing.questions import COUNTED, LISTED
from support.asking import asked
from support.outputs import make_output

CALM = Parameters(duration=1.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Two batches: takes kept and set aside, retaken in quarantine, failed, cancelled, running and waiting jobs."""
    path = tmp_path_factory.mktemp("totals") / "catalog.db"
    now = itertools.count(1_760_000_000)
    catalog = Catalog.open(path, clock=lambda: float(next(now)))
    for number, name in enumerate(("first", "second")):
        jobs = [
            JobSpec(
                position=n // 2 + 1,
                name=f"clip-{n}",
                prompt=f"theme {n}",
                model=("tiny", "other")[n % 5 == 4],
                seed=n,
                parameters=CALM,
                keep_best=1,
                labels={"scene": "cave" if n % 3 else "sea"},
            )
            for n in range(10)
        ]
        source = Source(ulid=f"01JC{number:022}", file_name=f"{name}.yaml", sha256=f"{number:064}", size_bytes=1)
        catalog.ingest(BatchSpec(name=name, jobs=jobs, job_count=len(jobs), on_qc_fail=QcAction.RETRY), source)
    for n, attempt in enumerate(claim(catalog, "tiny", 8)):
        if n == 3:
            catalog.fail(attempt, FailureKind.BAD_PARAMETER, "no", retry_at=None, counts=True, suspect=False)
        else:
            finish(catalog, attempt, passed=n % 3 != 0, retry=n in (0, 6))
    for attempt in [*claim(catalog, "tiny", 3), *claim(catalog, "other", 1)]:
        finish(catalog, attempt, passed=False, quarantined=True)
    asked(catalog, wishes.cancel, "second/clip-8")
    claim(catalog, "tiny", 1)
    catalog.choose(100)
    asked(catalog, ratings.rate, "first/clip-1", 4, None)
    yield sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    catalog.close()


def claim(catalog: Catalog, model: str, limit: int) -> list[Any]:
    return catalog.claim(worker="w", device="cpu", model=model, limit=limit, engine_idle=True)


def finish(catalog: Catalog, attempt: Any, *, passed: bool, retry: bool = False, quarantined: bool = False) -> None:
    path = f"{attempt.job.batch_name}/{attempt.job.name}.{attempt.number}.wav"
    output = make_output(attempt, path, quarantined=retry or quarantined)
    verdict = Verdict.PASSED if passed else Verdict.FAILED
    judged = Judgement(checks=(), verdict=verdict, score=50.0 + attempt.job.seed, ruleset="r")
    assert catalog.succeed(attempt, output, judged, retry_for_quality=retry)


@pytest.mark.parametrize("view", COUNTED)
def test_the_rows_of_a_large_view_are_known(catalogue: sqlite3.Connection, view: str) -> None:
    known = catalogue.execute("SELECT total FROM row_totals WHERE view = ?", (view,)).fetchone()
    counted = catalogue.execute(f"SELECT count(*) FROM {view}").fetchone()
    assert known == counted and counted[0] > 0


@pytest.mark.parametrize(("view", "column"), [(view, column) for view, names in LISTED.items() for column in names])
def test_the_values_of_a_column_are_known(catalogue: sqlite3.Connection, view: str, column: str) -> None:
    known = catalogue.execute(
        "SELECT value, total FROM value_totals WHERE view = ? AND column_name = ? ORDER BY 1", (view, column)
    ).fetchall()
    counted = catalogue.execute(
        f"SELECT {column}, count(*) FROM {view} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert known == counted and len(counted) > 1


def test_how_the_takes_of_a_batch_are_filed_is_known(catalogue: sqlite3.Connection) -> None:
    known = catalogue.execute("SELECT batch, kept, set_aside, quarantined FROM batch_filed ORDER BY 1").fetchall()
    counted = catalogue.execute(
        "SELECT batch, sum(kept IS 1), sum(kept IS 0), sum(quarantined) FROM takes WHERE is_final GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert known == counted
    assert [sum(column) > 0 for column in list(zip(*counted, strict=True))[1:]] == [True] * 3
