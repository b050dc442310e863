from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.catalog.asking import comparisons, ratings, shortlists
from soundmill.catalog.catalog import WritingAt
from soundmill.catalog.connection import transaction
from soundmill.catalog.keeping.retention import DAY_S, Rules
from soundmill.catalog.reader import Reader
from soundmill.errors import CatalogError, CatalogTooNew, InvalidControl
from soundmill.jobs import BatchSpec, attempt_seed
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


def finished(mill: Any, jobs: int, name: str, **changes: Any) -> None:
    mill.ingest(jobs, name=name, **changes)
    for attempt in mill.claim(limit=jobs):
        mill.succeed(attempt)


def test_a_newer_catalogue_is_refused_by_its_name_and_left_closed(mill: Any) -> None:
    with sqlite3.connect(mill.path) as db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('soundmill', 'm9', '')")
    with pytest.raises(CatalogTooNew, match=f"^{mill.path}: .*m9.* install the newer Soundmill"):
        Reader.open(mill.path)


def test_a_closed_reader_answers_no_more(mill: Any) -> None:
    with Reader.open(mill.path) as reader:
        pass
    with pytest.raises(CatalogError):
        reader.overview()


def test_takes_of_a_batch_come_newest_first_and_no_more_than_asked_for(mill: Any, reader: Any) -> None:
    finished(mill, 3, "a")
    finished(mill, 2, "b")
    assert [take["job_id"] for take in reader.takes("A")] == [3, 2, 1]
    assert [take["job_id"] for take in reader.takes("a", limit=2)] == [3, 2]
    assert [take["job_id"] for take in reader.takes(None, limit=3)] == [5, 4, 3]
    assert [batch["batch"] for batch in reader.batches()] == ["b", "a"]
    assert [batch["batch"] for batch in reader.batches(1)] == ["b"]


def test_a_take_is_found_as_a_rating_finds_it(mill: Any, reader: Any) -> None:
    finished(mill, 2, "a")
    assert reader.find_take("a/job-0002") == reader.find_take("2") == "a/job-0002.wav"
    with pytest.raises(InvalidControl, match="is a batch"):
        reader.find_take("a")


def test_events_are_told_from_the_last_one_that_is_known(mill: Any, reader: Any) -> None:
    assert reader.last_event() == 0
    mill.ingest(1, name="a")
    known = reader.last_event()
    assert known >= 1
    mill.ingest(1, name="b")
    asked(mill.catalog, wishes.pause, "b")
    events = reader.events_after(known)
    assert [event["event_id"] for event in events] == list(range(known + 1, reader.last_event() + 1))
    assert events[-1]["kind"] == "paused" and {event["batch"] for event in events} == {"b"}
    assert [event["event_id"] for event in reader.events()] == list(range(reader.last_event(), 0, -1))
    for number in range(1001):
        mill.catalog.event("noted", str(number))
    assert len(reader.events_after(0)) == 1000 and len(reader.events(1)) == 1 and len(reader.events()) == 100


def test_what_became_of_a_submitted_file_is_found_by_content_name_and_time(mill: Any, reader: Any) -> None:
    sha, now = "ab" * 32, mill.clock.now
    assert reader.batch_of_content(sha, "themes.yaml", now) is None
    mill.ingest(1, name="first")
    mill.clock.now += 10
    mill.ingest(1, name="second")
    for since, batch in ((now, "second"), (now + 10, "second"), (now + 10.5, None)):
        found = reader.batch_of_content(sha, "themes.yaml", since)
        assert (found and found["batch"]) == batch
    assert reader.batch_of_content(sha, "other.yaml", now) is None
    assert reader.batch_of_content("cd" * 32, "themes.yaml", now) is None

    assert reader.rejected_since("bad.csv", now) is None
    mill.catalog.record_rejection("01A", "bad.csv", None, [])
    mill.clock.now += 10
    mill.catalog.record_rejection("01B", "bad.csv", None, [])
    at = mill.clock.now
    for since, ulid in ((now, "01B"), (at, "01B"), (at + 1, None)):
        found = reader.rejected_since("bad.csv", since)
        assert (found and found["ulid"]) == ulid
    assert reader.rejected_since("good.csv", now) is None
    assert [row["ulid"] for row in reader.rejections()] == ["01B", "01A"]
    assert [row["ulid"] for row in reader.rejections(1)] == ["01B"]


