from __future__ import annotations

import json
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.rows import texts_to_json
from soundmill.errors import CatalogError, InvalidJobFile, Problem
from soundmill.jobs import BatchSpec, JobStatus, QcAction, Source


def test_a_batch_arrives_with_all_its_jobs_in_the_order_of_the_file(mill: Any) -> None:
    batch = mill.ingest(3, on_qc_fail=QcAction.RETRY)
    assert (batch.name, batch.job_count, batch.on_qc_fail, batch.paused) == ("themes", 3, QcAction.RETRY, False)
    assert batch.created_at == mill.clock.now
    assert [r["name"] for r in mill.rows("SELECT name FROM jobs ORDER BY position")] == [
        "job-0001",
        "job-0002",
        "job-0003",
    ]
    assert mill.row("SELECT * FROM batches")["n_queued"] == 3
    assert mill.counters_are_true()


def test_a_job_reads_back_as_it_was_asked_for(mill: Any) -> None:
    spec = mill.spec(
        1, labels={"scene": "Höhle"}, condition={"temperature": "0.9"}, replicate=2, priority=5, melody=Path("m.wav")
    )
    batch = mill.ingest([spec])
    job = mill.catalog.job(1)
    assert (job.batch_id, job.batch_name, job.name, job.prompt) == (batch.id, "themes", spec.name, spec.prompt)
    assert job.parameters == spec.parameters
    assert (job.seed, job.priority, job.melody, job.continue_from) == (spec.seed, 5, Path("m.wav"), None)
    assert (dict(job.labels), dict(job.condition), job.replicate) == ({"scene": "Höhle"}, {"temperature": "0.9"}, 2)
    assert (job.status, job.attempt, job.strikes, job.qc_retries) == (JobStatus.QUEUED, 0, 0, 0)


def test_the_same_claim_is_ingested_once(mill: Any) -> None:
    spec = BatchSpec(name="a", jobs=[mill.spec(1)], job_count=1)
    source = mill.source("01SAME")
    first = mill.catalog.ingest(spec, source)
    assert mill.catalog.ingest(spec, source) == first
    assert len(mill.rows("SELECT * FROM jobs")) == 1


def test_a_taken_batch_name_gets_a_number_whatever_its_case(mill: Any) -> None:
    names = [mill.ingest(1, name=name).name for name in ("a", "a", "A", "b", "a")]
    assert names == ["a", "a-2", "A-3", "b", "a-4"]


def test_many_batches_of_one_name_all_get_their_own(mill: Any) -> None:
    names = [mill.ingest(0, name="nightly").name for _ in range(40)]
    assert names == ["nightly", *(f"nightly-{n}" for n in range(2, 41))]


def test_a_batch_is_found_by_claim_and_by_content(mill: Any) -> None:
    spec = BatchSpec(name="a", jobs=[mill.spec(1)], job_count=1)
    mill.catalog.ingest(spec, mill.source("01A", sha256="aa"))
    again = mill.catalog.ingest(spec, mill.source("01B", sha256="aa", again=True))
    assert mill.catalog.batch_by_sha256("aa") == again
    assert mill.catalog.batch_by_ulid("01A").name == "a"
    assert mill.catalog.batch_by_ulid("01X") is None
    assert mill.catalog.batch_by_sha256("bb") is None


def test_labels_and_factors_are_searchable_and_counted(mill: Any) -> None:
    for _ in range(2):
        mill.ingest(
            [
                mill.spec(1, labels={"scene": "cave"}, condition={"style": "jazz"}),
                mill.spec(2, labels={"scene": "cave", "style": "jazz"}, condition={"style": "jazz"}),
            ]
        )
    assert mill.rows("SELECT * FROM label_values ORDER BY name") == [
        {"name": "scene", "value": "cave", "jobs": 4},
        {"name": "style", "value": "jazz", "jobs": 4},
    ]
    found = "SELECT job_id FROM job_labels WHERE name = 'style' AND value = 'jazz'"
    assert [row["job_id"] for row in mill.rows(found)] == [1, 2, 3, 4]


