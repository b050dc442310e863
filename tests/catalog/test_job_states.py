"""Any order of events keeps the promises: counters true, one finish per job, attempts only ever added."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from soundmill.catalog import wishes
from support.asking import asked

MAX_ATTEMPTS = 3
# Weighted, so that jobs get somewhere before the daemon dies under them.
STEPS = (
    ["claim"] * 5 + ["succeed"] * 4 + ["fail"] * 4 + ["command"] * 3 + ["wait", "ingest", "release", "die_and_recover"]
)
ENDED = ("succeeded", "failed", "cancelled")


def machine_for(make_mill: Any) -> type[RuleBasedStateMachine]:
    class JobStates(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            self.mill = make_mill(Path(self.folder.name) / "catalog.db")
            self.names = itertools.count(1)
            self.attempts: list[Any] = []  # every attempt ever claimed, the ended ones too: workers may answer late
            self.finished: set[tuple[int, int]] = set()
            self.seen: dict[int, dict[str, Any]] = {}

        def teardown(self) -> None:
            self.mill.close()
            self.folder.cleanup()

        @initialize(data=st.data())
        def begin(self, data: st.DataObject) -> None:
            self.ingest(data)

        @rule(step=st.sampled_from(STEPS), data=st.data())
        def step(self, step: str, data: st.DataObject) -> None:
            getattr(self, step)(data)

        def ingest(self, data: st.DataObject) -> None:
            if len(self.seen) < 6:
                self.mill.ingest(
                    data.draw(st.integers(1, 3)),
                    name=f"b{next(self.names)}",
                    model=data.draw(st.sampled_from("ab")),
                    priority=data.draw(st.integers(0, 1)),
                )

        def claim(self, data: st.DataObject) -> None:
            limit = data.draw(st.integers(1, 3))
            offered = [queue.model for queue in self.mill.catalog.model_queues()]
            model = data.draw(st.sampled_from(offered or ["a"]))
            claimed = self.mill.claim(limit=limit, model=model, engine_idle=data.draw(st.booleans()))
            assert len(claimed) <= limit
            assert len(claimed) == 1 or not any(attempt.alone for attempt in claimed)
            self.attempts += claimed

        def drawn_attempt(self, data: st.DataObject) -> Any:
            return data.draw(st.sampled_from(self.attempts[-5:]))

        def succeed(self, data: st.DataObject) -> None:
            if self.attempts:
                attempt = self.drawn_attempt(data)
                retry = data.draw(st.booleans())
                self.note_end(attempt, self.mill.succeed(attempt, passed=data.draw(st.booleans()), retry=retry))

        def fail(self, data: st.DataObject) -> None:
            if self.attempts:
                attempt = self.drawn_attempt(data)
                wait = data.draw(st.sampled_from([None, -1.0, 5.0]))
                counts, suspect = data.draw(st.booleans()), data.draw(st.booleans())
                self.note_end(attempt, self.mill.fail(attempt, retry_in=wait, counts=counts, suspect=suspect))

        def note_end(self, attempt: Any, ended: bool) -> None:
            """An attempt ends once, and only if it was the one its job was running under."""
            key = (attempt.job.id, attempt.number)
            before = self.seen[attempt.job.id]
            assert ended is (before["status"] == "running" and before["attempt"] == attempt.number)
            assert not (ended and key in self.finished)
            if ended:
                self.finished.add(key)

        def release(self, data: st.DataObject) -> None:
            self.mill.catalog.release(self.attempts, "stopping")

        def die_and_recover(self, data: st.DataObject) -> None:
            self.mill.catalog.recover()
            assert not self.mill.rows("SELECT 1 FROM jobs WHERE status = 'running'")

        def wait(self, data: st.DataObject) -> None:
            self.mill.clock.now += 6.0
            self.mill.catalog.wake_due(self.mill.clock.now)

        def command(self, data: st.DataObject) -> None:
            what = data.draw(st.sampled_from(["pause", "resume", "retry", "cancel"]))
            job = data.draw(st.sampled_from(sorted(self.seen)))
            whole = what in ("pause", "resume") or data.draw(st.booleans())
            target = self.mill.catalog.job(job).batch_name if whole else str(job)
            asked(self.mill.catalog, getattr(wishes, what), target)

        @invariant()
        def the_counters_equal_a_count(self) -> None:
            assert self.mill.counters_are_true()
            left = self.mill.row(
                "SELECT count(*) AS n FROM jobs j JOIN batches b ON b.id = j.batch_id"
                " WHERE j.status = 'running' OR (j.status = 'queued' AND NOT b.paused)"
            )
            assert self.mill.catalog.unfinished() == left["n"]

        @invariant()
        def attempts_are_only_added_and_strikes_never_exceed_them(self) -> None:
            for job in self.mill.rows("SELECT * FROM jobs"):
                numbers = [
                    row["number"]
                    for row in self.mill.rows("SELECT number FROM attempts WHERE job_id = ? ORDER BY number", job["id"])
                ]
                assert numbers == list(range(1, job["attempt"] + 1))
                assert 0 <= job["strikes"] <= job["attempt"]
                earlier = self.seen.get(job["id"])
                assert earlier is None or earlier["attempt"] <= job["attempt"]
                self.seen[job["id"]] = job

        @invariant()
        def a_job_runs_exactly_while_its_last_attempt_does(self) -> None:
            running = {
                (row["id"], row["attempt"])
                for row in self.mill.rows("SELECT id, attempt FROM jobs WHERE status = 'running'")
            }
            assert running == {
                (row["job_id"], row["number"])
                for row in self.mill.rows("SELECT job_id, number FROM attempts WHERE status = 'running'")
            }

        @invariant()
        def only_what_may_be_claimed_is_offered(self) -> None:
            for queue in self.mill.catalog.model_queues():
                head = self.mill.row("SELECT * FROM jobs WHERE id = ?", queue.head_job_id)
                assert (head["status"], head["held"], head["not_before"]) == ("queued", 0, None)
                best = self.mill.row(
                    "SELECT max(priority) AS priority, min(queued_at) AS oldest FROM jobs WHERE status = 'queued'"
                    " AND held = 0 AND not_before IS NULL AND model = ?",
                    queue.model,
                )
                assert (queue.priority, queue.oldest_queued_at) == (best["priority"], best["oldest"])

        @invariant()
        def an_ended_job_waits_for_nothing(self) -> None:
            for job in self.mill.rows("SELECT * FROM jobs"):
                assert (job["finished_at"] is not None) is (job["status"] in ENDED)
                assert job["not_before"] is None or job["status"] == "queued"
                paused = self.mill.row("SELECT paused FROM batches WHERE id = ?", job["batch_id"])["paused"]
                assert job["status"] != "queued" or job["held"] == paused

    return JobStates


@pytest.mark.parametrize(
    ("steps", "phases"),
    [(15, [Phase.generate, Phase.shrink]), (40, [Phase.generate])],  # making a long history small takes minutes
    ids=["short", "long"],
)
def test_any_order_of_events_keeps_the_promises(make_mill: Any, steps: int, phases: list[Phase]) -> None:
    run_state_machine_as_test(
        machine_for(make_mill),
        settings=settings(
            max_examples=30,
            stateful_step_count=steps,
            phases=phases,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
