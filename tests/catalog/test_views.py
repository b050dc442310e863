from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog import wishes
from soundmill.catalog.asking import comparisons, deliveries, ratings, shortlists
from soundmill.catalog.asking.answers import Effect, Wish
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.migrations import migrate
from soundmill.jobs import DeliveryAsked
from support.asking import asked

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BIG = "jobs|outputs|attempts|checks|measurements|job_labels|scores|j|o|a|c|m|p|s"
VIEWS = [
    "overview", "batch_progress", "takes", "job_list", "running_jobs", "failures", "failed_checks", "queue",
    "worker_board", "event_log", "inbox_notices", "machines", "troubles", "label_values", "retries", "rejected_files",
    "experiment_family", "scores_by_scorer", "unfinished_batches", "ratings_list", "shortlist_overview", "picks_list",
    "file_rows", "rows_without_pick", "batch_picks", "comparisons_list", "wish_answers", "take_peaks", "attempt_list",
    "take_fingerprints", "labelled_jobs", "goodness_by_source", "takes_a_person_touched",
    "model_speed", "heartbeat", "storage", "alert_posts", "queue_totals", "upkeep", "deliveries", "batch_filed",
    "row_totals", "value_totals",
]  # fmt: skip


@pytest.fixture
def busy(mill: Any) -> Any:
    """A catalogue in which something of everything has happened."""
    mill.ingest(6, name="a", labels={"scene": "cave"})
    mill.ingest(2, name="b")
    mill.catalog.worker_state("w0", device="cpu", model="tiny", status="working", slots=4, running=2)
    first, second, third, fourth = mill.claim(limit=4)
    mill.clock.now += 36
    mill.succeed(first)
    mill.succeed(second, passed=False)
    mill.fail(third)
    mill.fail(fourth, retry_in=0)
    mill.claim()
    asked(mill.catalog, ratings.rate, "a/job-0001", 4, "warm")
    mill.catalog.answer(
        [
            wish(
                "01A",
                "pick",
                lambda db, now: shortlists.pick(db, now, "a/job-0001", "picks", "ann", None, keep_note=True),
            ),
            wish(
                "01B",
                "compare",
                lambda db, now: comparisons.compare(
                    db,
                    now,
                    "01B",
                    "ann",
                    first="a/job-0001",
                    second="a/job-0002",
                    answer="tie",
                    blind=True,
                    attention=False,
                    study=None,
                ),
            ),
        ]
    )
    wanted = DeliveryAsked(profile="game", zipped=True)
    asked(mill.catalog, deliveries.ask, "01D", "ann", target="a", of="batch", asked=wanted, rights=False)
    mill.catalog.record_rejection("01R", "bad.csv", None, [])
    notice = {"kind": "held", "file": "x (1).csv", "message": "looks like a copy"}
    mill.catalog.set_setting("inbox notices", json.dumps([notice]))
    trouble = {"part": "inbox", "message": "cannot be read", "since": mill.clock.now}
    machine = {"name": "ws1", "address": "10.0.0.1", "gpus": 2, "cpus": 8, "state": "working", "why": None}
    mill.catalog.set_setting("machines", json.dumps([machine]))
    mill.catalog.set_setting("troubles", json.dumps([trouble]))
    mill.catalog.beat(pid=1, at=mill.clock.now, steady_s=7.0, doing="running")
    place = {"place": "outputs", "free_bytes": 4, "size_bytes": 9}
    mill.catalog.set_setting("storage", json.dumps({"at": mill.clock.now, "places": [place]}))
    mill.catalog.set_setting("alerts webhook", json.dumps({"sent": 3, "failed": 1, "outbox": []}))
    return mill


def wish(ulid: str, action: str, effect: Effect) -> Wish:
    return Wish(ulid=ulid, action=action, target="x", who="ann", asked_at=1.0, told=False, effect=effect)


def plan(mill: Any, sql: str) -> list[str]:
    db = sqlite3.connect(mill.path)
    try:
        return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql)]
    finally:
        db.close()


