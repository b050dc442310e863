from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog.asking import ratings
from soundmill.catalog.reader import Reader
from soundmill.errors import CatalogError, InvalidControl
from soundmill.jobs import attempt_seed
from support.asking import asked


def test_a_missing_catalogue_is_said_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="soundmill init"):
        Reader.open(tmp_path / "catalog.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_the_views_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(CatalogError, match="start `soundmill run` once"):
        Reader.open(path)


def test_the_reader_sees_what_the_daemon_writes_meanwhile(mill: Any, reader: Any) -> None:
    assert reader.overview()["jobs"] == 0
    mill.ingest(2)
    assert reader.overview()["jobs"] == 2
    assert reader.batch("THEMES")["job_count"] == 2
    assert [batch["batch"] for batch in reader.batches()] == ["themes"]


def test_the_reader_works_without_a_daemon(mill: Any) -> None:
    mill.ingest(1)
    mill.close()
    with Reader.open(mill.path) as reader:
        assert reader.overview()["jobs"] == 1


def test_the_reader_cannot_write(mill: Any, reader: Any) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM jobs")


def test_jobs_are_listed_by_batch_and_status(mill: Any, reader: Any) -> None:
    mill.ingest(3, name="a")
    mill.ingest(2, name="b")
    mill.fail(mill.claim()[0])
    assert [job["position"] for job in reader.jobs("a")] == [1, 2, 3]
    assert [job["job_id"] for job in reader.jobs(None, limit=2)] == [5, 4]
    assert [job["job_id"] for job in reader.jobs("a", status="failed")] == [1]
    assert reader.jobs(None, status="cancelled") == []
    with pytest.raises(InvalidControl, match="no such batch"):
        reader.jobs("c")


def test_a_job_is_told_whole(mill: Any, reader: Any) -> None:
    mill.ingest(1, labels={"scene": "cave"})
    mill.succeed(mill.claim()[0], passed=False, retry=True)
    mill.succeed(mill.claim()[0])
    asked(mill.catalog, ratings.rate, "1", 5, "yes")
    for ref in (1, "1", "themes/job-0001"):
        job = reader.job(ref)
        assert (job["batch"], job["status"], job["labels"]) == ("themes", "succeeded", {"scene": "cave"})
        first, second = job["attempts"]
        assert first["output"]["quarantined"] == 1
        assert first["output"]["rating"] is None
        assert second["output"] == job["output"]
    assert job["output"]["measurements"]["loudness_lufs"] == -14.0
    assert job["output"]["versions"] == {"torch": "2.11"}
    assert job["output"]["defects"] == [{"kind": "silence", "start_s": 0.5}]
    assert job["output"]["rating"]["stars"] == 5
    assert [(check["name"], check["passed"]) for check in job["output"]["checks"]] == [("clipping", 1), ("silence", 1)]


def test_a_batch_is_not_a_job_nor_the_other_way_round(mill: Any, reader: Any) -> None:
    mill.ingest(1)
    with pytest.raises(InvalidControl, match="name one job of it"):
        reader.job("themes")
    with pytest.raises(InvalidControl, match="is a job"):
        reader.batch("themes/job-0001")


def test_a_rerun_takes_the_seed_of_the_final_take(mill: Any, reader: Any) -> None:
    mill.ingest(1)
    with pytest.raises(InvalidControl, match="no final take"):
        reader.attempt_for_rerun("1")
    mill.succeed(mill.claim()[0], passed=False, retry=True)
    mill.succeed(mill.claim()[0])
    rerun = reader.attempt_for_rerun("themes/job-0001")
    assert (rerun["seed"], rerun["number"], rerun["device"]) == (attempt_seed(101, 1), 2, "cpu")
    assert rerun["output"]["path"] == "themes/job-0001.wav"


def test_takes_workers_events_and_rejections_are_listed(mill: Any, reader: Any) -> None:
    mill.ingest(2)
    mill.catalog.worker_state("w0", device="cpu", model="tiny", status="working", slots=4, running=1)
    first, _ = mill.claim(limit=2)
    mill.succeed(first)
    mill.catalog.record_rejection("01R", "bad.csv", None, [])
    assert [take["job_id"] for take in reader.takes("themes")] == [take["job_id"] for take in reader.takes(None)] == [1]
    assert [worker["worker"] for worker in reader.workers()] == ["w0"]
    assert [job["job_id"] for job in reader.running()] == [2]
    assert [event["kind"] for event in reader.events(1)] == ["file rejected"]
    assert [rejected["file_name"] for rejected in reader.rejections()] == ["bad.csv"]
