"""A worker on a fake engine, everything else real: SQLite, files, the retry and scheduling rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf.files import FiledTake
from soundmill.config import Config, ScheduleConfig
from soundmill.errors import StorageUnavailable
from soundmill.home import Home
from soundmill.jobs import Batch, BatchSpec, Job, JobSpec, Parameters, QcAction, Source
from soundmill.schedule.ledger import Books
from soundmill.schedule.storage import StorageGate
from soundmill.schedule.worker import Worker
from soundmill.service import wiring
from soundmill.service.output_folder import OutputFolder
from support.catalogues import put_empty
from support.fake_engine import FakeEngine
from support.far_engine import NODE, FarEngine


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Disk(OutputFolder):
    """The real outputs folder, which a test can declare full or one of whose files it can refuse."""

    full: bool = False
    refused: str | None = None

    def file(self, relative: str, audio: bytes, sidecar: Mapping[str, object]) -> FiledTake:
        if self.full or (self.refused and self.refused in relative):
            raise StorageUnavailable(f"{relative}: no space left on device; make room")
        return super().file(relative, audio, sidecar)

    def probe(self) -> None:
        if self.full:
            raise StorageUnavailable("outputs: no space left on device; make room")


@dataclass
class Mill:
    clock: Clock
    catalog: Catalog
    disk: Disk
    outputs: Path
    events: list[str] = field(default_factory=list)
    submitted: int = 0
    far: bool = False  # its engines are another machine's

    def batch(
        self,
        *prompts: str,
        model: str = "tiny",
        on_qc_fail: QcAction = QcAction.KEEP,
        priority: int = 0,
        duration: float = 0.05,
    ) -> Batch:
        self.submitted += 1
        jobs = [
            JobSpec(
                position=number,
                name=f"{number:04d}-clip",
                prompt=prompt,
                model=model,
                parameters=Parameters(duration=duration, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0),
                seed=number,
                priority=priority,
            )
            for number, prompt in enumerate(prompts, 1)
        ]
        spec = BatchSpec(name=f"batch-{self.submitted}", jobs=jobs, job_count=len(jobs), on_qc_fail=on_qc_fail)
        source = Source(ulid=f"ulid{self.submitted}", file_name="x.csv", sha256=f"sha{self.submitted}", size_bytes=1)
        return self.catalog.ingest(spec, source)

    def jobs(self) -> list[Job]:
        found = []
        for number in range(1, 1000):
            try:
                found.append(self.catalog.job(number))
            except Exception:
                break
        return found

    def worker(self, engine: FakeEngine | FarEngine, **schedule: float) -> Worker:
        config = Config(schedule=ScheduleConfig(**schedule))  # type: ignore[arg-type]
        gate = StorageGate(self.disk.probe, lambda kind, message: self.events.append(kind))
        return Worker(
            "cpu",
            engine,
            Books(ledger=self.catalog, shelf=self.disk, gate=gate),
            replace(wiring.trade_of(config, Home(self.outputs.parent)), jitter=lambda: 0.0),
            clock=self.clock,
            steady=self.clock,
        )

    def run(self, worker: Worker, *, rounds: int = 200, done: Callable[[], bool] | None = None) -> None:
        """Rounds of one second each until no job is queued or running."""
        for _ in range(rounds):
            self.catalog.wake_due(self.clock.now)
            worker.step()
            self.clock.now += 1.0
            if done() if done else self.catalog.unfinished() == 0:
                return
        raise AssertionError("the queue was not worked off")

    @property
    def by(self) -> str:
        """What an engine's messages begin with: the name of its machine, if that is another one."""
        return f"{NODE}: " if self.far else ""

    def engine(self, **options: object) -> FakeEngine | FarEngine:
        engine = FakeEngine(clock=self.clock, wait=lambda _s: None, **options)  # type: ignore[arg-type]
        return FarEngine(engine, self.outputs.parent / "inputs") if self.far else engine


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    clock = Clock()
    home = Home(tmp_path)
    home.create()
    home.marker.touch()
    catalog = Catalog.open(put_empty(tmp_path / "catalog.db"), clock=clock)
    yield Mill(clock, catalog, Disk(home, catalog, 0, lambda kind, message: None), home.outputs)
    catalog.close()
