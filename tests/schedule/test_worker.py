from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from schedule.conftest import Mill
from soundmill import faults
from soundmill.catalog import wishes
from soundmill.engine.protocol import Event
from soundmill.errors import (
    CatalogError,
    EngineDied,
    EngineError,
    EngineNotStarted,
    ModelUnavailable,
    OutOfMemory,
    StorageUnavailable,
    UnknownModel,
)
from soundmill.jobs import FailureKind, Generated, GenerationRequest, JobStatus, QcAction
from soundmill.schedule.worker import Worker
from soundmill.service import best_of_n as choosing
from support.asking import asked


@pytest.fixture(params=["an engine here", "an engine of another machine"], autouse=True)
def _where(request: pytest.FixtureRequest, mill: Mill) -> None:
    mill.far = request.param == "an engine of another machine"


def statuses(mill: Mill) -> Counter[str]:
    return Counter(job.status.value for job in mill.jobs())


def attempts(mill: Mill) -> list[tuple[int, int, str, str | None]]:
    with mill.catalog.connected() as db:
        rows = db.execute("SELECT job_id, number, status, error_kind FROM attempts ORDER BY id")
        return [tuple(row) for row in rows]


def paths(mill: Mill) -> set[str]:
    return {p.relative_to(mill.outputs).as_posix() for p in mill.outputs.rglob("*.wav")}


def test_every_job_becomes_a_file_a_sidecar_and_a_row(mill: Mill) -> None:
    mill.batch("a lute", "a drum", "rain")
    mill.run(mill.worker(mill.engine()))
    assert statuses(mill) == {"succeeded": 3}
    assert paths(mill) == {f"batch-1/000{n}-clip.wav" for n in (1, 2, 3)}
    sidecar = json.loads((mill.outputs / "batch-1/0001-clip.wav.json").read_text())
    assert sidecar["prompt"] == "a lute" and sidecar["seed"] == 1 and sidecar["verdict"] == "passed"


def test_the_slots_are_kept_full_and_never_overfull(mill: Mill) -> None:
    mill.batch(*["x"] * 10)
    engine = mill.engine(slots=4, polls_per_clip=3)
    mill.run(mill.worker(engine))
    assert engine.most_in_flight == 4
    assert len(engine.submitted) == 10


def test_the_next_clip_is_begun_before_those_that_are_made_are_filed(mill: Mill) -> None:
    mill.batch(*["x"] * 6)
    engine = mill.engine(slots=2, polls_per_clip=1)
    worker = mill.worker(engine)
    begun_when_filing: list[int] = []

    def listener(point: str) -> None:
        if point == "worker.file":
            begun_when_filing.append(len(attempts(mill)))

    faults.listen(listener)
    try:
        mill.run(worker)
    finally:
        faults.listen(None)
    # The first lot shows that takes can be filed; the others are replaced first.
    assert begun_when_filing == [2, 2, 6, 6, 6, 6]
    assert engine.most_in_flight == 2 and statuses(mill) == {"succeeded": 6}


@contextmanager
def takes_refused() -> Iterator[None]:
    """The catalogue takes none down."""

    def refuse(point: str) -> None:
        if point == "catalog.succeed":
            raise CatalogError("the catalogue is not to be written")

    faults.listen(refuse)
    try:
        yield
    finally:
        faults.listen(None)


def rounds(mill: Mill, worker: Worker, count: int) -> None:
    for _ in range(count):
        with suppress(CatalogError):
            worker.step()
        mill.clock.now += 1.0


def test_what_is_made_and_cannot_be_written_down_is_not_joined_by_more_than_as_many(mill: Mill) -> None:
    mill.batch(*["x"] * 20)
    engine = mill.engine(slots=2, polls_per_clip=1)
    worker = mill.worker(engine)
    mill.run(worker, done=lambda: statuses(mill)["succeeded"] >= 2)

    with takes_refused():
        rounds(mill, worker, 10)
        assert len(worker.in_flight) <= 4
    mill.run(worker)
    assert statuses(mill) == {"succeeded": 20}
    assert len(engine.submitted) == 20