def test_every_promised_view_is_there(mill: Any) -> None:
    found = [row["name"] for row in mill.rows("SELECT name FROM sqlite_master WHERE type = 'view'")]
    assert sorted(found) == sorted(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_times_are_iso_in_utc(busy: Any, view: str) -> None:
    rows = busy.rows(f"SELECT * FROM {view}")
    assert rows
    for row in rows:
        for name, value in row.items():
            if is_time(name):
                assert value is None or TIME.fullmatch(value), (view, name, value)


@pytest.mark.parametrize("view", VIEWS)
def test_each_time_of_a_view_is_shown_where_there_is_one(busy: Any, view: str) -> None:
    """Every time of every table is set to the same, so that none is missing."""
    told = {
        "troubles": '[{"part": "x", "since": 1e9}]', "heartbeat": '{"at": 1e9}',
        "storage": '{"at": 1e9, "places": [{}]}',
    }  # fmt: skip
    with busy.catalog.connected() as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row["name"] for row in db.execute(f"PRAGMA table_info({table})")]
            if times := [f"{name} = 1000000000.5" for name in columns if is_time(name)]:
                db.execute(f"UPDATE {table} SET {', '.join(times)}")
        db.executemany("UPDATE settings SET value = ? WHERE key = ?", ((value, key) for key, value in told.items()))
    rows = busy.rows(f"SELECT * FROM {view}")
    assert rows or view == "unfinished_batches"
    shown = {name: {row[name] for row in rows} for one in rows[:1] for name in one if is_time(name)}
    if view == "job_list":
        shown["pruned_at"].remove(None)  # of jobs without a take
    assert all(times == {"2001-09-09T01:46:40Z"} for times in shown.values()), shown


def is_time(column: str) -> bool:
    return column.endswith("_at") or column in ("at", "not_before")


def test_overview_adds_everything_up(busy: Any) -> None:
    assert busy.row("SELECT * FROM overview") == {
        "batches": 2, "jobs": 8, "queued": 4, "running": 1, "succeeded": 2, "failed": 1, "cancelled": 0, "flagged": 1,
        "outputs": 2, "audio_hours": 0.0022, "workers": 1,
    }  # fmt: skip


def test_a_batch_shows_how_far_and_how_fast_it_is(busy: Any) -> None:
    a, b = busy.rows("SELECT * FROM batch_progress ORDER BY batch")
    assert (a["status"], a["done"], a["percent"], a["flagged"], a["jobs_per_hour"]) == ("running", 3, 50.0, 1, 300.0)
    assert (b["status"], b["done"], b["percent"], b["jobs_per_hour"]) == ("queued", 0, 0.0, None)


def test_the_queue_is_in_the_order_of_claiming(mill: Any) -> None:
    mill.ingest([mill.spec(1), mill.spec(2, priority=9), mill.spec(3)])
    assert [row["job_id"] for row in mill.rows("SELECT job_id FROM queue")] == [a.job.id for a in mill.claim(limit=3)]


def test_a_job_without_a_take_has_no_audio(busy: Any) -> None:
    audio = {row["job_id"]: row["audio"] for row in busy.rows("SELECT job_id, audio FROM job_list")}
    assert audio[1] == "a/job-0001.wav"
    assert {job_id for job_id, path in audio.items() if path} == {1, 2}


def test_a_batch_that_only_failed_has_no_pace(mill: Any) -> None:
    mill.ingest(1)
    (attempt,) = mill.claim()
    mill.clock.now += 0.3
    mill.fail(attempt)
    assert mill.row("SELECT status, done, jobs_per_hour FROM batch_progress") == {
        "status": "finished", "done": 1, "jobs_per_hour": None,
    }  # fmt: skip


def test_speed_is_known_by_model(busy: Any) -> None:
    assert busy.row("SELECT * FROM model_speed") == {
        "model": "tiny", "outputs": 2, "audio_s": 8.0, "device_s": 4.0, "real_time_factor": 0.5,
    }  # fmt: skip


