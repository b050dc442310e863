from __future__ import annotations

from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.catalog.asking import ratings
from soundmill.catalog.connection import transaction
from soundmill.catalog.reader import Reader
from soundmill.errors import InvalidControl
from soundmill.jobs import JobStatus
from support.asking import asked


def statuses(mill: Any) -> list[str]:
    return [row["status"] for row in mill.rows("SELECT status FROM jobs ORDER BY id")]


def test_cancelling_a_batch_names_the_jobs_that_were_running(mill: Any) -> None:
    mill.ingest(3)
    done, running = mill.claim(limit=2)
    mill.succeed(done)
    assert asked(mill.catalog, wishes.cancel, "themes") == [running.job.id]
    assert statuses(mill) == ["succeeded", "cancelled", "cancelled"]
    assert [r["status"] for r in mill.rows("SELECT status FROM attempts")] == ["succeeded", "cancelled"]
    assert mill.catalog.batch_finished(1)
    assert mill.counters_are_true()
    assert asked(mill.catalog, wishes.cancel, "themes") == []


@pytest.mark.parametrize("target", ["2", "themes/job-0002", "ULID/job-0002", " themes/job-0002 "])
def test_one_job_can_be_named_in_several_ways(mill: Any, target: str) -> None:
    batch = mill.ingest(3)
    asked(mill.catalog, wishes.cancel, target.replace("ULID", batch.ulid))
    assert statuses(mill) == ["queued", "cancelled", "queued"]


def test_a_batch_can_be_named_by_its_claim(mill: Any) -> None:
    batch = mill.ingest(1)
    asked(mill.catalog, wishes.cancel, batch.ulid)
    assert statuses(mill) == ["cancelled"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("thmes", "did you mean themes?"),
        ("themes/job-002", "did you mean themes/job-0002?"),
        ("thmes/job-0002", "did you mean themes?"),
        ("zzz", "`soundmill status` lists the batches"),
        ("99", "no such batch or job"),
        ("9" * 40, "no such batch or job"),
        ("", "no such batch or job"),
    ],
)
def test_an_unknown_target_is_refused_with_what_may_be_meant(mill: Any, target: str, said: str) -> None:
    mill.ingest(3)
    for wish in (wishes.cancel, wishes.retry, wishes.pause, wishes.resume):
        with pytest.raises(InvalidControl, match="no such batch or job") as error:
            asked(mill.catalog, wish, target)
        assert said in str(error.value)


def test_a_paused_batch_is_not_claimed_from_until_it_is_resumed(mill: Any) -> None:
    mill.ingest(3)
    (running,) = mill.claim()
    assert asked(mill.catalog, wishes.pause, "themes") == 2
    assert mill.catalog.batch(1).paused
    assert mill.claim(limit=9) == []
    assert mill.catalog.model_queues() == []
    assert mill.row("SELECT status FROM batch_progress")["status"] == "paused"
    mill.fail(running, retry_in=0)
    assert mill.claim(limit=9) == []
    assert {row["state"] for row in mill.rows("SELECT state FROM queue")} == {"paused"}
    assert asked(mill.catalog, wishes.resume, "themes") == 3
    assert len(mill.claim(limit=9)) == 3


@pytest.mark.parametrize("how", ["release", "recover", "quality", "retry"])
def test_a_job_that_goes_back_to_a_paused_batch_is_held(mill: Any, how: str) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    asked(mill.catalog, wishes.pause, "themes")
    if how == "release":
        mill.catalog.release([attempt], "stopping")
    elif how == "recover":
        mill.catalog.recover()
    elif how == "quality":
        mill.succeed(attempt, passed=False, retry=True)
    else:
        mill.fail(attempt)
        asked(mill.catalog, wishes.retry, "themes")
    assert mill.claim() == []
    assert mill.row("SELECT held, status FROM jobs") == {"held": 1, "status": "queued"}


def test_only_a_batch_can_be_paused(mill: Any) -> None:
    mill.ingest(1)
    with pytest.raises(InvalidControl, match="only a whole batch"):
        asked(mill.catalog, wishes.pause, "themes/job-0001")


def test_retry_takes_up_failed_and_cancelled_jobs_as_new(mill: Any) -> None:
    mill.ingest(4)
    first, second, third = mill.claim(limit=3)
    mill.succeed(first)
    mill.fail(second, suspect=True)
    mill.succeed(third, passed=False, retry=True)
    asked(mill.catalog, wishes.cancel, "themes")
    mill.catalog.mark_reported(1, read_at=mill.clock.now)
    mill.clock.now += 50
    assert asked(mill.catalog, wishes.retry, "themes") == 3
    assert statuses(mill) == ["succeeded", "queued", "queued", "queued"]
    assert not mill.catalog.batch_finished(1)
    row = mill.row("SELECT strikes, qc_retries, suspect, not_before, error, attempt, queued_at FROM jobs WHERE id = 2")
    assert row == {
        "strikes": 0,
        "qc_retries": 0,
        "suspect": 0,
        "not_before": None,
        "error": None,
        "attempt": 1,
        "queued_at": mill.clock.now,
    }
    assert [(a.job.id, a.number) for a in mill.claim(limit=9)] == [(2, 2), (3, 2), (4, 1)]
    assert mill.counters_are_true()