class Repeating:
    """An engine that says once more what it has made, as where an answer seemed lost."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._made: list[Event] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def poll(self, timeout_s: float) -> list[Event]:
        events = self._engine.poll(timeout_s)
        again, self._made = self._made, [event for event in events if isinstance(event, Generated)]
        return again + events


def test_an_answer_that_comes_twice_frees_one_slot(mill: Mill) -> None:
    engine: Any = Repeating(mill.engine(slots=2, polls_per_clip=5))
    worker = mill.worker(engine)
    mill.batch("first")
    mill.run(worker)  # so takes can be filed
    mill.batch("a")
    for _ in range(3):
        worker.step()
    mill.batch("b", "c", "d", "e")  # b is still in its slot when a is made
    worker.step()
    with takes_refused():
        rounds(mill, worker, 6)
    mill.run(worker)
    assert engine.most_in_flight == 2
    assert statuses(mill) == {"succeeded": 6} and len(engine.submitted) == 6


@contextmanager
def failing_once(point: str) -> Iterator[None]:
    left = [point]

    def listener(passed: str) -> None:
        if passed in left:
            left.remove(passed)
            raise MemoryError(point)

    faults.listen(listener)
    try:
        with pytest.raises(MemoryError):
            yield
    finally:
        faults.listen(None)


def test_a_claim_that_was_written_and_raised_all_the_same_loses_no_job(mill: Mill) -> None:
    mill.batch("a lute", "a drum")
    worker = mill.worker(mill.engine(slots=4))
    with failing_once("catalog.claim.done"):
        worker.step()
    assert statuses(mill) == {"running": 2} and worker.in_flight == ()
    asked_for: list[str] = []
    running = mill.catalog.running
    mill.catalog.running = lambda worker: asked_for.append(worker) or running(worker)  # type: ignore[method-assign, func-returns-value]
    mill.run(worker)
    assert asked_for == ["cpu"]
    assert statuses(mill) == {"succeeded": 2}
    assert [each[:3] for each in attempts(mill)] == [
        (1, 1, "interrupted"), (2, 1, "interrupted"), (1, 2, "succeeded"), (2, 2, "succeeded"),
    ]  # fmt: skip
    assert [job.strikes for job in mill.jobs()] == [1, 1]


def test_a_worker_that_ends_gives_back_what_it_does_not_know_of(mill: Mill) -> None:
    mill.batch("a lute")
    worker = mill.worker(mill.engine())
    with failing_once("catalog.claim.done"):
        worker.step()
    worker.close("its thread ended")
    assert statuses(mill) == {"queued": 1}


def test_jobs_run_by_priority_then_in_the_order_of_the_file(mill: Mill) -> None:
    mill.batch("one", "two")
    mill.batch("urgent", priority=5)
    engine = mill.engine(slots=1)
    mill.run(mill.worker(engine))
    assert [request.prompt for request in engine.submitted] == ["urgent", "one", "two"]


def test_a_worker_leaves_models_to_the_machines_that_make_them(mill: Mill) -> None:
    mill.batch("urgent", model="large", priority=9)
    mill.batch("x", model="small")
    engine = mill.engine(slots=1)
    worker = mill.worker(engine)
    worker.use(replace(worker._trade, places={"large": ("ws1",)}))
    mill.run(worker, done=lambda: statuses(mill)["succeeded"] == 1)
    for _ in range(5):
        worker.step()
        mill.clock.now += 1.0
    assert engine.loads == ["small"] and statuses(mill) == {"queued": 1, "succeeded": 1}
    worker.use(replace(worker._trade, places={"large": ("ws1", "local")}))
    mill.run(worker)
    assert engine.loads == ["small", "large"] and statuses(mill) == {"succeeded": 2}


def test_a_model_is_loaded_once_for_all_its_jobs(mill: Mill) -> None:
    for model in ("a", "b", "a", "b"):
        mill.batch("x", model=model)
    engine = mill.engine(slots=1)
    mill.run(mill.worker(engine))
    assert engine.loads == ["a", "b"]


def test_a_queue_that_is_old_already_waits_for_its_turn_from_the_load_on(mill: Mill) -> None:
    mill.batch("x", "y", model="a")
    mill.batch("z", model="b")
    mill.clock.now += 100_000.0
    engine = mill.engine(slots=1)
    mill.run(mill.worker(engine))
    assert engine.loads == ["a", "b"]


def test_progress_reaches_the_catalogue_while_a_clip_runs(mill: Mill) -> None:
    mill.batch("long")
    worker = mill.worker(mill.engine(polls_per_clip=10))
    mill.run(worker, done=lambda: len(attempts(mill)) > 0)
    for _ in range(4):
        worker.step()
        mill.clock.now += 1.0
    with mill.catalog.connected() as db:
        done, due = db.execute("SELECT steps_done, steps_due FROM jobs").fetchone()
    assert 0 < done < due == 10


@pytest.mark.parametrize("kind", [FailureKind.BAD_PARAMETER, FailureKind.MISSING_INPUT])
def test_a_permanent_failure_is_not_tried_again(mill: Mill, kind: FailureKind) -> None:
    mill.batch("bad", "good")
    mill.run(mill.worker(mill.engine(failure=lambda r: kind if r.prompt == "bad" else None)))
    assert attempts(mill)[0] == (1, 1, "failed", kind)
    assert statuses(mill) == {"failed": 1, "succeeded": 1}


@pytest.mark.parametrize("kind", [FailureKind.IO, FailureKind.INTERNAL, FailureKind.ENGINE_DIED])
def test_a_transient_failure_is_tried_three_times_and_then_fails(mill: Mill, kind: FailureKind) -> None:
    mill.batch("bad")
    mill.run(mill.worker(mill.engine(failure=lambda r: kind)))
    assert attempts(mill) == [(1, n, "failed", kind) for n in (1, 2, 3)]
    assert statuses(mill) == {"failed": 1}


def test_a_clip_that_kills_its_engine_takes_its_neighbours_with_it_only_once(mill: Mill) -> None:
    mill.batch("killer", *["innocent"] * 3)
    engine = mill.engine(slots=4, failure=lambda r: FailureKind.ENGINE_DIED if r.prompt == "killer" else None)
    mill.run(mill.worker(engine))
    assert statuses(mill) == {"failed": 1, "succeeded": 3}
    assert max(job.attempt for job in mill.jobs() if job.prompt == "innocent") == 2
    assert len(engine.loads) >= 3  # a fresh engine after each death


def test_a_hung_clip_is_ended_at_its_deadline_and_its_neighbours_go_on(mill: Mill) -> None:
    mill.batch("hangs", "fine")
    hangs = mill.engine(slots=2, failure=lambda r: FailureKind.TIMED_OUT if r.prompt == "hangs" else None)
    mill.run(mill.worker(hangs, deadline_s=5.0, deadline_per_audio_s=0.0))
    assert statuses(mill) == {"failed": 1, "succeeded": 1}
    assert [a[3] for a in attempts(mill) if a[0] == 1] == [FailureKind.TIMED_OUT] * 3


def test_out_of_memory_halves_the_slots_until_the_clips_fit(mill: Mill) -> None:
    mill.batch(*["x"] * 8)
    engine = mill.engine(slots=8)
    engine._failure = lambda r: FailureKind.OUT_OF_MEMORY if len(engine._flights) > 2 else None
    mill.run(mill.worker(engine))
    assert statuses(mill) == {"succeeded": 8}
    assert engine.reduce_slots().slots == 1  # it stood at 2
    assert all(job.strikes == 1 for job in mill.jobs())


def test_out_of_memory_alone_ends_after_three_attempts(mill: Mill) -> None:
    mill.batch("huge")
    mill.run(mill.worker(mill.engine(slots=1, failure=lambda r: FailureKind.OUT_OF_MEMORY)))
    assert statuses(mill) == {"failed": 1}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelUnavailable("facebook/x: no weights here; soundmill models pull facebook/x"), "model_unavailable"),
        (UnknownModel("no such model"), "unknown_model"),
    ],
)
def test_a_model_that_cannot_be_had_fails_its_jobs_and_leaves_the_others(
    mill: Mill, error: EngineError, kind: str
) -> None:
    mill.batch("x", "y", model="missing")
    mill.batch("z", model="tiny")
    engine = mill.engine(load_failure=lambda m: error if m == "missing" else None)
    mill.run(mill.worker(engine))
    assert statuses(mill) == {"failed": 2, "succeeded": 1} and engine.loads.count("missing") == 1
    with mill.catalog.connected() as db:
        rows = db.execute("SELECT DISTINCT error_kind, error FROM jobs WHERE status = 'failed'").fetchall()
    assert [tuple(row) for row in rows] == [(kind, f"{mill.by}{error}")]


def test_a_load_that_runs_out_of_memory_is_retried(mill: Mill) -> None:
    mill.batch("x")
    failures = [OutOfMemory("no room for the weights")]
    mill.run(mill.worker(mill.engine(load_failure=lambda m: failures.pop() if failures else None)))
    assert statuses(mill) == {"succeeded": 1}
    assert [a[2:] for a in attempts(mill)] == [("failed", "out_of_memory"), ("succeeded", None)]
    assert [job.strikes for job in mill.jobs()] == [2]  # there were no neighbours to give up


def test_a_load_that_fails_costs_one_job_an_attempt(mill: Mill) -> None:
    mill.batch("x", "y")
    failures = [OutOfMemory("no room for the weights")]
    mill.run(mill.worker(mill.engine(load_failure=lambda m: failures.pop() if failures else None)))
    assert [a[:3] for a in attempts(mill)] == [(1, 1, "failed"), (2, 1, "succeeded"), (1, 2, "succeeded")]


def test_a_full_disk_pauses_claiming_and_loses_nothing(mill: Mill) -> None:
    mill.batch(*["x"] * 6)
    engine = mill.engine(slots=2)
    worker = mill.worker(engine)
    mill.disk.full = True
    for _ in range(20):
        worker.step()
        mill.clock.now += 1.0
    assert len(engine.submitted) == 2  # nothing more is claimed
    assert mill.events == ["storage unavailable"]
    mill.disk.full = False
    mill.run(worker)
    assert statuses(mill) == {"succeeded": 6}
    assert len(engine.submitted) == 6  # the clips that waited for room were not generated again
    assert mill.events == ["storage unavailable", "storage available"]


def test_one_file_that_cannot_be_written_fails_alone(mill: Mill) -> None:
    mill.batch("x", "y")
    mill.disk.refused = "0001-clip"
    mill.run(mill.worker(mill.engine()))
    assert statuses(mill) == {"failed": 1, "succeeded": 1}
    assert [a[3] for a in attempts(mill) if a[0] == 1] == ["io"] * 3


def test_a_failed_check_is_a_verdict_and_not_a_failed_job(mill: Mill) -> None:
    mill.batch("silence", "a lute")
    mill.run(mill.worker(mill.engine()))
    assert statuses(mill) == {"succeeded": 2}
    with mill.catalog.connected() as db:
        assert [row[0] for row in db.execute("SELECT verdict FROM outputs ORDER BY job_id")] == ["failed", "passed"]


def test_quarantine_files_the_take_apart(mill: Mill) -> None:
    mill.batch("silence", "a lute", on_qc_fail=QcAction.QUARANTINE)
    mill.run(mill.worker(mill.engine()))
    assert paths(mill) == {"batch-1/quarantine/0001-clip.take1.wav", "batch-1/0002-clip.wav"}


def test_retry_takes_new_recorded_seeds_and_of_equal_takes_keeps_the_last(mill: Mill) -> None:
    mill.batch("silence", on_qc_fail=QcAction.RETRY)
    engine = mill.engine()
    mill.run(mill.worker(engine, qc_retries=2))
    seeds = [request.seed for request in engine.submitted]
    assert len(set(seeds)) == 3 and seeds[0] == 1
    with mill.catalog.connected() as db:
        recorded = [row[0] for row in db.execute("SELECT seed FROM attempts ORDER BY number")]
    assert recorded == seeds
    assert paths(mill) == {
        "batch-1/quarantine/0001-clip.take1.wav",
        "batch-1/quarantine/0001-clip.take2.wav",
        "batch-1/0001-clip.wav",
    }
    assert statuses(mill) == {"succeeded": 1}


def test_retry_stops_at_the_first_take_that_passes(mill: Mill) -> None:
    mill.batch("x", on_qc_fail=QcAction.RETRY)

    def first_is_clipped(request: GenerationRequest) -> dict[str, float | None]:
        return {"clipping_share": 0.5} if request.attempt == 1 else {}

    mill.run(mill.worker(mill.engine(measurements=first_is_clipped)))
    with mill.catalog.connected() as db:
        takes = [tuple(row) for row in db.execute("SELECT attempt, verdict, quarantined FROM outputs ORDER BY attempt")]
    assert takes == [(1, "failed", 1), (2, "passed", 0)]


@pytest.mark.parametrize(("clipped", "best"), [((0.5, 0.1, 0.3), 2), ((0.1, 0.5, 0.3), 1), ((0.5, 0.3, 0.1), 3)])
def test_when_all_tries_are_used_up_the_best_take_counts(mill: Mill, clipped: tuple[float, ...], best: int) -> None:
    mill.batch("x", on_qc_fail=QcAction.RETRY)
    engine = mill.engine(measurements=lambda request: {"clipping_share": clipped[request.attempt - 1]})
    mill.run(mill.worker(engine, qc_retries=2))
    while mill.catalog.undecided():
        choosing.step(mill.catalog, mill.outputs)
    with mill.catalog.connected() as db:
        takes = [tuple(row) for row in db.execute("SELECT audio, is_final, quarantined FROM takes ORDER BY attempt")]
        flagged = db.execute("SELECT flagged FROM batch_progress").fetchone()[0]
    expected = [(f"batch-1/quarantine/0001-clip.take{number}.wav", 0, 1) for number in (1, 2, 3)]
    expected[best - 1] = ("batch-1/0001-clip.wav", 1, 0)
    assert takes == expected
    assert paths(mill) == {path for path, *_ in expected}
    assert (statuses(mill), flagged) == ({"succeeded": 1}, 1)


def test_what_a_worker_has_is_asked_only_where_it_may_not_know(mill: Mill) -> None:
    mill.batch(*["x"] * 5)
    asked_for: list[str] = []
    mill.catalog.running = lambda worker: asked_for.append(worker) or []  # type: ignore[method-assign, func-returns-value]
    mill.run(mill.worker(mill.engine(slots=2)))
    assert statuses(mill) == {"succeeded": 5} and asked_for == []


def started(mill: Mill, worker: Worker) -> None:
    while not worker.in_flight:
        worker.step()


def test_a_cancelled_job_leaves_no_file(mill: Mill) -> None:
    mill.batch("x", "y")
    engine = mill.engine(slots=2, polls_per_clip=5)
    worker = mill.worker(engine)
    started(mill, worker)
    worker.cancel(asked(mill.catalog, wishes.cancel, "batch-1/0001-clip"))
    mill.run(worker)
    assert statuses(mill) == {"cancelled": 1, "succeeded": 1}
    assert paths(mill) == {"batch-1/0002-clip.wav"}


def test_of_three_that_run_the_one_that_is_cancelled_is_dropped(mill: Mill) -> None:
    mill.batch("x", "y", "z")
    engine = mill.engine(slots=3, polls_per_clip=5)
    worker = mill.worker(engine)
    started(mill, worker)
    worker.cancel([2, 99])
    assert [a.job.id for a in worker.in_flight] == [1, 3]
    worker.cancel(asked(mill.catalog, wishes.cancel, "batch-1/0002-clip"))  # which it has not any more
    mill.run(worker)
    assert statuses(mill) == {"cancelled": 1, "succeeded": 2} and engine.cancelled == [2]


def test_a_clip_that_ends_after_its_cancellation_is_dropped(mill: Mill) -> None:
    mill.batch("x")
    worker = mill.worker(mill.engine(polls_per_clip=2))
    started(mill, worker)
    asked(mill.catalog, wishes.cancel, "batch-1")  # the worker has not heard of it yet
    mill.disk.file = lambda *_: pytest.fail("is filed")  # type: ignore[method-assign]
    for _ in range(5):
        worker.step()
    assert statuses(mill) == {"cancelled": 1}
    assert paths(mill) == set()
    assert not worker.in_flight


def test_closing_gives_running_jobs_back_without_a_strike(mill: Mill) -> None:
    mill.batch("x", "y")
    worker = mill.worker(mill.engine(slots=2, polls_per_clip=100))
    started(mill, worker)
    worker.close("stopped")
    assert [(job.status, job.strikes) for job in mill.jobs()] == [(JobStatus.QUEUED, 0)] * 2
    assert [a[2] for a in attempts(mill)] == ["interrupted"] * 2


def test_a_draining_worker_claims_nothing_more(mill: Mill) -> None:
    mill.batch("x", "y")
    worker = mill.worker(mill.engine(slots=1, polls_per_clip=2))
    started(mill, worker)
    for _ in range(5):
        worker.step(claiming=False)
    assert statuses(mill) == {"succeeded": 1, "queued": 1}


def test_a_take_that_was_filed_and_not_recorded_goes_with_its_worker(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next attempt's file may have another name."""
    mill.batch("silence", on_qc_fail=QcAction.QUARANTINE)
    worker = mill.worker(mill.engine())

    def no_room(*_: object, **__: object) -> bool:
        raise StorageUnavailable("catalog.db: the disk is full: make room")

    with monkeypatch.context() as full:
        full.setattr(type(mill.catalog), "succeed", no_room)
        worker.step()
        worker.step()
    assert paths(mill) == {"batch-1/quarantine/0001-clip.take1.wav"}
    worker.close("its thread ended")
    assert paths(mill) == set()
    assert not list(mill.outputs.rglob("*.json"))
    mill.run(mill.worker(mill.engine()))
    assert paths(mill) == {"batch-1/quarantine/0001-clip.take2.wav"}