def test_takes_of_before_device_time_was_recorded_do_not_count_as_free(tmp_path: Path) -> None:
    db = connect_writer(tmp_path / "old.db")
    migrate(db, before="m0006_device_time")
    db.execute("PRAGMA foreign_keys = OFF")
    job_of = (
        "INSERT INTO jobs (id, batch_id, position, name, prompt, model, duration, temperature, top_k, top_p, cfg_coef,"
        " seed, priority, format, queued_at) VALUES (1, 1, 1, 'a', '', 'tiny', 2, 1, 1, 0, 1, 1, 0, 'wav', 1)"
    )
    db.execute(job_of)
    take_of = (
        "INSERT INTO outputs (job_id, batch_id, attempt, path, format, sample_rate, channels, duration_s, size_bytes,"
        " sha256, generation_s, normalization, normalization_target, licence, verdict, ruleset, created_at{more})"
        " VALUES (1, 1, ?1, ?1, '', 1, 1, 2, 1, '', 3, '', 1, '', 'passed', '', 1{value})"
    )
    db.execute(take_of.format(more="", value=""), (1,))
    migrate(db)
    speed = "SELECT outputs, audio_s, device_s, real_time_factor FROM model_speed"
    assert tuple(db.execute(speed).fetchone()) == (1, 2.0, 0.0, None)
    db.execute(take_of.format(more=", device_s", value=", 0.5"), (2,))
    assert tuple(db.execute(speed).fetchone()) == (2, 4.0, 0.5, 0.25)
    assert [row[0] for row in db.execute("SELECT device_s FROM outputs ORDER BY id")] == [None, 0.5]
    db.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM takes WHERE batch = 'a' LIMIT 50",
        "SELECT * FROM takes WHERE batch = 'a' ORDER BY output_id DESC LIMIT 50",
        "SELECT * FROM takes WHERE audio = 'a/x.wav'",
        "SELECT * FROM takes WHERE job_id = 7",
        "SELECT * FROM job_list WHERE batch = 'a' ORDER BY position LIMIT 50",
        "SELECT * FROM job_list WHERE batch = 'a' AND status = 'failed' LIMIT 50",
        "SELECT * FROM job_list WHERE batch = 'a' AND job = 'x'",
        "SELECT * FROM job_list WHERE job_id = 7",
        "SELECT * FROM failures WHERE batch = 'a' LIMIT 50",
        "SELECT * FROM failed_checks WHERE batch = 'a' LIMIT 50",
        "SELECT * FROM retries WHERE batch = 'a' LIMIT 50",
        "SELECT * FROM queue WHERE batch = 'a' LIMIT 50",
        "SELECT * FROM scores_by_scorer WHERE batch = 'a' LIMIT 50",
        "SELECT * FROM scores_by_scorer WHERE audio = 'a/x.wav'",
        "SELECT * FROM scores_by_scorer WHERE scorer = 'clap' ORDER BY score DESC LIMIT 50",
        "SELECT * FROM goodness_by_source WHERE output_id = 7 ORDER BY rank LIMIT 20",
        "SELECT * FROM overview",
        "SELECT * FROM batch_progress ORDER BY batch_id DESC LIMIT 50",
        "SELECT * FROM model_speed",
        "SELECT * FROM label_values ORDER BY name, value LIMIT 50",
    ],
)
def test_no_big_table_is_walked_for_a_filtered_page(mill: Any, sql: str) -> None:
    steps = plan(mill, sql)
    assert not [step for step in steps if re.match(rf"SCAN ({BIG})\b", step)], steps


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM takes LIMIT 50",
        "SELECT * FROM takes ORDER BY output_id DESC LIMIT 50",
        "SELECT * FROM job_list LIMIT 50",
        "SELECT * FROM job_list ORDER BY job_id DESC LIMIT 50",
        "SELECT * FROM failures LIMIT 50",
        "SELECT * FROM failures ORDER BY job_id DESC LIMIT 50",
        "SELECT * FROM failed_checks LIMIT 50",
        "SELECT * FROM scores_by_scorer WHERE scorer = 'clap' ORDER BY score DESC LIMIT 50",
        "SELECT * FROM queue LIMIT 50",
        "SELECT * FROM retries LIMIT 50",
        "SELECT * FROM running_jobs LIMIT 50",
        "SELECT * FROM event_log ORDER BY event_id DESC LIMIT 50",
    ],
)
def test_a_page_is_read_without_sorting_first(mill: Any, sql: str) -> None:
    """The outermost walk stops at the limit; everything joined to it is a lookup."""
    steps = plan(mill, sql)
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    walks = [step for step in steps if step.startswith("SCAN") and "batches" not in step]
    assert len(walks) <= 1, steps


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM failures LIMIT 50", "jobs_failed"),
        ("SELECT * FROM failed_checks LIMIT 50", "checks_failed"),
        ("SELECT * FROM queue LIMIT 50", "jobs_queue"),
        ("SELECT * FROM retries LIMIT 50", "attempts_repeated"),
        ("SELECT * FROM running_jobs", "attempts_running"),
        ("SELECT * FROM scores_by_scorer WHERE scorer = 'clap' ORDER BY score DESC LIMIT 50", "scores_scorer"),
    ],
)
def test_what_is_rare_is_found_by_an_index_of_its_own(mill: Any, sql: str, index: str) -> None:
    assert any(f"USING INDEX {index}" in step or f"COVERING INDEX {index}" in step for step in plan(mill, sql))


def test_a_batchs_progress_counts_every_end(mill: Any) -> None:
    mill.ingest(8)
    first, second, _ = mill.claim(limit=3)
    mill.succeed(first)
    mill.fail(second)
    asked(mill.catalog, wishes.cancel, "themes/job-0008")
    asked(mill.catalog, wishes.cancel, "themes/job-0007")
    assert mill.row("SELECT done, percent, n_queued, n_running, n_failed, n_cancelled FROM batch_progress") == {
        "done": 4, "percent": 50.0, "n_queued": 3, "n_running": 1, "n_failed": 1, "n_cancelled": 2,
    }  # fmt: skip


def test_the_queue_says_why_a_job_waits(mill: Any) -> None:
    mill.ingest(2, name="a")
    mill.ingest(1, name="b")
    mill.fail(mill.claim()[0], retry_in=60)
    asked(mill.catalog, wishes.pause, "b")
    assert {row["job_id"]: row["state"] for row in mill.rows("SELECT job_id, state FROM queue")} == {
        1: "waiting", 2: "ready", 3: "paused",
    }  # fmt: skip
