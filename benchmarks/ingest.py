"""How fast jobs come in and go through: python benchmarks/ingest.py [--rows N] [--jobs N] [--files N]

Three parts, each in a process of its own on a temporary catalogue (`--folder` chooses the disk; what is
measured is mostly its fsync). How to read the table:

rows      One CSV of `--rows` rows, from its bytes to the committed transaction: parse and validate,
          then insert (which reads the file a second time). "memory" is how far the process's peak
          rose above what it was before the file's bytes were made. Target: 100,000 rows in under 10 s.
jobs      `--jobs` jobs queued in the catalogue, then 2,000 claim+finish pairs, one job each, as a
          worker with one free slot does them: two durable transactions. Target: median under 2 ms.
          The rest are what the scheduler and the site ask again and again; "memory" is the whole
          process's peak, the ingest of all the jobs included.
files     `--files` job files dropped into an inbox at once by another thread while it is scanned,
          with nothing but scans to find them. "missed" must be 0. Give 0 to leave a part out.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ulid import ULID

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.reader import Reader
from soundmill.inbox.intake import Intake
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.spool import Spool
from soundmill.jobs import (
    Attempt,
    AudioFormat,
    BatchSpec,
    Check,
    Generated,
    JobSpec,
    Judgement,
    Normalization,
    Output,
    Parameters,
    QcAction,
    Source,
    Verdict,
)

Line = tuple[str, str]

PAIRS = 2000
JOBS_PER_BATCH = 100_000
MODELS = ("facebook/musicgen-small", "facebook/musicgen-medium", "facebook/audiogen-medium")
MEASURED = ("silence_share", "clipping_share", "repetition_correlation", "loudness_lufs", "peak_dbfs", "rms_dbfs")
PAGES = {
    "board (overview)": "SELECT * FROM overview",
    "batches": "SELECT * FROM batch_progress ORDER BY batch_id DESC LIMIT 50",
    "a batch's jobs, first page": "SELECT * FROM job_list WHERE batch = 'batch-5' ORDER BY position LIMIT 50",
    "a batch's takes, first page": "SELECT * FROM takes WHERE batch = 'batch-1' LIMIT 50",
    "newest takes": "SELECT * FROM takes ORDER BY output_id DESC LIMIT 50",
    "queue, first page": "SELECT * FROM queue LIMIT 50",
    "a batch's failures": "SELECT * FROM failures WHERE batch = 'batch-5' LIMIT 50",
    "failed checks": "SELECT * FROM failed_checks LIMIT 50",
    "labels": "SELECT * FROM label_values LIMIT 50",
    "full text search": "SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH 'storm' LIMIT 50",
}


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    takes_melody: bool = False
    max_duration_s: float = 300.0


def rules(ulid: str, folder: Path) -> Rules:
    return Rules(
        ulid=ulid,
        folder=folder,
        resolve_model=Model,
        default_model=MODELS[0],
        default_duration=10.0,
        default_format=AudioFormat.WAV,
        default_on_qc_fail=QcAction.KEEP,
        max_jobs=1_000_000,
    )


def measure_rows(rows: int, folder: Path) -> list[Line]:
    catalog = Catalog.open(folder / "catalog.db", clock=time.time)
    before = peak_mb()
    lines = (f'"a {n} bar tune for scene {n % 97}, with piano",{5 + n % 20},cave-{n % 97},{n % 5}' for n in range(rows))
    data = "\n".join(itertools.chain(["prompt,duration,scene,priority"], lines)).encode()
    began = time.perf_counter()
    spec = read_jobs(data, "rows.csv", rules(str(ULID()), folder))
    parsed = time.perf_counter()
    batch = catalog.ingest(spec, source("rows", len(data)))
    done = time.perf_counter()
    catalog.close()
    assert batch.job_count == rows
    return [
        ("parse and validate", f"{parsed - began:.2f} s"),
        ("insert", f"{done - parsed:.2f} s"),
        ("together", f"{done - began:.2f} s"),
        ("memory", f"+{peak_mb() - before:.0f} MB (file {len(data) / 1e6:.1f} MB)"),
    ]


def measure_jobs(jobs: int, folder: Path) -> list[Line]:
    path = folder / "catalog.db"
    catalog = Catalog.open(path, clock=time.time)
    began = time.perf_counter()
    for number, first in enumerate(range(0, jobs, JOBS_PER_BATCH), start=1):
        count = min(JOBS_PER_BATCH, jobs - first)
        spec = BatchSpec(name=f"batch-{number}", jobs=made_up(count), job_count=count)
        catalog.ingest(spec, source(str(number), 0))
    filled = time.perf_counter() - began
    lines = [
        ("insert", f"{filled:.1f} s ({jobs / filled:,.0f} jobs/s)"),
        ("catalogue", f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:,.0f} MB"),
    ]
    claims, finishes, pairs = [], [], []
    for _ in range(min(PAIRS, jobs)):
        began = time.perf_counter()
        (attempt,) = catalog.claim(worker="w0", device="cpu", model=MODELS[0], limit=1, engine_idle=True)
        claimed = time.perf_counter()
        assert finish(catalog, attempt)
        done = time.perf_counter()
        claims.append(claimed - began)
        finishes.append(done - claimed)
        pairs.append(done - began)
    lines += [("claim", spread(claims)), ("finish", spread(finishes)), ("claim+finish", spread(pairs))]
    lines.append(("models with work", spread(timed(catalog.model_queues))))
    lines.append(("jobs left", spread(timed(catalog.unfinished))))
    with Reader.open(path) as reader:
        for name, sql in PAGES.items():
            lines.append((name, spread(timed(lambda sql=sql: reader._rows(sql)))))  # type: ignore[misc]
    catalog.close()
    lines.append(("memory", f"{peak_mb():.0f} MB"))
    return lines


def measure_files(files: int, folder: Path) -> list[Line]:
    catalog = Catalog.open(folder / "catalog.db", clock=time.time)
    inbox = folder / "inbox"
    inbox.mkdir()
    spool = Spool(
        inbox,
        clock=time.monotonic,
        new_ulid=lambda: str(ULID()),
        settle_s=0.05,
        patience_s=60.0,
        command="soundmill",
    )
    intake = Intake(spool, catalog, lambda ulid: rules(ulid, inbox), max_bytes=1_000_000)

    def drop() -> None:
        for n in range(files):
            (inbox / f"drop-{n}.csv").write_text(f"prompt\ntune number {n}\n")

    dropper = threading.Thread(target=drop)
    began = time.perf_counter()
    dropper.start()
    accepted = 0
    idle = 0
    while idle < 5:
        dropping = dropper.is_alive()
        outcomes = intake.scan()
        accepted += sum(outcome.accepted for outcome in outcomes)
        idle = 0 if outcomes or dropping or intake.waiting else idle + 1
        if not outcomes:
            time.sleep(0.01)
    took = time.perf_counter() - began
    dropper.join()
    kept = catalog.unfinished()
    catalog.close()
    return [
        ("all ingested", f"{took:.1f} s ({files / took:,.0f} files/s)"),
        ("missed", f"{files - kept} (accepted {accepted:,}, in the catalogue {kept:,})"),
    ]


def made_up(count: int) -> Iterator[JobSpec]:
    parameters = Parameters(duration=10.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)
    words = ("storm", "piano", "harbour", "rain", "choir", "engine", "forest")
    for n in range(1, count + 1):
        yield JobSpec(
            position=n,
            name=f"job-{n:06}",
            prompt=f"a {words[n % 7]} with {words[n % 5]}, take {n}",
            model=MODELS[n % 3],
            parameters=parameters,
            seed=n,
            priority=n % 4,
            labels={"scene": f"scene-{n % 300}"},
        )


def source(key: str, size: int) -> Source:
    return Source(ulid=key, file_name=f"{key}.csv", sha256=key, size_bytes=size)


def finish(catalog: Catalog, attempt: Attempt) -> bool:
    output = Output(
        clip=Generated(
            job_id=attempt.job.id,
            attempt=attempt.number,
            audio=b"",
            format=AudioFormat.WAV,
            sample_rate=32000,
            channels=1,
            duration_s=10.0,
            generation_s=7.0,
            device_s=1.0,
            row_steps=100,
            licence="CC-BY-NC-4.0",
            versions={"torch": "2.11.0", "audiocraft": "1.3.0"},
            measurements=dict.fromkeys(MEASURED, 0.1),
        ),
        path=f"{attempt.job.batch_name}/{attempt.job.name}.wav",
        size_bytes=640_044,
        sha256="ab" * 32,
        normalization=Normalization.LOUDNESS,
        normalization_target=-14.0,
    )
    checks = tuple(
        Check(name=name, passed=attempt.job.id % 50 > 0, value=0.1, threshold=0.3, unit="", message="within bounds")
        for name in MEASURED
    )
    judgement = Judgement(checks=checks, verdict=Verdict.PASSED, score=80.0, ruleset="bench")
    return catalog.succeed(attempt, output, judgement, retry_for_quality=False)


def timed(ask: Callable[[], object], times: int = 20) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began)
    return taken


def spread(seconds: list[float]) -> str:
    worst = statistics.quantiles(seconds, n=100)[-1] if len(seconds) > 1 else seconds[0]
    return f"median {statistics.median(seconds) * 1e3:.2f} ms, p99 {worst * 1e3:.2f} ms"


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures ingest and the catalogue.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary catalogues are made")
    chosen = parser.parse_args()
    parts: tuple[tuple[str, int, Callable[[int, Path], list[Line]]], ...] = (
        ("rows", chosen.rows, measure_rows),
        ("jobs", chosen.jobs, measure_jobs),
        ("files", chosen.files, measure_files),
    )
    for name, size, measure in parts:
        if size <= 0:
            continue
        with (
            tempfile.TemporaryDirectory(dir=chosen.folder) as folder,
            # A process of its own, so that one part's peak memory is not another's.
            ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process,
        ):
            lines = process.submit(measure, size, Path(folder)).result()
        print(f"{name}: {size:,}")
        for label, value in lines:
            print(f"  {label:<28} {value}")


if __name__ == "__main__":
    main()