def test_an_engine_that_cannot_be_asked_holds_up_no_job_for_ever(mill: Mill) -> None:
    """It does not know of the clips then, so nothing would come of them, and no deadline runs."""
    mill.batch("a", "b")
    engine = mill.engine()
    asking, engine.submit = engine.submit, no_memory  # type: ignore[method-assign]
    worker = mill.worker(engine)
    with pytest.raises(MemoryError):
        worker.step()
    engine.submit = asking  # type: ignore[method-assign]
    mill.run(worker)
    assert [job.status for job in mill.jobs()] == [JobStatus.SUCCEEDED] * 2
    assert [kind for _, _, _, kind in attempts(mill)] == ["internal", "internal", None, None]


def no_memory(_: object) -> None:
    raise MemoryError


def test_a_cancel_while_the_disk_takes_nothing_ends_no_worker(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was filed of the job goes once the disk is back; the other clip is not lost meanwhile."""
    mill.batch("x", "y")
    engine = mill.engine(slots=2, polls_per_clip=2)
    worker = mill.worker(engine)

    def no_room(*_: object, **__: object) -> bool:
        raise StorageUnavailable("catalog.db: the disk is full: make room")

    with monkeypatch.context() as full:
        full.setattr(type(mill.catalog), "succeed", no_room)
        while not paths(mill):
            worker.step()
    with monkeypatch.context() as read_only:
        read_only.setattr(mill.disk, "discard", no_room)
        worker.cancel(asked(mill.catalog, wishes.cancel, "batch-1/0001-clip"))
        worker.step()
    assert paths(mill) == {"batch-1/0001-clip.wav"}
    mill.run(worker)
    assert statuses(mill) == {"cancelled": 1, "succeeded": 1}
    assert paths(mill) == {"batch-1/0002-clip.wav"}
    assert len(engine.submitted) == 2


def test_what_was_filed_is_not_taken_back_while_another_attempt_may_have_the_name(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill.batch("x")
    worker = mill.worker(mill.engine())

    def no_room(*_: object, **__: object) -> bool:
        raise StorageUnavailable("catalog.db: the disk is full: make room")

    with monkeypatch.context() as full:
        full.setattr(type(mill.catalog), "succeed", no_room)
        while not paths(mill):
            worker.step()
    mill.catalog.release(worker.in_flight, "its worker is given up")
    assert mill.catalog.claim(worker="other", device="cpu", model="tiny", limit=1, engine_idle=True)
    worker.cancel([1])
    worker.step(claiming=False)
    assert paths(mill) == {"batch-1/0001-clip.wav"}
    asked(mill.catalog, wishes.cancel, "batch-1")
    worker.step(claiming=False)
    assert paths(mill) == set()


def test_a_model_that_cannot_be_had_leaves_none_loaded(mill: Mill) -> None:
    engine = mill.engine(load_failure=lambda m: ModelUnavailable("no weights") if m == "missing" else None)
    worker = mill.worker(engine)
    for model in ("a", "missing", "a"):
        mill.batch("x", model=model)
        mill.run(worker)
    assert engine.loads == ["a", "missing", "a"] and statuses(mill) == {"failed": 1, "succeeded": 2}


def once(error: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    """What fails the first time it is called."""
    left = [error]

    def call(*values: Any) -> Any:
        if left:
            raise left.pop()
        return then(*values)

    return call


def test_an_engine_that_is_dead_when_it_is_asked_fails_the_clips_and_is_started_anew(mill: Mill) -> None:
    mill.batch("x", "y")
    engine = mill.engine(slots=2)
    engine.submit = once(EngineDied("cpu: killed by signal 9"), engine.submit)  # type: ignore[method-assign]
    mill.run(mill.worker(engine))
    assert statuses(mill) == {"succeeded": 2}
    assert [a[3] for a in attempts(mill)] == ["engine_died", "engine_died", None, None]
    assert [job.strikes for job in mill.jobs()] == [2, 2]


def test_an_engine_that_does_not_start_is_no_fault_of_a_job(mill: Mill) -> None:
    mill.batch("x")
    engine = mill.engine()
    worker = mill.worker(engine)
    engine.load = once(EngineNotStarted("cpu: no process"), engine.load)  # type: ignore[method-assign]
    with pytest.raises(EngineNotStarted):
        worker.step()
    assert attempts(mill) == []
    mill.run(worker)
    assert [a[2:] for a in attempts(mill)] == [("succeeded", None)]


def test_a_model_whose_switch_fails_is_loaded_anew(mill: Mill) -> None:
    """After a failed start the worker takes no model for loaded."""
    mill.batch("x", model="a")
    engine = mill.engine(slots=1)
    worker = mill.worker(engine)
    mill.run(worker)
    mill.batch("y", model="b")
    engine.load = once(EngineNotStarted("cpu: no process"), engine.load)  # type: ignore[method-assign]
    with pytest.raises(EngineNotStarted):
        worker.step()
    assert mill.catalog.claim(worker="other", device="cpu", model="a", limit=1, engine_idle=True) == []
    with mill.catalog.connected() as db:
        assert tuple(db.execute("SELECT status, model, slots FROM workers").fetchone()) == ("loading", "b", 1)
    mill.clock.now += 1
    worker.step(claiming=False)
    assert board(mill)[:4] == ("idle", None, 0, 0)
    mill.clock.now += 1
    with pytest.raises(AssertionError, match="not worked off"):
        mill.run(worker, rounds=0)
    mill.run(worker)
    assert engine.loads == ["a", "b"] and statuses(mill) == {"succeeded": 2}


def test_an_engine_that_dies_while_its_slots_are_halved_is_started_anew(mill: Mill) -> None:
    mill.batch("x", "y")
    engine = mill.engine(slots=2)
    engine._failure = lambda r: FailureKind.OUT_OF_MEMORY if r.attempt == 1 else None

    def dead() -> None:
        engine.kill()
        raise EngineDied("cpu: killed by signal 9")

    engine.reduce_slots = dead  # type: ignore[method-assign, assignment]
    mill.run(mill.worker(engine))
    assert statuses(mill) == {"succeeded": 2} and engine.loads == ["tiny", "tiny"]


def test_other_numbers_count_from_the_next_round_on(mill: Mill) -> None:
    mill.batch("x")
    worker = mill.worker(mill.engine(failure=lambda r: FailureKind.IO))
    trade = replace(worker._trade, policy=replace(worker._trade.policy, max_attempts=1))
    worker.use(trade)
    mill.run(worker)
    assert len(attempts(mill)) == 1


def test_a_job_that_is_cancelled_while_its_take_is_filed_leaves_no_file(mill: Mill) -> None:
    mill.batch("x")
    worker = mill.worker(mill.engine())
    filing = mill.disk.file

    def cancelled(relative: str, audio: bytes, sidecar: Any) -> Any:
        filed = filing(relative, audio, sidecar)
        asked(mill.catalog, wishes.cancel, "batch-1")
        return filed

    mill.disk.file = cancelled  # type: ignore[method-assign]
    for _ in range(3):
        worker.step()
    assert statuses(mill) == {"cancelled": 1} and paths(mill) == set() and worker.in_flight == ()


def board(mill: Mill) -> tuple[Any, ...]:
    with mill.catalog.connected() as db:
        return tuple(db.execute("SELECT status, model, slots, running, restarts, error FROM workers").fetchone())


def test_what_a_worker_does_is_on_record(mill: Mill) -> None:
    engine = mill.engine(slots=3, polls_per_clip=4)
    worker = mill.worker(engine)
    worker.step()
    assert board(mill) == ("idle", None, 0, 0, 0, None)
    mill.batch("x", "y")
    worker.step()
    assert board(mill) == ("loading", "tiny", 0, 0, 0, None)
    mill.clock.now += 0.5
    worker.step()
    assert board(mill) == ("working", "tiny", 3, 2, 0, None)
    engine.kill()
    mill.clock.now += 0.4
    worker.step()
    assert board(mill)[0] == "dead" and board(mill)[4:] == (1, f"{mill.by}the engine was killed by signal 9")
    mill.run(worker)
    mill.clock.now += 1
    worker.step()
    assert board(mill)[:5] == ("idle", "tiny", 3, 0, 1)
    worker.close("stopped")
    assert board(mill)[0] == "stopped" and engine.closed


def test_a_worker_is_on_record_from_its_first_round_on(mill: Mill) -> None:
    mill.clock.now = 0.25
    mill.worker(mill.engine()).step()
    assert board(mill) == ("idle", None, 0, 0, 0, None)


def seen_at(mill: Mill) -> float:
    with mill.catalog.connected() as db:
        return float(db.execute("SELECT seen_at FROM workers").fetchone()[0])


def test_an_idle_worker_is_on_record_once_in_ten_seconds(mill: Mill) -> None:
    mill.clock.now = 1_000_000.0
    worker = mill.worker(mill.engine())
    seen = set()
    for _ in range(30):
        worker.step()
        seen.add(seen_at(mill))
        mill.clock.now += 1.0
    assert seen == {1_000_000.0, 1_000_010.0, 1_000_020.0}


def test_progress_is_on_record_at_most_twice_a_second(mill: Mill) -> None:
    mill.batch("long")
    worker = mill.worker(mill.engine(polls_per_clip=100))
    written = []
    noting = mill.catalog.progress
    mill.catalog.progress = lambda all: (written.append(mill.clock.now), noting(all))  # type: ignore[assignment]
    for _ in range(41):
        worker.step()
        mill.clock.now += 0.125
    assert len(written) == 10
    assert all(round(b - a, 3) == 0.5 for a, b in pairwise(written))


def test_a_load_may_take_as_long_as_it_was_told(mill: Mill) -> None:
    mill.batch("x")
    allowed: list[float] = []
    worker = mill.worker(mill.engine(), load_deadline_s=77.0)
    worker._allow_s = allowed.append
    mill.run(worker)
    assert allowed == [77.0]


def test_a_job_that_runs_alone_has_no_neighbour(mill: Mill) -> None:
    mill.batch("killer", "innocent", *["later"] * 3)
    engine = mill.engine(slots=2, polls_per_clip=3)
    engine._failure = lambda r: FailureKind.ENGINE_DIED if r.prompt == "killer" else None
    alone: list[int] = []
    submitting = engine.submit

    def submit(requests: Any) -> None:
        submitting(requests)
        if any(r.prompt == "killer" and r.attempt > 1 for r in requests):
            alone.append(len(engine._flights))

    engine.submit = submit  # type: ignore[method-assign]
    worker = mill.worker(engine)
    crowded = []

    def done() -> bool:
        if any(a.alone for a in worker.in_flight):
            crowded.append(len(worker.in_flight))
        return mill.catalog.unfinished() == 0

    mill.run(worker, done=done)
    assert statuses(mill) == {"failed": 1, "succeeded": 4}
    assert set(alone) == {1} and set(crowded) == {1}


def test_what_comes_while_a_job_runs_alone_waits(mill: Mill) -> None:
    mill.batch("killer")
    engine = mill.engine(slots=2, polls_per_clip=3)
    engine._failure = lambda r: FailureKind.ENGINE_DIED if (r.prompt, r.attempt) == ("killer", 1) else None
    worker = mill.worker(engine)
    mill.run(worker, done=lambda: any(attempt.alone for attempt in worker.in_flight))
    mill.batch("new")
    worker.step()
    assert [attempt.alone for attempt in worker.in_flight] == [True]
    mill.run(worker)
    assert statuses(mill) == {"succeeded": 2} and [r.prompt for r in engine.submitted] == ["killer", "killer", "new"]


def test_a_catalogue_that_cannot_be_written_closes_the_gate_too(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.batch("x", "y")
    worker = mill.worker(mill.engine(slots=1))

    def no_room(*_: object, **__: object) -> bool:
        mill.disk.full = True
        raise StorageUnavailable("catalog.db: the disk is full: make room")

    with monkeypatch.context() as full:
        full.setattr(type(mill.catalog), "succeed", no_room)
        while not mill.disk.full:
            worker.step()
    assert mill.events == ["storage unavailable"]  # at once, and not when a file cannot be written either
    mill.disk.full = False
    mill.run(worker)
    assert statuses(mill) == {"succeeded": 2} and mill.events == ["storage unavailable", "storage available"]