def test_retry_of_one_job_leaves_the_others(mill: Any) -> None:
    mill.ingest(2)
    for attempt in mill.claim(limit=2):
        mill.fail(attempt)
    assert asked(mill.catalog, wishes.retry, "themes/job-0002") == 1
    assert statuses(mill) == ["failed", "queued"]
    assert asked(mill.catalog, wishes.retry, "themes/job-0002") == 0


def test_a_batch_that_was_taken_up_again_owes_a_new_report(mill: Any) -> None:
    mill.ingest(1)
    mill.fail(mill.claim()[0])
    read_at = mill.clock.now
    mill.catalog.mark_reported(1, read_at=read_at)
    asked(mill.catalog, wishes.retry, "themes")
    mill.catalog.mark_reported(1, read_at=read_at)
    assert mill.catalog.unreported() == []
    mill.clock.now += 1
    mill.succeed(mill.claim()[0])
    mill.catalog.mark_reported(1, read_at=read_at)
    assert [batch.id for batch in mill.catalog.unreported()] == [1]
    mill.catalog.mark_reported(1, read_at=mill.clock.now)
    assert mill.catalog.unreported() == []


def test_a_take_is_rated_by_job_or_by_file_and_the_last_rating_stays(mill: Any) -> None:
    mill.ingest(1)
    mill.succeed(mill.claim()[0])
    asked(mill.catalog, ratings.rate, "themes/job-0001", 2, "too busy")
    asked(mill.catalog, ratings.rate, "themes/job-0001.wav", 5, None)
    assert mill.row("SELECT stars, note FROM takes") == {"stars": 5, "note": None}


@pytest.mark.parametrize(
    ("target", "stars", "said"),
    [("themes", 3, "is a batch"), ("themes/job-0001", 3, "no take"), ("1", 0, "1 to 5"), ("nope", 3, "no such")],
)
def test_a_rating_that_makes_no_sense_is_refused(mill: Any, target: str, stars: int, said: str) -> None:
    mill.ingest(1)
    with pytest.raises(InvalidControl, match=said):
        asked(mill.catalog, ratings.rate, target, stars, None)


def test_a_command_is_an_event(mill: Any) -> None:
    mill.ingest(2)
    asked(mill.catalog, wishes.pause, "themes")
    assert mill.rows("SELECT kind, message FROM events ORDER BY id DESC LIMIT 1") == [
        {"kind": "paused", "message": "themes: 2 jobs"}
    ]


def test_a_cancelled_job_shows_as_cancelled(mill: Any) -> None:
    mill.ingest(1)
    asked(mill.catalog, wishes.cancel, "1")
    assert mill.catalog.job(1).status is JobStatus.CANCELLED


def test_a_number_that_may_mean_several_jobs_is_refused_and_names_them(mill: Any) -> None:
    """Its own number, its row in a file, or its name: pages and lists show all three."""
    mill.ingest(3)
    mill.ingest(3, name="noises")
    with Reader.open(mill.path) as reader:
        for ask in (reader.prospect, reader.find_take, reader.job):
            with pytest.raises(
                InvalidControl, match="2: may mean any of themes/job-0002, noises/job-0002; name the one"
            ):
                ask("2")
        assert reader.prospect("5").label == "noises/job-0002"
        assert reader.job(2)["name"] == "job-0002"


def test_what_a_command_would_meet_is_told_beforehand(mill: Any) -> None:
    mill.ingest(3)
    (running,) = mill.claim()
    asked(mill.catalog, wishes.pause, "themes")
    with Reader.open(mill.path) as reader:
        met, one = reader.prospect("themes"), reader.prospect(str(running.job.id))
    assert (met.label, met.is_job, met.paused, met.jobs) == ("themes", False, True, {"running": 1, "queued": 2})
    assert (one.label, one.is_job, one.jobs) == ("themes/job-0001", True, {"running": 1})


def test_a_batch_is_archived_at_a_time_once_and_comes_back_once(mill: Any) -> None:
    mill.ingest(1)

    def archive(archived: bool) -> list[Any]:
        with mill.catalog.connected() as db, transaction(db):
            wishes.archive(db, mill.clock.now, "themes", archived=archived)
        return [row["archived_at"] for row in mill.rows("SELECT archived_at FROM batches")]

    with pytest.raises(InvalidControl, match="is still at work"):
        archive(True)
    assert archive(False) == [None]
    asked(mill.catalog, wishes.cancel, "themes")
    began = mill.clock.now
    assert archive(True) == [began]
    mill.clock.now += 10
    assert archive(True) == [began]
    assert archive(False) == [None] == archive(False)
    kinds = [row["kind"] for row in mill.rows("SELECT kind FROM events WHERE kind LIKE '%archived'")]
    assert kinds == ["archived", "unarchived"]
