"""Every canned query on the filled home: it runs, says what it is for, and finds what it should."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
import yaml

from soundmill.publish import site

from .conftest import Get, Home

METADATA: dict[str, Any] = yaml.safe_load(site.METADATA.read_text(encoding="utf-8"))
CATALOG = METADATA["databases"]["catalog"]
QUERIES: dict[str, dict[str, Any]] = CATALOG["queries"]


def rows(get: Get, query: str) -> list[dict[str, Any]]:
    answer = get(f"/catalog/{query}{'&' if '?' in query else '?'}_shape=objects".replace("?", ".json?", 1))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def test_there_is_a_question_for_every_occasion_and_each_says_what_it_answers() -> None:
    assert len(QUERIES) >= 17
    assert all(query["title"] and query["sql"].strip() for query in QUERIES.values())


@pytest.mark.parametrize("name", QUERIES)
def test_it_runs_with_its_parameters_left_blank_and_shows_a_licence_with_takes(get: Get, name: str) -> None:
    answer = get(f"/catalog/{name}")
    assert answer.status_code == 200
    assert "message-error" not in answer.text
    assert QUERIES[name]["title"] in answer.text
    assert ("CC-BY-NC 4.0" in answer.text) == ("audio," in QUERIES[name]["sql"])


@pytest.mark.parametrize("name", QUERIES)
def test_its_parameters_are_those_it_names(name: str) -> None:
    asked = {word.strip("(),") for word in QUERIES[name]["sql"].replace("(:", " :").split() if word.startswith(":")}
    assert {word.lstrip(":") for word in asked} == set(QUERIES[name].get("params", []))


@pytest.mark.parametrize(
    ("query", "column", "found"),
    [
        ("best_takes?batch=sweep", "job", [f"clip-00{n}" for n in range(8, 0, -1)]),
        ("best_takes", "job", []),  # the newest batch has no take yet
        ("takes_that_failed_a_check", "job", ["clip-009", "clip-006"]),
        ("takes_that_failed_a_check?check=clipping", "job", ["clip-006"]),
        ("checks_that_fail_most", "check_name", ["clipping", "repetition"]),
        ("unrated_passed_takes?batch=evening", "job", ["clip-001", "clip-002"]),
        ("takes_by_label?name=scene&value=cave", "job", ["clip-007"]),
        ("takes_by_label?name=scene&value=moon", "job", []),
        ("takes_by_label?name=temperature&value=0.8", "job", ["clip-002", "clip-001"]),
        ("search_prompts?q=choir bats", "job", ["clip-007"]),
        ("search_prompts?q=cave", "job", ["clip-007"]),
        ("search_prompts?q=", "job", []),
        ('search_prompts?q="', "job", []),
        ("search_prompts?q=NEAR( * OR", "job", []),
        ("clips_by_seed?batch=sweep&seed=8", "job", ["clip-002", "clip-004", "clip-006", "clip-008"]),
        ("clips_by_seed?batch=sweep", "job", ["clip-001", "clip-003", "clip-005", "clip-007"]),
        ("slowest_models", "model", ["tiny"]),
        ("failures_by_reason", "error_kind", ["bad_parameter"]),
        ("latest_failures", "job", ["clip-003"]),
        ("latest_failures?batch=sweep", "job", []),
        ("what_was_retried", "job", ["clip-005", "clip-004"]),
        ("batches_in_progress", "batch", ["later", "evening", "sweep", "forest"]),
        ("labels_in_use", "name", ["cue"] * 12 + ["owner", "scene", "scene"] + ["temperature"] * 4),
    ],
)
def test_it_finds_what_it_is_for(get: Get, query: str, column: str, found: list[str]) -> None:
    assert [row[column] for row in rows(get, query)] == found


def test_unrated_leaves_out_what_was_rated(get: Get) -> None:
    jobs = {row["job"] for row in rows(get, "unrated_passed_takes?batch=forest")}
    assert "clip-002" in jobs and "clip-001" not in jobs and "clip-006" not in jobs


def test_loudest_and_quietest_are_the_two_ends_and_silence_is_quietest(get: Get) -> None:
    assert rows(get, "loudest")[0]["loudness_lufs"] == -8.0
    assert rows(get, "quietest")[0]["loudness_lufs"] is None
    assert rows(get, "quietest")[1]["loudness_lufs"] == -30.0


def test_settings_are_compared_over_their_replicates(get: Get) -> None:
    found = [
        (row["temperature"], row["takes"], row["mean_score"]) for row in rows(get, "settings_by_score?batch=sweep")
    ]
    assert found == [(1.4, 2, 80.0), (1.2, 2, 72.0), (1.0, 2, 64.0), (0.8, 2, 56.0)]


def test_one_prompt_is_shown_under_all_its_settings(get: Get) -> None:
    found = rows(get, "prompt_across_settings?batch=sweep")
    assert [row["temperature"] for row in found] == [0.8, 0.8, 1.0, 1.0, 1.2, 1.2, 1.4, 1.4]


def test_longest_and_per_day_count_the_work(get: Get) -> None:
    longest = [row["generation_s"] for row in rows(get, "longest_generation_times")]
    assert longest == sorted(longest, reverse=True) and longest[0] == pytest.approx(1.813)
    (day,) = rows(get, "audio_per_day")
    assert (day["day"], day["takes"]) == ("2025-10-09", 22)


def test_waiting_jobs_come_in_the_order_workers_take_them(get: Get) -> None:
    found = rows(get, "jobs_waiting")
    assert [row["job"] for row in found[:2]] == ["clip-007", "clip-008"]
    assert [row["state"] for row in found[-3:]] == ["paused"] * 3


def test_every_view_and_column_described_is_there_and_every_table_is_hidden(home: Home) -> None:
    db = sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)
    views = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    described = CATALOG["tables"]
    hidden = {name for name, entry in described.items() if entry.get("hidden")}
    assert set(described) - hidden == views
    assert {name for name in tables if not name.startswith("jobs_fts")} == hidden
    for name in views:
        columns = {row[1] for row in db.execute(f"PRAGMA table_info({name})")}
        entry = described[name]
        sorted_by = {entry[key] for key in ("sort", "sort_desc") if key in entry}
        assert set(entry.get("columns", {})) | set(entry.get("facets", [])) | sorted_by <= columns, name
    db.close()


def test_a_query_that_takes_too_long_is_ended(get: Get) -> None:
    endless = "with recursive n(i) as (select 1 union all select i %2B 1 from n) select count(*) from n"
    answer = get(f"/catalog.json?sql={endless}&_timelimit=50")
    assert (answer.status_code, "too long" in answer.text) == (400, True)