def pick(mill: Any, take: str, shortlist: str) -> None:
    with mill.catalog.connected() as db, transaction(db):
        shortlists.pick(db, mill.clock.now, take, shortlist, "ann", None, keep_note=True)


def archive(mill: Any, shortlist: str) -> None:
    with mill.catalog.connected() as db, transaction(db):
        shortlists.archive(db, mill.clock.now, shortlist, archived=True)


def test_takes_are_handed_to_a_delivery_in_the_order_of_their_files(mill: Any, reader: Any) -> None:
    finished(mill, 2, "b")
    finished(mill, 2, "a")
    for wanted in ({"batch": "b"}, {"output_ids": iter([2, 1])}):
        takes = reader.deliverable(**wanted)
        assert [(take["batch"], take["position"]) for take in takes] == [("b", 1), ("b", 2)]
        assert all("peak_before_dbfs" in take for take in takes)
    assert [take["batch"] for take in reader.deliverable(output_ids=[1, 3])] == ["a", "b"]
    assert reader.deliverable() == []


def test_picks_are_those_of_one_list_or_of_all_in_use(mill: Any, reader: Any) -> None:
    finished(mill, 3, "a")
    pick(mill, "a/job-0003", "Bosses")
    pick(mill, "a/job-0001", "bosses")
    pick(mill, "a/job-0002", "old")
    archive(mill, "old")
    assert [row["shortlist"] for row in reader.shortlists()] == ["Bosses", "old"]
    assert sorted(pick["job"] for pick in reader.picks()) == ["job-0001", "job-0003"]
    assert sorted(pick["job"] for pick in reader.picks("BOSSES")) == ["job-0001", "job-0003"]
    assert [pick["job"] for pick in reader.picks("old")] == ["job-0002"]
    with pytest.raises(InvalidControl, match="none"):
        reader.picks("none")
    assert [pick["job"] for pick in reader.picks("bosses")] == ["job-0001", "job-0003"]
    with pytest.raises(InvalidControl, match="did you mean Bosses"):
        reader.picks("boses")
    total, rows = reader.rows_without_pick("a", None)
    assert (total, [row["position"] for row in rows]) == (3, [2])
    total, rows = reader.rows_without_pick("a", "old")
    assert (total, [row["position"] for row in rows]) == (3, [1, 3])


def test_a_query_of_somebodys_names_takes_by_their_ids_or_files(mill: Any, reader: Any) -> None:
    finished(mill, 3, "a")
    assert reader.takes_of_query("SELECT output_id FROM takes WHERE job <> 'job-0002' ORDER BY 1") == [1, 3]
    assert reader.takes_of_query("SELECT NULL AS output_id UNION ALL SELECT 2") == [2]
    assert reader.takes_of_query("SELECT 1 AS x WHERE 0") == []
    assert reader.takes_of_query("SELECT audio FROM takes WHERE position = 2") == [2]
    for column in ("'nothing.wav'", "NULL"):
        assert reader.takes_of_query(f"SELECT {column} AS audio") == []
    with pytest.raises(CatalogError, match="answers with x, y; it must have a column output_id or audio, as in: S"):
        reader.takes_of_query("SELECT 1 AS x, 2 AS y")
    with pytest.raises(CatalogError):
        reader.takes_of_query("SELECT")


