from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from soundmill.errors import InvalidControl, Problem, UnknownModel
from soundmill.inbox.intake import Intake
from soundmill.inbox.jobfile.context import EarlierExperiment, Rules
from soundmill.inbox.jobfile.points import Draw, Points
from soundmill.inbox.jobfile.points import draw as draw_here
from soundmill.inbox.spool import Spool
from soundmill.jobs import AudioFormat, Batch, BatchSpec, Job, JobSpec, QcAction, Source


@dataclass(frozen=True)
class Traits:
    name: str
    takes_melody: bool
    max_duration_s: float
    continues_s: float = 30.0


MODELS = {
    "tiny": Traits("tiny", False, 30.0),
    "tiny-effects": Traits("tiny-effects", False, 30.0),
    "musicgen-small": Traits("facebook/musicgen-small", False, 300.0),
    "facebook/musicgen-small": Traits("facebook/musicgen-small", False, 300.0),
    "musicgen-melody": Traits("facebook/musicgen-melody", True, 300.0),
    "facebook/audiogen-medium": Traits("facebook/audiogen-medium", False, 300.0),
}


def resolve(name: str) -> Traits:
    if name not in MODELS:
        raise UnknownModel(f"there is no model {name}; known are {', '.join(MODELS)}")
    return MODELS[name]


@dataclass(frozen=True)
class Earlier:
    """An experiment that ran before, as the catalogue would describe it."""

    batch: str
    plan: Mapping[str, object]
    conditions: tuple[tuple[Mapping[str, str], frozenset[int]], ...]
    drawn: int = 0
    ulid: str = "01HAAAAAAAAAAAAAAAAAAAAAAA"


CONTROLS = {
    "prompt": "calm piano",
    "model": "tiny",
    "duration": 10.0,
    "temperature": 1.0,
    "top_p": 0.0,
    "cfg_coef": 3.0,
    "seed": None,
    "quality": None,
    "format": "wav",
    "melody": None,
    "continue_from": None,
}
EARLIER = {
    "settings": Earlier(
        batch="settings",
        plan={
            "design": "one_factor_at_a_time",
            "factors": {"top_k": ["50", "250"]},
            "baseline": {"top_k": "250"},
            "replicates": 2,
            "controls": CONTROLS,
        },
        conditions=tuple(({"top_k": level}, frozenset({1, 2})) for level in ("250", "50")),
    ),
    "sampled": Earlier(
        batch="sampled",
        plan={
            "design": "sobol",
            "factors": {
                "top_k": {"min": 10.0, "max": 500.0, "scale": "log", "step": 1.0},
                "model": ["tiny", "musicgen-small"],
            },
            "n": 2,
            "design_seed": 7,
            "replicates": 1,
            "controls": {name: value for name, value in CONTROLS.items() if name != "model"},
        },
        conditions=(
            ({"top_k": "31", "model": "tiny"}, frozenset({1})),
            ({"top_k": "204", "model": "musicgen-small"}, frozenset({1})),
        ),
        drawn=2,
    ),
    "older": Earlier(batch="older", plan={"factors": {"top_k": ["50"]}}, conditions=()),
}


def find_earlier(name: str) -> Earlier:
    if name not in EARLIER:
        raise InvalidControl(f"there is no such batch; known are {', '.join(EARLIER)}")
    return EARLIER[name]


def make_rules(
    folder: Path,
    ulid: str = "01HZZZZZZZZZZZZZZZZZZZZZZZ",
    max_jobs: int = 100_000,
    find_experiment: Callable[[str], EarlierExperiment] = find_earlier,
    draw: Callable[[Draw], Points] = draw_here,
) -> Rules:
    """Points are drawn in this process, which has scipy anyway: a tenth of the time."""
    return Rules(
        ulid=ulid,
        folder=folder,
        resolve_model=resolve,
        default_model="tiny",
        default_duration=10.0,
        default_format=AudioFormat.WAV,
        default_on_qc_fail=QcAction.KEEP,
        max_jobs=max_jobs,
        find_experiment=find_experiment,
        draw=draw,
    )


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    return make_rules(tmp_path)


@pytest.fixture(scope="session")
def rules_with() -> Callable[..., Rules]:
    return make_rules


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def ulids() -> Iterator[str]:
    return (f"01HZZZZZZZZZZZZZZZZZ{number:06d}" for number in count(1))


@pytest.fixture
def new_ulid() -> Callable[[], str]:
    made = ulids()
    return lambda: next(made)


@pytest.fixture
def spool(inbox: Path, clock: Clock, new_ulid: Callable[[], str]) -> Spool:
    """A spool that holds a file for settled at once."""
    return Spool(inbox, clock, new_ulid, settle_s=0.0, patience_s=0.0, command="soundmill")


MONTH = "2024-06"  # of these ulids


class Ledger:
    """The catalogue's part of the bargain, in memory; `fail` names the points that raise once."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {}
        self.sha256s: dict[str, Batch] = {}
        self.jobs: dict[str, list[JobSpec]] = {}
        self.sources: dict[str, Source] = {}
        self.rejections: dict[str, tuple[Problem, ...]] = {}
        self.fail: dict[str, Exception] = {}
        self.events: list[tuple[str, str]] = []
        self.settings: dict[str, str] = {}

    def _at(self, point: str) -> None:
        error = self.fail.pop(point, None)
        if error is not None:
            raise error

    def batch_by_ulid(self, ulid: str) -> Batch | None:
        self._at("batch_by_ulid")
        return self.batches.get(ulid)

    def rejection_exists(self, ulid: str) -> bool:
        self._at("rejection_exists")
        return ulid in self.rejections

    def batch_by_sha256(self, sha256: str) -> Batch | None:
        self._at("batch_by_sha256")
        return self.sha256s.get(sha256)

    def kept_files(self, most: int) -> list[tuple[str, Source]]:
        return [(self.batches[source.ulid].name, source) for source in self.sources.values()][-most:]

    def kept_as(self, name: str) -> Batch | None:
        kept = [
            self.batches[source.ulid] for source in self.sources.values() if str(source.kept_as).endswith(f"/{name}")
        ]
        return kept[-1] if kept else None

    def tell_jobs(self, batch_id: int, tell: Callable[[Job], None]) -> None:
        raise NotImplementedError("tests of it have a real catalogue")

    def ingest(self, spec: BatchSpec, source: Source) -> Batch:
        self._at("before ingest")
        assert source.ulid not in self.batches
        self.jobs[source.ulid] = list(spec.jobs)
        batch = Batch(
            id=len(self.batches) + 1,
            ulid=source.ulid,
            name=spec.name,
            job_count=spec.job_count,
            on_qc_fail=spec.on_qc_fail,
            paused=False,
            created_at=0.0,
        )
        self.batches[source.ulid] = self.sha256s[source.sha256] = batch
        self.sources[source.ulid] = source
        self._at("after ingest")
        return batch

    def event(self, kind: str, message: str) -> None:
        self.events.append((kind, message))

    def get_setting(self, key: str) -> str | None:
        return self.settings.get(key)

    def set_setting(self, key: str, value: str) -> None:
        self.settings[key] = value

    def record_rejection(self, ulid: str, file_name: str, sha256: str | None, problems: Sequence[Problem]) -> None:
        self._at("before record_rejection")
        assert ulid not in self.rejections
        self.rejections[ulid] = tuple(problems)
        self._at("after record_rejection")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def intake(spool: Spool, ledger: Ledger, tmp_path: Path) -> Intake:
    return Intake(spool, ledger, lambda ulid: make_rules(tmp_path, ulid), 1 << 20)
