from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.catalog.connection import transaction
from soundmill.catalog.rows import EVENTS_KEPT, to_json
from soundmill.errors import CatalogError
from support.asking import asked


def test_changed_thresholds_judge_old_outputs_again(mill: Any) -> None:
    mill.ingest(3)
    for attempt in mill.claim(limit=3):
        mill.succeed(attempt, passed=True)
    seen: list[Mapping[str, float | None]] = []

    def judge(model: str, kind: Any, measurements: Mapping[str, float | None], defects: Any) -> Any:
        seen.append(measurements)
        return mill.judgement(passed=False, ruleset="r2", score=10.0)

    assert mill.catalog.rejudge(judge, {"r2"}, limit=2) == 2
    assert mill.catalog.rejudge(judge, {"r2"}, limit=2) == 1
    assert mill.catalog.rejudge(judge, {"r2"}, limit=2) == 0
    assert (seen[0]["silence_share"], seen[0]["loudness_lufs"], seen[0]["peak_dbfs"]) == (0.1, -14.0, None)
    takes = mill.rows("SELECT verdict, score, failed_checks, ruleset FROM takes")
    assert takes == [{"verdict": "failed", "score": 10.0, "failed_checks": "silence", "ruleset": "r2"}] * 3
    assert mill.row("SELECT count(*) AS n FROM scores WHERE score = 10.0")["n"] == 3
    assert mill.row("SELECT flagged FROM batch_progress")["flagged"] == 3
    assert mill.counters_are_true()
    assert mill.catalog.rejudge(lambda *_: mill.judgement(ruleset="r1"), {"r1"}, limit=9) == 3
    assert mill.counters_are_true()


def test_judging_again_leaves_takes_that_are_not_final_out_of_the_count(mill: Any) -> None:
    mill.ingest(1)
    mill.succeed(mill.claim()[0], passed=False, retry=True)
    mill.succeed(mill.claim()[0], passed=True)
    assert mill.catalog.rejudge(lambda *_: mill.judgement(passed=False, ruleset="r0"), {"r0"}, limit=9) == 2
    assert mill.row("SELECT n_flagged FROM batches")["n_flagged"] == 1
    assert mill.counters_are_true()


def test_takes_judged_by_any_of_the_rulesets_in_force_are_left_alone(mill: Any) -> None:
    mill.ingest(5)
    names = ["music-1", "music-2", "custom-2", "sound_effects-1", "sound_effects-2"]
    for attempt, name in zip(mill.claim(limit=5), names, strict=True):
        mill.succeed(attempt)
        mill.catalog._connection.execute("UPDATE outputs SET ruleset = ? WHERE job_id = ?", (name, attempt.job.id))
    in_force = {"music-2", "custom-2", "sound_effects-2"}
    assert mill.catalog.rejudge(lambda *_: mill.judgement(ruleset="music-2"), in_force, limit=9) == 2
    assert {row["ruleset"] for row in mill.rows("SELECT ruleset FROM outputs")} == in_force


def test_a_judge_that_raises_changes_nothing(mill: Any) -> None:
    mill.ingest(2)
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt)
    before = mill.content()
    calls: list[int] = []

    def judge(*_: object) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no thresholds")
        return mill.judgement(ruleset="r2")

    with pytest.raises(RuntimeError):
        mill.catalog.rejudge(judge, {"r2"}, limit=9)
    assert mill.content() == before


def test_a_worker_shows_what_it_does(mill: Any) -> None:
    state = mill.catalog.worker_state
    state("w0", device="cuda:0", model=None, status="starting", slots=0, running=0)
    mill.clock.now += 10
    state("w0", device="cuda:0", model="tiny", status="working", slots=8, running=3)
    state("w0", device="cuda:0", model=None, status="dead", slots=0, running=0, error="killed", restarted=True)
    row = mill.row("SELECT * FROM workers")
    assert (row["status"], row["restarts"], row["error"]) == ("dead", 1, "killed")
    assert row["seen_at"] - row["started_at"] == 10
    state("w0", device="cuda:0", model=None, status="starting", slots=0, running=0)
    row = mill.row("SELECT * FROM workers")
    assert (row["started_at"], row["error"], row["restarts"]) == (mill.clock.now, None, 1)


def test_workers_of_a_dead_daemon_are_marked_as_stopped(mill: Any) -> None:
    mill.catalog.worker_state("w0", device="cpu", model="tiny", status="working", slots=8, running=3)
    mill.catalog.workers_gone()
    row = mill.row("SELECT worker, status, running, model FROM worker_board")
    assert row == {"worker": "w0", "status": "stopped", "running": 0, "model": None}
    assert mill.row("SELECT workers FROM overview")["workers"] == 0


def test_a_worker_cannot_have_a_made_up_status(mill: Any) -> None:
    with pytest.raises(CatalogError, match="CHECK"):
        mill.catalog.worker_state("w0", device="cpu", model=None, status="napping", slots=0, running=0)


def test_old_events_make_room_for_new_ones(mill: Any) -> None:
    last = EVENTS_KEPT + 4998
    mill.catalog._connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO events (id, at, kind, message) SELECT i, 0, 'k', 'm' FROM n",
        (last,),
    )
    mill.catalog.event("one", "more")
    assert mill.row("SELECT count(*) AS n FROM events")["n"] == last + 1
    mill.catalog.event("round", "number", worker="w0")
    assert mill.row("SELECT min(id) AS oldest, max(id) AS newest FROM events") == {"oldest": 5001, "newest": last + 2}


def test_settings_are_kept(mill: Any) -> None:
    assert mill.catalog.get_setting("ruleset") is None
    mill.catalog.set_setting("ruleset", "r1")
    mill.catalog.set_setting("ruleset", "r2")
    assert mill.catalog.get_setting("ruleset") == "r2"


