from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from soundmill.catalog.claims import ALONE_AFTER, GIVEN_UP_AFTER
from soundmill.jobs import FailureKind, JobStatus, Progress, attempt_seed


def job(mill: Any, job_id: int = 1) -> Any:
    return mill.row("SELECT * FROM jobs WHERE id = ?", job_id)


def test_jobs_are_claimed_by_priority_then_age(mill: Any) -> None:
    mill.ingest([mill.spec(1), mill.spec(2, priority=5), mill.spec(3), mill.spec(4, priority=5)])
    assert [a.job.id for a in mill.claim(limit=3)] == [2, 4, 1]
    assert [a.job.id for a in mill.claim(limit=3)] == [3]
    assert mill.claim() == []


def test_a_claim_is_on_record_before_the_work_begins(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim(worker="w3")
    assert (attempt.number, attempt.worker, attempt.started_at, attempt.alone) == (1, "w3", mill.clock.now, False)
    assert (attempt.job.status, attempt.job.attempt, attempt.job.strikes) == (JobStatus.RUNNING, 1, 1)
    assert attempt.job == mill.catalog.job(1)
    row = mill.row("SELECT job_id, number, worker, device, model, seed, status FROM attempts")
    assert row == {
        "job_id": 1,
        "number": 1,
        "worker": "w3",
        "device": "cpu",
        "model": "tiny",
        "seed": 101,
        "status": "running",
    }


def test_a_claim_takes_only_the_jobs_of_its_model_and_no_more_than_asked(mill: Any) -> None:
    mill.ingest([mill.spec(1, model="a"), mill.spec(2, model="b"), mill.spec(3, model="b")])
    assert mill.claim(limit=0, model="b") == []
    assert [a.job.id for a in mill.claim(limit=9, model="b")] == [2, 3]


def test_two_workers_never_get_the_same_job(mill: Any) -> None:
    mill.ingest(120)
    taken: list[int] = []

    def work(name: str) -> None:
        while attempts := mill.claim(limit=3, worker=name):
            taken.extend(attempt.job.id for attempt in attempts)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(range(1, 121))


def test_a_finished_job_has_its_output_measurements_checks_and_score(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    assert mill.succeed(attempt)
    row = mill.row("SELECT * FROM takes")
    assert (row["audio"], row["verdict"], row["score"], row["is_final"]) == ("themes/job-0001.wav", "passed", 80.0, 1)
    assert (row["loudness_lufs"], row["silence_share"], row["peak_dbfs"]) == (-14.0, 0.1, None)
    assert (row["seed"], row["real_time_factor"], row["failed_checks"]) == (101, 0.5, "")
    assert [r["name"] for r in mill.rows("SELECT name FROM checks")] == ["clipping", "silence"]
    assert mill.row("SELECT scorer, score FROM scores") == {"scorer": "soundmill", "score": 80.0}
    assert (job(mill)["status"], job(mill)["finished_at"]) == ("succeeded", mill.clock.now)
    assert mill.row("SELECT status FROM attempts")["status"] == "succeeded"
    assert mill.counters_are_true()


def test_numbers_that_are_not_numbers_are_kept_as_none(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    assert mill.succeed(
        attempt,
        measurements={
            "silence_share": float("nan"),
            "loudness_lufs": float("-inf"),
            "rms_dbfs": -20,
            "unheard_of": 1.0,
        },
    )
    row = mill.row("SELECT silence_share, loudness_lufs, rms_dbfs FROM measurements")
    assert row == {"silence_share": None, "loudness_lufs": None, "rms_dbfs": -20.0}


def test_the_last_job_finishes_its_batch(mill: Any) -> None:
    batch = mill.ingest(2)
    first, second = mill.claim(limit=2)
    mill.succeed(first, passed=False)
    assert not mill.catalog.batch_finished(batch.id)
    assert mill.catalog.unreported() == []
    mill.clock.now += 60
    mill.fail(second)
    assert mill.catalog.batch_finished(batch.id)
    assert [b.id for b in mill.catalog.unreported()] == [batch.id]
    message = mill.row("SELECT message FROM events WHERE kind = 'batch finished'")["message"]
    assert message == "themes: 1 succeeded, 1 failed, 1 flagged"
    mill.catalog.mark_reported(batch.id, read_at=mill.clock.now)
    assert mill.catalog.unreported() == []


@pytest.mark.parametrize("how", ["twice", "cancelled", "recovered", "released", "failed", "reclaimed"])
def test_a_finish_that_comes_too_late_writes_nothing(mill: Any, how: str) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    if how == "twice":
        mill.succeed(attempt)
    elif how == "cancelled":
        mill.catalog.cancel("themes")
    elif how == "recovered":
        mill.catalog.recover()
    elif how == "released":
        mill.catalog.release([attempt], "stopping")
    elif how == "failed":
        mill.fail(attempt)
    else:
        mill.fail(attempt, retry_in=0)
        mill.claim()
    before = mill.content()
    assert mill.succeed(attempt) is False
    assert mill.fail(attempt) is False
    assert mill.fail(attempt, retry_in=5) is False
    assert mill.catalog.release([attempt], "stopping") == 0
    mill.catalog.progress([Progress(job_id=1, attempt=attempt.number, done=5, due=9)])
    if how != "reclaimed":
        assert mill.succeed(attempt, retry=True) is False
    assert mill.content() == before


def test_a_retry_for_quality_keeps_the_take_and_takes_another_seed(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    assert mill.succeed(attempt, passed=False, retry=True)
    row = job(mill)
    assert (row["status"], row["qc_retries"], row["strikes"], row["attempt"]) == ("queued", 1, 0, 1)
    assert mill.row("SELECT n_flagged, n_queued FROM batches") == {"n_flagged": 0, "n_queued": 1}
    (again,) = mill.claim()
    assert (again.number, again.seed) == (2, attempt_seed(101, 1))
    assert again.seed != attempt.seed
    mill.succeed(again)
    takes = mill.rows("SELECT audio, attempt, is_final, quarantined, verdict, seed FROM takes ORDER BY attempt")
    assert [(t["attempt"], t["is_final"], t["quarantined"], t["verdict"]) for t in takes] == [
        (1, 0, 1, "failed"),
        (2, 1, 0, "passed"),
    ]
    assert [t["seed"] for t in takes] == [attempt.seed, again.seed]
    assert mill.row("SELECT attempt, why FROM retries") == {"attempt": 2, "why": "quality checks failed: silence"}
    assert mill.counters_are_true()


def test_a_flagged_take_is_counted(mill: Any) -> None:
    mill.ingest(1)
    mill.succeed(mill.claim()[0], passed=False)
    assert mill.row("SELECT flagged FROM batch_progress")["flagged"] == 1
    assert mill.row("SELECT check_name FROM failed_checks")["check_name"] == "silence"
    assert mill.counters_are_true()


def test_a_transient_failure_waits_for_its_time(mill: Any) -> None:
    mill.ingest(1)
    mill.fail(mill.claim()[0], retry_in=8, kind=FailureKind.OUT_OF_MEMORY)
    row = job(mill)
    assert (row["status"], row["error_kind"], row["strikes"]) == ("queued", "out_of_memory", 1)
    assert mill.claim() == []
    assert mill.catalog.model_queues() == []
    assert mill.catalog.next_due() == mill.clock.now + 8
    assert mill.catalog.wake_due(mill.clock.now + 7.9) == 0
    assert mill.catalog.wake_due(mill.clock.now + 8) == 1
    assert mill.catalog.next_due() is None
    (again,) = mill.claim()
    assert (again.number, again.seed, again.job.strikes) == (2, 101, 2)
    assert job(mill)["error"] is None


def test_a_retry_that_is_due_already_can_be_claimed_at_once(mill: Any) -> None:
    mill.ingest(1)
    mill.fail(mill.claim()[0], retry_in=-1)
    assert [a.number for a in mill.claim()] == [2]


def test_a_failure_that_does_not_count_gives_the_strike_back(mill: Any) -> None:
    mill.ingest(1)
    mill.fail(mill.claim()[0], retry_in=0, counts=False)
    assert (job(mill)["strikes"], job(mill)["attempt"]) == (0, 1)


def test_a_permanent_failure_says_why(mill: Any) -> None:
    mill.ingest(1)
    mill.fail(mill.claim()[0], kind=FailureKind.UNKNOWN_MODEL)
    row = mill.row("SELECT job, error_kind, error, attempts FROM failures")
    assert row == {"job": "job-0001", "error_kind": "unknown_model", "error": "it broke", "attempts": 1}
    assert mill.row("SELECT message FROM events WHERE kind = 'job failed'")["message"] == "themes/job-0001: it broke"
    assert mill.catalog.failed_count() == 1


def test_a_suspect_runs_last_and_alone(mill: Any) -> None:
    mill.ingest(4)
    first, second = mill.claim(limit=2)
    mill.fail(first, retry_in=0, suspect=True)
    mill.fail(second, retry_in=0, suspect=True)
    clean = mill.claim(limit=9)
    assert [(a.job.id, a.alone) for a in clean] == [(3, False), (4, False)]
    assert mill.claim(limit=9, engine_idle=False) == []
    assert [(a.job.id, a.alone) for a in mill.claim(limit=9)] == [(1, True)]
    assert [queue.head_job_id for queue in mill.catalog.model_queues()] == [2]


def test_a_suspect_that_succeeds_is_no_suspect_any_more(mill: Any) -> None:
    mill.ingest(1)
    mill.fail(mill.claim()[0], retry_in=0, suspect=True)
    mill.succeed(mill.claim()[0])
    assert job(mill)["suspect"] == 0


def test_each_model_has_a_queue_with_its_head_and_its_oldest_job(mill: Any) -> None:
    mill.ingest([mill.spec(1, model="b"), mill.spec(2, model="a")])
    then = mill.clock.now
    mill.clock.now += 100
    mill.ingest([mill.spec(1, model="b", priority=7), mill.spec(2, model="c")])
    queues = [(q.model, q.priority, q.oldest_queued_at - then, q.head_job_id) for q in mill.catalog.model_queues()]
    assert queues == [("a", 0, 0.0, 2), ("b", 7, 0.0, 3), ("c", 0, 100.0, 4)]


def test_a_clean_stop_gives_jobs_back_without_a_strike(mill: Any) -> None:
    mill.ingest(2)
    attempts = mill.claim(limit=2)
    mill.succeed(attempts[0])
    assert mill.catalog.release(attempts, "the daemon is stopping") == 1
    assert (job(mill, 2)["status"], job(mill, 2)["strikes"], job(mill, 2)["attempt"]) == ("queued", 0, 1)
    assert mill.row("SELECT error FROM attempts WHERE status = 'interrupted'")["error"] == "the daemon is stopping"


def test_what_a_dead_daemon_left_running_is_queued_again(mill: Any) -> None:
    mill.ingest(2)
    attempts = mill.claim(limit=1)
    (found,) = mill.catalog.recover()
    assert (found.job.id, found.number, found.seed, found.worker) == (1, 1, attempts[0].seed, "w0")
    assert (job(mill)["status"], job(mill)["strikes"], job(mill)["suspect"]) == ("queued", 0, 0)
    assert mill.catalog.recover() == []


def test_what_interrupted_attempts_may_have_filed_is_looked_for_until_somebody_has(mill: Any) -> None:
    """A daemon may be killed again between giving the jobs back and looking."""
    mill.ingest(2)
    mill.claim(limit=1)
    mill.catalog.recover()
    mill.claim(limit=2)
    mill.catalog.recover()
    assert [attempt.key for attempt in mill.catalog.unfiled(0)] == [(1, 1), (1, 2), (2, 1)]
    assert mill.catalog.unfiled(mill.catalog.newest_attempt()) == []


def test_a_daemon_that_ends_again_and_again_under_a_job_runs_it_alone_and_at_last_gives_it_up(mill: Any) -> None:
    mill.ingest(1)
    for number in range(1, GIVEN_UP_AFTER):
        (attempt,) = mill.claim()
        assert attempt.alone == (number > ALONE_AFTER)
        mill.catalog.recover()
        assert (job(mill)["status"], job(mill)["strikes"]) == ("queued", 0)
    mill.claim()
    mill.catalog.recover()
    row = job(mill)
    assert (row["status"], row["error_kind"]) == ("failed", "engine_died")
    assert f"{GIVEN_UP_AFTER} times in a row" in row["error"]
    assert mill.row("SELECT status FROM batch_progress")["status"] == "finished"
    mill.catalog.retry("1")
    mill.claim()
    mill.catalog.recover()
    assert (job(mill)["status"], job(mill)["suspect"]) == ("queued", 0)


def test_a_daemon_that_was_stopped_in_between_has_not_ended_in_a_row(mill: Any) -> None:
    mill.ingest(1)
    for _ in range(2 * ALONE_AFTER):
        mill.claim()
        mill.catalog.recover()
        mill.catalog.release(mill.claim(), "the daemon was stopped")
    assert (job(mill)["status"], job(mill)["strikes"], job(mill)["suspect"]) == ("queued", 0, 0)


def test_a_strike_of_its_engine_stays_when_the_daemon_ends(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    mill.fail(attempt, kind=FailureKind.ENGINE_DIED, retry_in=0)
    mill.claim()
    mill.catalog.recover()
    assert job(mill)["strikes"] == 1


def test_progress_is_seen_while_a_job_runs(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    mill.catalog.progress([Progress(job_id=1, attempt=attempt.number, done=50, due=200)])
    assert mill.row("SELECT job, worker, percent FROM running_jobs") == {
        "job": "job-0001",
        "worker": "w0",
        "percent": 25.0,
    }
    mill.catalog.progress([])


def test_what_is_left_to_do_leaves_out_paused_queues(mill: Any) -> None:
    mill.ingest(3, name="a")
    mill.ingest(2, name="b")
    mill.claim()
    assert mill.catalog.unfinished() == 5
    mill.catalog.pause("a")
    assert mill.catalog.unfinished() == 3


@pytest.mark.parametrize("by_s", [-3600.0, 3600.0])
def test_a_date_that_moved_moves_the_waits_of_before_and_not_those_of_after(mill: Any, by_s: float) -> None:
    """A job may fail between the moment in which the date is set and the one in which the daemon sees it."""
    mill.ingest(2)
    before, after = mill.claim(limit=2)
    mill.fail(before, retry_in=8)
    mill.clock.now += by_s
    mill.fail(after, retry_in=8)
    mill.catalog.clock_moved(by_s, 300.0)
    waits = [row["not_before"] - mill.clock.now for row in mill.rows("SELECT not_before FROM jobs ORDER BY id")]
    assert waits[0] == 8.0
    assert waits[1] == (8.0 if by_s > 0 else 8.0 + by_s)  # one that is due too early is only tried early


def test_a_take_is_filed_with_its_peaks_and_one_without_has_none(mill: Any) -> None:
    mill.ingest(2)
    first, second = mill.claim(limit=2)
    mill.succeed(first)
    output, judgement = mill.output(second, False, {}), mill.judgement(True, "r1", 80.0)
    undrawn = replace(output, clip=replace(output.clip, peaks=None))
    assert mill.catalog.succeed(second, undrawn, judgement, retry_for_quality=False)
    assert mill.rows("SELECT output_id, data FROM take_peaks") == [{"output_id": 1, "data": b"\x01drawn"}]


@pytest.mark.parametrize("by_s", [-3600.0, 86_400.0])
def test_a_wait_that_began_before_a_new_date_was_noticed_is_no_longer_than_any(mill: Any, by_s: float) -> None:
    """Its end was told by the new date already, and is moved with those that were told by the old one."""
    mill.ingest(2)
    early, late = mill.claim(limit=2)
    mill.fail(early, retry_in=4.0)
    mill.clock.now += by_s
    mill.fail(late, retry_in=4.0)
    mill.catalog.clock_moved(by_s, 300.0)
    waits = [row["not_before"] - mill.clock.now for row in mill.rows("SELECT not_before FROM jobs ORDER BY id")]
    assert waits[0] == 4.0 and waits[1] <= 300.0


def test_a_take_is_filed_with_its_fingerprint(mill: Any) -> None:
    mill.ingest(2)
    first, second = mill.claim(limit=2)
    mill.succeed(first)
    output, judgement = mill.output(second, False, {}), mill.judgement(True, "r1", 80.0)
    known = replace(output, clip=replace(output.clip, fingerprint=b"\x01other"))
    assert mill.catalog.succeed(second, known, judgement, retry_for_quality=False)
    assert mill.rows("SELECT output_id, data FROM take_fingerprints") == [
        {"output_id": 1, "data": b"\x01known"},
        {"output_id": 2, "data": b"\x01other"},
    ]
