"""Report: everything a report is made from, as frozen nouns read from the catalogue's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from soundmill.jobs import AttemptStatus, Check, JobStatus, Normalization, Parameters, Verdict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = Mapping[str, Any]
T = TypeVar("T", bound="DataclassInstance")
Looking = Mapping[str, tuple[str, ...]]

OWN_SCORER = "soundmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """Something found in a stretch of a clip, seconds from its start, whether or not its checks allow that much."""

    name: str
    looked_at_by: tuple[str, ...]  # the names of those checks
    start_s: float
    end_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRecord:
    """One output. `file` is relative to the batch's folder; `present` says whether it is there."""

    file: str
    present: bool
    attempt: int
    seed: int
    worker: str
    device: str
    format: str
    sample_rate: int  # Hz
    channels: int
    duration_s: float
    size_bytes: int
    sha256: str
    normalization: str  # none, peak, rms or loudness
    normalization_target: float  # LUFS for loudness, dBFS for peak and rms
    generation_s: float  # this and the next two as in jobs.Generated
    device_s: float | None  # None, as row_steps: made before it was recorded
    row_steps: int | None
    licence: str
    versions: Mapping[str, str]
    verdict: Verdict
    ruleset: str  # the kind, rules and limits it was judged by, "music-2-58f211b6"
    score: float | None  # 0 to 100
    scores: Mapping[str, float | None]  # of other scorers
    measurements: Mapping[str, float | None]
    checks: tuple[Check, ...]
    defects: tuple[Defect, ...]
    stars: float | None  # 1 to 5, by a person, or the mean of several
    rejected: bool  # by anybody
    note: str | None
    quarantined: bool
    kept: bool | None  # of the best of n: None where nothing was chosen
    final: bool  # the take its job ended with
    created_at: float
    pruned_at: float | None  # when retention let its file go

    @property
    def kind(self) -> str:
        """Whose limits judged it: music, sound_effects or custom."""
        return self.ruleset.partition("-")[0]

    @property
    def passed(self) -> bool:
        return self.verdict is Verdict.PASSED

    @property
    def loudness_short_lu(self) -> float | None:
        """How far under the target of loudness normalisation it is, because its peak allowed no more gain; None where
        it has no such target."""
        loudness = self.measurements.get("loudness_lufs")
        if self.normalization != Normalization.LOUDNESS or loudness is None:
            return None
        return max(0.0, self.normalization_target - loudness)

    @property
    def failed_checks(self) -> tuple[str, ...]:
        """Their names, as words."""
        return tuple(check.name.replace("_", " ") for check in self.checks if not check.passed)

    def allows(self, defect: Defect) -> bool:
        """Whether every check that looks at a defect passed."""
        return all(check.passed for check in self.checks if check.name in defect.looked_at_by)

    @property
    def problems(self) -> tuple[str, ...]:
        """The failed checks, as sentences."""
        return tuple(check.message for check in self.checks if not check.passed)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(Parameters):
    """One job, its sampling parameters among its fields, with all its takes, oldest first. `seed` is the job's own; a
    take's may be another."""

    id: int
    position: int
    name: str
    prompt: str
    model: str
    seed: int
    format: str
    melody: str | None
    continue_from: str | None
    labels: Mapping[str, str]
    condition: Mapping[str, str]
    replicate: int
    status: JobStatus
    attempts: int
    error_kind: str | None
    error: str | None
    queued_at: float
    started_at: float | None
    finished_at: float | None
    takes: tuple[TakeRecord, ...]

    @property
    def first(self) -> TakeRecord | None:
        """What its settings made of its own seed; later takes have other seeds, and stand in where this one failed."""
        return self.takes[0] if self.takes else None

    @property
    def tried_again(self) -> bool:
        return len(self.takes) > 1

    @property
    def final(self) -> TakeRecord | None:
        return next((take for take in self.takes if take.final), None)