def test_what_is_not_there_is_said_so(mill: Any) -> None:
    with pytest.raises(CatalogError, match="no batch has the id 7"):
        mill.catalog.batch(7)
    with pytest.raises(CatalogError, match="no job has the id 7"):
        mill.catalog.job(7)
    assert not mill.catalog.batch_finished(7)


def test_a_take_on_record_is_known_by_its_path(mill: Any) -> None:
    mill.ingest(1)
    mill.succeed(mill.claim()[0])
    assert mill.catalog.knows_output("themes/job-0001.wav")
    assert not mill.catalog.knows_output("themes/job-0002.wav")


def test_a_closed_catalogue_says_so(mill: Any) -> None:
    mill.catalog.close()
    with pytest.raises(CatalogError, match=r"catalog\.db"):
        mill.catalog.unfinished()


def test_a_measurement_nobody_knew_gets_its_column_and_is_judged_again_with_the_others(mill: Any) -> None:
    """A quality check that is added needs no migration; takes from before it have no number."""
    mill.ingest(2)
    first, second = mill.claim(), mill.claim()
    mill.succeed(first[0])
    mill.succeed(second[0], measurements={"hum_s": 2.5, "loudness_lufs": -9.0})
    seen: list[dict[str, float | None]] = []

    def judge(model: str, kind: object, measurements: Any, defects: object) -> Any:
        seen.append(dict(measurements))
        return mill.judgement(ruleset="r2")

    assert mill.catalog.rejudge(judge, {"r2"}, limit=9) == 2
    assert [(each["hum_s"], each["loudness_lufs"]) for each in seen] == [(None, -14.0), (2.5, -9.0)]
    assert mill.rows("SELECT hum_s, silence_share FROM measurements ORDER BY output_id") == [
        {"hum_s": None, "silence_share": 0.1},
        {"hum_s": 2.5, "silence_share": None},
    ]


def test_a_take_that_cannot_be_recorded_leaves_no_column_behind(mill: Any) -> None:
    mill.ingest(1)
    attempt = mill.claim()[0]
    with pytest.raises(CatalogError):
        mill.succeed(attempt, measurements={"hum_s": 1.0, "output_id": 7.0})
    assert "hum_s" not in mill.rows("SELECT sql FROM sqlite_master WHERE name = 'measurements'")[0]["sql"]


def test_events_are_told_with_how_their_batch_stands(mill: Any) -> None:
    assert mill.catalog.last_event() == 0 and mill.catalog.events_after(0, 10) == []
    mill.ingest(3, name="a")
    known = mill.catalog.last_event()
    mill.catalog.event("noted", "something", worker="cpu")
    first, second, _ = mill.claim(limit=3)
    mill.succeed(first, passed=False)
    mill.fail(second)
    asked(mill.catalog, wishes.cancel, "a")
    events = mill.catalog.events_after(known, 10)
    assert [event.id for event in events] == list(range(known + 1, mill.catalog.last_event() + 1))
    noted, failed, *_, finished = events
    assert (noted.kind, noted.message, noted.worker, noted.at) == ("noted", "something", "cpu", mill.clock.now)
    assert (noted.batch, noted.job, noted.counts) == (None, None, None)
    assert (failed.kind, failed.batch, failed.job) == ("job failed", "a", "job-0002")
    assert (finished.kind, finished.batch, finished.job) == ("batch finished", "a", None)
    assert finished.message == "a: 1 succeeded, 1 failed, 1 cancelled, 1 flagged"
    counts = {"jobs": 3, "succeeded": 1, "failed": 1, "cancelled": 1, "flagged": 1}
    assert failed.counts == finished.counts == counts
    assert [event.id for event in mill.catalog.events_after(known, 2)] == [known + 1, known + 2]


def test_a_batch_without_a_success_says_so_and_names_no_more_than_there_is(mill: Any) -> None:
    mill.ingest(1, name="a")
    mill.fail(mill.claim()[0])
    assert mill.row("SELECT message FROM events WHERE kind = 'batch finished'")["message"] == "a: 0 succeeded, 1 failed"


def test_what_is_there_is_counted(mill: Any) -> None:
    assert not mill.catalog.has_takes() and mill.catalog.failed_count() == 0 and mill.catalog.newest_attempt() == 0
    assert mill.catalog.unfinished() == 0 and mill.catalog.last_beat() is None
    mill.ingest(3)
    assert mill.catalog.unfinished() == 3
    first, second = mill.claim(limit=2)
    mill.succeed(first)
    mill.fail(second)
    assert mill.catalog.has_takes() and mill.catalog.failed_count() == 1 and mill.catalog.newest_attempt() == 2
    assert mill.catalog.knows_output("themes/job-0001.wav") and not mill.catalog.knows_output("themes/job-0002.wav")
    assert mill.catalog.take_path(1) == "themes/job-0001.wav"
    asked(mill.catalog, wishes.pause, "themes")
    assert mill.catalog.unfinished() == 0


def test_a_transaction_under_way_is_seen_from_outside(mill: Any) -> None:
    assert not mill.catalog.writing
    with mill.catalog.connected() as db, transaction(db):
        assert mill.catalog.writing
    assert not mill.catalog.writing
    mill.catalog.close()
    assert not mill.catalog.writing


def test_what_json_has_no_form_for_is_kept_as_text(mill: Any) -> None:
    value = {"path": Path("a"), "nan": float("nan"), "list": (1, True, None, "é"), 5: float("inf")}
    assert to_json(value) == '{"path":"a","nan":null,"list":[1,true,null,"é"],"5":null}'
