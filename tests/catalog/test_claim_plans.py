"""What the daemon asks many times a second stays a matter of index lookups, however long the queue."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from soundmill.catalog import claims
from soundmill.jobs import BatchSpec, Parameters


def plan(mill: Any, sql: str, *values: object) -> list[str]:
    db = sqlite3.connect(mill.path)
    try:
        return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, values)]
    finally:
        db.close()


def test_the_head_of_a_queue_comes_from_its_index_in_order(mill: Any) -> None:
    steps = plan(mill, claims.HEADS, "tiny", 0, 8)
    assert "SEARCH j USING INDEX jobs_claimable (model=?)" in steps[0]
    assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN")]


def test_the_models_with_work_are_found_by_jumping_through_the_index(mill: Any) -> None:
    steps = plan(mill, claims.MODEL_QUEUES)
    assert not [step for step in steps if step.startswith("SCAN jobs") and "INDEX" not in step]
    assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT min(not_before) FROM jobs WHERE not_before IS NOT NULL",
        "UPDATE jobs SET not_before = NULL WHERE not_before <= 5.0",
    ],
)
def test_waiting_jobs_are_found_by_their_time(mill: Any, sql: str) -> None:
    (step,) = plan(mill, sql)
    assert "jobs_waiting" in step


def test_asking_for_the_queues_costs_the_same_with_fifty_times_the_jobs(mill: Any) -> None:
    parameters = Parameters(duration=4.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)
    connection: sqlite3.Connection = mill.catalog._connection

    def machine_steps() -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connection.set_progress_handler(step, 1)
        assert {queue.model for queue in mill.catalog.model_queues()} == {"a", "b", "c"}
        connection.set_progress_handler(None, 0)
        return count

    def add(count: int) -> None:
        jobs = [mill.spec(n, model="abc"[n % 3], parameters=parameters) for n in range(count)]
        mill.catalog.ingest(BatchSpec(name="x", jobs=jobs, job_count=count), mill.source())

    add(60)
    few = machine_steps()
    add(3000)
    assert machine_steps() <= few + 20