Found = tuple[JobRecord, TakeRecord]  # a take with its job


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    job: str
    number: int
    worker: str
    device: str
    model: str
    status: AttemptStatus
    started_at: float
    finished_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What somebody said of two takes, by their files: `answer` is first, second or tie. An `attention` check was asked
    to see whether they listen, who then answer as `expected`."""

    who: str
    first: str
    second: str
    answer: str
    attention: bool
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """One batch. `file_name` is the job file it came from, `experiment` that file's section as written."""

    name: str
    kind: str  # list, template or experiment
    file_name: str
    kept_as: str  # where in inbox/accepted/ it lies
    sha256: str
    ulid: str
    on_qc_fail: str
    priority: int
    experiment: Mapping[str, object] | None
    extends: str | None
    paused: bool
    created_at: float
    started_at: float | None
    finished_at: float | None
    jobs: tuple[JobRecord, ...]
    attempts: tuple[AttemptRecord, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def finals(self) -> tuple[Found, ...]:
        """Each job that has a final take, with it."""
        return tuple((job, job.final) for job in self.jobs if job.final is not None)

    @property
    def takes(self) -> tuple[Found, ...]:
        """Every take, also those that were tried again."""
        return tuple((job, take) for job in self.jobs for take in job.takes)

    @property
    def tried_again(self) -> int:
        """Jobs that have more than one take."""
        return sum(job.tried_again for job in self.jobs)

    @property
    def chosen(self) -> tuple[bool, ...]:
        """Of the final takes that best-of-n chose among, whether it kept them."""
        return tuple(take.kept for _, take in self.finals if take.kept is not None)

    def count(self, status: JobStatus) -> int:
        return sum(job.status is status for job in self.jobs)


def read_record(rows: Row, folder: Path, looked_at_by: Looking) -> BatchRecord:
    """The record of a batch from the rows of Reader.everything_of.

    `folder` is where its takes lie; `looked_at_by` has the checks that look at a defect, by its name, where they are
    not just the one of that name.
    """
    attempts = {(row["job_id"], row["number"]): row for row in rows["attempts"]}
    outputs: dict[int, list[Row]] = {}
    for row in rows["outputs"]:
        outputs.setdefault(row["job_id"], []).append(row)
    jobs = tuple(_job(row, outputs.get(row["id"], ()), attempts, folder, looked_at_by) for row in rows["jobs"])
    names = {job.id: job.name for job in jobs}
    return _from_row(
        BatchRecord,
        rows["batch"],
        kept_as=rows["batch"].get("kept_as") or rows["batch"]["file_name"],  # it was not always recorded
        extends=rows["batch"]["extends_name"],
        paused=bool(rows["batch"]["paused"]),
        jobs=jobs,
        attempts=tuple(
            _from_row(AttemptRecord, row, job=names[row["job_id"]], status=AttemptStatus(row["status"]))
            for row in rows["attempts"]
        ),
        comparisons=tuple(
            Comparison(
                who=row["who"],
                first=_file(row["first"]),
                second=_file(row["second"]),
                answer=row["answer"],
                attention=bool(row["attention"]),
                expected=row["expected"],
            )
            for row in rows["comparisons"]
        ),
    )


def _file(path: str) -> str:
    """Of the batch's own folder."""
    return path.split("/", 1)[1]


def _from_row(kind: type[T], row: Row, **known: object) -> T:
    """A noun of which every field that is not `known` has the column of its name."""
    return kind(**{field.name: row[field.name] for field in fields(kind) if field.name not in known}, **known)


def _job(
    row: Row, outputs: Iterable[Row], attempts: Mapping[tuple[int, int], Row], folder: Path, looking: Looking
) -> JobRecord:
    final = row["final_attempt"] if row["status"] == JobStatus.SUCCEEDED else None
    return _from_row(
        JobRecord,
        row,
        status=JobStatus(row["status"]),
        attempts=row["attempt"],
        takes=tuple(
            _take(one, attempts[row["id"], one["attempt"]], final == one["attempt"], folder, looking) for one in outputs
        ),
    )


def _take(row: Row, attempt: Row, final: bool, folder: Path, looking: Looking) -> TakeRecord:
    file = _file(row["path"])
    rating = row["rating"] or {}
    return _from_row(
        TakeRecord,
        row,
        file=file,
        present=(folder / file).is_file(),
        seed=attempt["seed"],
        worker=attempt["worker"],
        device=attempt["device"],
        device_s=row.get("device_s"),  # a catalogue that no daemon of this version has opened has neither
        row_steps=row.get("row_steps"),
        pruned_at=row.get("pruned_at"),
        verdict=Verdict(row["verdict"]),
        scores={scorer: score for scorer, score in row["scores"].items() if scorer != OWN_SCORER},
        checks=tuple(Check(**{**check, "passed": bool(check["passed"])}) for check in row["checks"]),
        defects=tuple(defect for one in row["defects"] if (defect := _defect(one, looking)) is not None),
        stars=rating.get("stars"),
        rejected=bool(rating.get("rejected")),
        note=rating.get("note"),
        quarantined=bool(row["quarantined"]),
        kept=None if row["kept"] is None else bool(row["kept"]),
        final=final,
    )


def _defect(row: Row, looking: Looking) -> Defect | None:
    """None for one without a time: it cannot be pointed at, and its check says the same."""
    start, end = row.get("start_s"), row.get("end_s")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        return None
    name = str(row.get("name", "defect"))
    return Defect(
        name=name,
        looked_at_by=looking.get(name, (name,)),
        start_s=float(start),
        end_s=float(end),
        detail=str(row.get("detail", "")),
    )