def test_prompts_and_labels_are_full_text_searchable(mill: Any) -> None:
    mill.ingest(
        [
            mill.spec(1, prompt="stormy café piano"),
            mill.spec(2, prompt="birds", labels={"owner": "Ælfgifu"}),
        ]
    )
    search = "SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH ?"
    assert [row["rowid"] for row in mill.rows(search, "cafe")] == [1]
    assert [row["rowid"] for row in mill.rows(search, "Ælfgifu")] == [2]
    check = sqlite3.connect(mill.path)
    check.execute("INSERT INTO jobs_fts (jobs_fts) VALUES ('integrity-check')")
    check.close()


def test_acceptance_is_an_event(mill: Any) -> None:
    mill.ingest(2)
    assert mill.row("SELECT kind, message, batch FROM event_log") == {
        "kind": "batch accepted",
        "message": "themes: 2 jobs from themes.yaml",
        "batch": "themes",
    }


def test_acceptance_names_the_labels(mill: Any, tmp_path: Path) -> None:
    spec = BatchSpec(name="list", jobs=[mill.spec(1, labels={"scene": "a"})], job_count=1, labels=("scene", "cue"))
    with closing(Catalog.open(tmp_path / "labels.db", clock=lambda: 0.0)) as catalog:
        catalog.ingest(spec, Source(ulid="01L", file_name="list.csv", sha256="l", size_bytes=1))
    with closing(sqlite3.connect(tmp_path / "labels.db")) as db:
        assert db.execute("SELECT message FROM event_log").fetchall() == [
            ("list: 1 job from list.csv; labels: scene, cue",)
        ]


def test_a_file_that_turns_out_bad_halfway_leaves_nothing(mill: Any) -> None:
    def jobs() -> Any:
        for n in range(1, 1200):
            yield mill.spec(n)
        raise InvalidJobFile([Problem(message="no prompt", line=1200)])

    before = mill.content()
    with pytest.raises(InvalidJobFile):
        mill.catalog.ingest(BatchSpec(name="a", jobs=jobs(), job_count=2000), mill.source())
    assert mill.content() == before


def test_two_jobs_of_one_name_are_refused_whole(mill: Any) -> None:
    before = mill.content()
    with pytest.raises(CatalogError, match="UNIQUE"):
        mill.ingest([mill.spec(1, name="x"), mill.spec(2, name="x")])
    assert mill.content() == before


def test_jobs_are_streamed_and_never_held_in_memory(mill: Any) -> None:
    def jobs() -> Any:
        for n in range(1, 6001):
            yield mill.spec(n, prompt=f"{n} " + "x" * 2000)

    tracemalloc.start()
    try:
        mill.catalog.ingest(BatchSpec(name="big", jobs=jobs(), job_count=6000), mill.source())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000  # all prompts together are 12 MB


@given(labels=st.dictionaries(st.text(), st.text(), max_size=4))
@settings(deadline=None)
def test_labels_are_json_whatever_they_contain(labels: dict[str, str]) -> None:
    assert json.loads(texts_to_json(labels)) == labels


def test_an_experiment_is_kept_as_written(mill: Any) -> None:
    spec = BatchSpec(
        name="e", jobs=[mill.spec(1)], job_count=1, kind="experiment", experiment={"factors": {"t": [1, float("nan")]}}
    )
    mill.catalog.ingest(spec, mill.source())
    assert json.loads(mill.row("SELECT experiment FROM batches")["experiment"]) == {"factors": {"t": [1, None]}}


def test_an_accepted_file_is_found_by_its_name_also_where_it_was_filed_before_there_were_months(mill: Any) -> None:
    for place in ("2026-01/a.csv", "b.csv"):
        batch = mill.catalog.ingest(
            BatchSpec(name="x", jobs=[mill.spec(1)], job_count=1), mill.source(kept_as=place, sha256=place)
        )
        assert mill.catalog.kept_as(place.rpartition("/")[2]) == batch