def test_takes_without_a_fingerprint_are_those_from_before_whose_file_is_there(mill: Any, reader: Any) -> None:
    finished(mill, 3, "a")
    assert reader.fingerprints() == [(n, b"\x01known") for n in (1, 2, 3)]
    assert reader.fingerprints([3, 1, 99]) == [(1, b"\x01known"), (3, b"\x01known")]
    assert reader.without_fingerprint() == []
    with mill.catalog.connected() as db:
        db.execute("DELETE FROM fingerprints WHERE output_id < 3")
        db.execute("UPDATE outputs SET pruned_at = 1.0 WHERE id = 1")
    assert reader.without_fingerprint() == [(2, "a/job-0002.wav")]


def test_the_batches_of_one_experiment_are_told_before_and_after(mill: Any, reader: Any) -> None:
    for name, extends in (("first", None), ("second", "first"), ("third", "second"), ("alone", None)):
        spec = BatchSpec(name=name, jobs=[mill.spec(1)], job_count=1, extends=extends)
        mill.catalog.ingest(spec, mill.source())
    assert reader.family("third") == ["first", "second", "third"] and reader.family("alone") == ["alone"]
    assert reader.goes_on_with("second") == ["first"] and reader.goes_on_with("first") == []
    assert reader.goes_on_in("second") == ["third"] and reader.goes_on_in("third") == []


def test_what_a_person_thinks_of_a_take_is_told_of_all_of_them_together(mill: Any, reader: Any) -> None:
    finished(mill, 1, "a")
    asked(mill.catalog, ratings.rate, "1", 4, "warm", "ann")
    mill.clock.now += 5
    asked(mill.catalog, ratings.rate, "1", 5, "short", "bo", rejected=True)
    asked(mill.catalog, ratings.rate, "1", None, None, "cy")
    rating = reader.job(1)["output"]["rating"]
    assert rating == {
        "stars": 4.5, "rejected": True, "note": "warm\nshort", "people": 2, "rated_at": mill.clock.now,
    }  # fmt: skip
    assert reader.everything_of("a")["outputs"][0]["rating"] == rating
    asked(mill.catalog, ratings.rate, "1", 4, None, "bo", rejected=False)
    rating = reader.job(1)["output"]["rating"]
    assert (rating["stars"], rating["rejected"], rating["note"]) == (4, False, "warm")
    assert isinstance(rating["stars"], int)


def test_what_an_operator_looks_at(mill: Any, reader: Any) -> None:
    assert reader.heartbeat() is None and reader.answer("01W") is None and reader.setting("x") is None
    assert reader.troubles() == reader.storage() == reader.alert_posts() == reader.inbox_notices() == []
    mill.catalog.beat(pid=7, at=1_700_000_000.0, steady_s=12.5, doing="running")
    beat = reader.heartbeat()
    assert (beat["pid"], beat["state"], beat["steady_s"]) == (7, "running", 12.5) == (
        mill.catalog.last_beat()["pid"], mill.catalog.last_beat()["state"], mill.catalog.last_beat()["steady_s"],
    )  # fmt: skip
    assert beat["beat_at"] == "2023-11-14T22:13:20Z"
    troubles = [{"part": "site", "message": "gone", "since": 1_700_000_100}, {"part": "inbox", "message": "full",
                 "since": 1_700_000_000}]  # fmt: skip
    mill.catalog.set_setting("troubles", json.dumps(troubles))
    assert [(row["part"], row["began_at"][-9:]) for row in reader.troubles()] == [
        ("inbox", "22:13:20Z"), ("site", "22:15:00Z"),
    ]  # fmt: skip
    mill.catalog.set_setting("storage", '{"at": 1700000000, "places": [{"place": "outputs", "free_bytes": 5}]}')
    assert [(row["place"], row["free_bytes"]) for row in reader.storage()] == [("outputs", 5)]
    mill.catalog.set_setting("alerts command", '{"sent": 2, "failed": 1, "outbox": [{}, {}, {}]}')
    assert reader.alert_posts() == [{"target": "command", "sent": 2, "failed": 1, "waiting": 3}]
    mill.catalog.set_setting("inbox notices", '[{"kind": "k", "file": "f", "message": "m"}]')
    assert reader.inbox_notices() == [{"kind": "k", "file": "f", "message": "m"}]
    assert reader.setting("alerts command").startswith('{"sent"')
    mill.catalog.worker_state("w0", device="cpu", model=None, status="dead", slots=0, running=0)
    mill.catalog.record_rejection("01R", "bad.csv", None, [])
    finished(mill, 2, "a")
    assert reader.upkeep() == {
        "reports_owed": 1, "workers_dead": 1, "troubles": 2, "files_rejected": 1, "attempts": 2,
    }  # fmt: skip