def test_the_columns_that_became_labels_are_kept_in_the_files_order(mill: Any) -> None:
    spec = BatchSpec(name="e", jobs=[mill.spec(1)], job_count=1, labels=("scene", "cue", "Ort"))
    mill.catalog.ingest(spec, mill.source())
    assert json.loads(mill.row("SELECT labels FROM batch_progress")["labels"]) == ["scene", "cue", "Ort"]


def test_accepted_files_are_remembered_as_they_were_and_a_name_used_again_means_the_last(mill: Any) -> None:
    kept = [
        mill.source(file_name="a.csv", kept_as=name, modified_ns=number, sha256=f"{number}")
        for number, name in enumerate(["a.csv", "a-2.csv", "a.csv"])
    ]
    for source in [*kept, mill.source()]:
        mill.catalog.ingest(BatchSpec(name="a", jobs=[mill.spec(1)], job_count=1), source)
    assert mill.catalog.kept_files(10) == [("a-2", kept[1]), ("a-3", kept[2])]
    assert mill.catalog.kept_files(1) == [("a-3", kept[2])]
    assert mill.catalog.kept_as("b.csv") is None


def test_a_rest_belongs_to_the_batch_it_completes(mill: Any) -> None:
    def take(name: str, **source: Any) -> Any:
        spec = BatchSpec(name=name, jobs=[mill.spec(1, prompt=name)], job_count=1)
        return mill.catalog.ingest(spec, mill.source(**source))

    first = take("a", kept_as="2026-01/a.csv")
    take("other")
    take("a-rest", kept_as="2026-02/a.rest.csv", rest_of=first)
    assert mill.catalog.kept_as("a.csv") == first
    told: list[str] = []
    mill.catalog.tell_jobs(first.id, lambda job: told.append(job.prompt))
    assert told == ["a", "a-rest"]
    assert [row["rest_of"] for row in mill.rows("SELECT rest_of FROM batch_progress ORDER BY batch_id")] == [
        None, None, "a",
    ]  # fmt: skip
    assert "a-rest: 1 job from themes.yaml, the rest of a" in [
        row["message"] for row in mill.rows("SELECT * FROM events")
    ]


def test_a_batch_without_jobs_is_finished_at_once(mill: Any) -> None:
    batch = mill.ingest(0)
    assert mill.catalog.batch_finished(batch.id)
    assert mill.row("SELECT status, percent FROM batch_progress") == {"status": "finished", "percent": 100.0}


def test_a_rejection_is_remembered_once_and_readable(mill: Any) -> None:
    problems = [
        Problem(message="must be positive", line=3, field="duration", value="-1"),
        Problem(message="is the error of a formula", place="sheet My list, row", line=4, field="prompt", value="#N/A"),
        Problem(message="empty"),
    ]
    for _ in range(2):
        mill.catalog.record_rejection("01R", "bad.csv", None, problems)
    assert mill.catalog.rejection_exists("01R")
    assert not mill.catalog.rejection_exists("01S")
    row = mill.row("SELECT * FROM rejected_files")
    assert row["problems"].splitlines() == [str(problem) for problem in problems]
    assert row["problems"].splitlines()[1].startswith("sheet My list, row 4: prompt = #N/A: ")
    assert row["problem_count"] == 3
    assert [r["kind"] for r in mill.rows("SELECT kind FROM events")] == ["file rejected"]


def test_a_file_with_endless_problems_keeps_the_first_thousand(mill: Any) -> None:
    mill.catalog.record_rejection("01R", "bad.csv", "ff", [Problem(message="bad", line=n) for n in range(5000)])
    row = mill.row("SELECT problem_count, json_array_length(problems) AS kept FROM rejections")
    assert row == {"problem_count": 5000, "kept": 1000}