def test_the_speed_of_a_model_is_told_where_it_was_measured(mill: Any, reader: Any) -> None:
    assert reader.speeds() == {}
    finished(mill, 2, "a")
    (row,) = mill.rows("SELECT * FROM model_speed")
    assert reader.speeds() == {"tiny": row["real_time_factor"]} and row["real_time_factor"] > 0


def test_what_is_to_go_by_retention_is_told_before_it_goes(mill: Any, reader: Any) -> None:
    finished(mill, 2, "a")
    asked(mill.catalog, ratings.rate, "a/job-0001", 5, None)
    rules = Rules(after_d=1, failed_after_d=None, set_aside_after_d=None, max_gb=None)
    assert reader.to_be_pruned(rules, mill.clock.now) == []
    (take,) = reader.to_be_pruned(rules, mill.clock.now + 2 * DAY_S)
    assert take.path == "a/job-0002.wav"


def test_everything_of_a_batch_is_told_and_nothing_of_another(mill: Any, reader: Any) -> None:
    finished(mill, 2, "other")
    mill.ingest(2, name="mine", labels={"scene": "cave"})
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt, passed=False, retry=True)
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt, score=70.0 + attempt.job.position)
    compare = WritingAt(comparisons.compare).__get__(mill.catalog, type(mill.catalog))
    said = {"blind": True, "study": None}
    compare("01C1", "ann", first="mine/job-0001", second="mine/job-0002", answer="second", attention=False, **said)
    compare("01C2", "ann", first="other/job-0001", second="other/job-0001", answer="tie", attention=True, **said)
    compare("01C3", "bo", first="mine/job-0001", second="other/job-0002", answer="first", attention=False, **said)
    compare("01C4", "bo", first="mine/job-0001", second="mine/job-0001", answer="tie", attention=True, **said)
    asked(mill.catalog, ratings.rate, "mine/job-0002", 4, "warm")
    asked(mill.catalog, ratings.rate, "other/job-0001", 1, None)
    told = reader.everything_of("mine")
    assert (told["batch"]["name"], told["batch"]["extends_name"]) == ("mine", None)
    assert [(job["position"], job["labels"]) for job in told["jobs"]] == [(n, {"scene": "cave"}) for n in (1, 2)]
    assert [(a["job_id"], a["number"]) for a in told["attempts"]] == [(3, 1), (3, 2), (4, 1), (4, 2)]
    outputs = told["outputs"]
    assert [(o["job_id"], o["attempt"]) for o in outputs] == [(3, 1), (3, 2), (4, 1), (4, 2)]
    assert [o["scores"]["soundmill"] for o in outputs] == [80.0, 71.0, 80.0, 72.0]
    assert all(o["measurements"]["loudness_lufs"] == -14.0 for o in outputs)
    assert all([c["name"] for c in o["checks"]] == ["clipping", "silence"] for o in outputs)
    assert [o["rating"] and o["rating"]["stars"] for o in outputs] == [None, None, None, 4]
    assert [(c["who"], c["first"], c["second"], c["answer"], c["attention"]) for c in told["comparisons"]] == [
        ("ann", "mine/job-0001.wav", "mine/job-0002.wav", "second", 0),
        ("ann", "other/job-0001.wav", "other/job-0001.wav", "tie", 1),
    ]
    with mill.catalog.connected() as db, transaction(db):  # nothing is held open
        db.execute("UPDATE batches SET paused = 0")
