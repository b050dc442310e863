from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publish.conftest import HOSTILE, Home
from report.conftest import BATCH, JOB, TAKE, record_of
from soundmill.report.tables import BOM, jobs_csv
from soundmill.words import FORMULA_STARTS, safe_cell


def rows(text: str) -> list[dict[str, str]]:
    assert text.startswith(BOM)
    return list(csv.DictReader(StringIO(text.removeprefix(BOM), newline="")))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", " =1", "＝1", "＠x"],
)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a bell", "1 = 1", -14.2, 0, True, "'=1"])
def test_numbers_and_plain_texts_are_left_alone(value: object) -> None:
    assert safe_cell(value) is value


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40))
def test_no_prompt_becomes_a_formula_and_none_is_lost(prompt: str) -> None:
    text = jobs_csv(replace(BATCH, jobs=(replace(JOB, prompt=prompt),)), {})
    [row] = csv.DictReader(StringIO(text.removeprefix(BOM), newline=""))
    assert row["prompt"] in (prompt, f"'{prompt}")
    assert not row["prompt"].lstrip(" ").startswith(FORMULA_STARTS)


def test_a_label_that_is_named_like_a_formula_is_safe_too() -> None:
    text = jobs_csv(replace(BATCH, jobs=(replace(JOB, labels={"=HYPERLINK(1)": "@x"}),)), {})
    [row] = rows(text)
    assert row["label.=HYPERLINK(1)"] == "'@x"


def test_there_is_one_row_per_job_with_its_final_take(reported: Home) -> None:
    found = rows((reported.outputs / "forest" / "jobs.csv").read_bytes().decode())
    assert [row["job"] for row in found] == [f"clip-{n:03}" for n in range(1, 13)]
    by_job = {row["job"]: row for row in found}
    assert by_job["clip-003"]["status"] == "failed" and by_job["clip-003"]["audio"] == ""
    assert "at most 30 s" in by_job["clip-003"]["error"]
    assert by_job["clip-004"]["audio"] == "clip-004.wav" and by_job["clip-004"]["attempts"] == "2"
    assert by_job["clip-001"]["stars"] == "4" and by_job["clip-001"]["note"] == "keep this one"
    assert by_job["clip-006"]["failed_checks"] == "clipping"
    assert by_job["clip-004"]["prompt"] == HOSTILE and by_job["clip-007"]["label.scene"] == "cave"


def test_a_take_has_its_factors_measurements_and_other_scorers_as_columns() -> None:
    take = replace(TAKE, scores={"clap": 0.31})
    text = jobs_csv(replace(BATCH, jobs=(replace(JOB, takes=(take,), condition={"temperature": "0.7"}),)), {})
    [row] = rows(text)
    assert (row["factor.temperature"], row["score.clap"], row["loudness_lufs"]) == ("0.7", "0.31", "-14.0")


def test_every_take_has_its_metadata_also_those_tried_again(reported: Home) -> None:
    text = (reported.outputs / "forest" / "takes.jsonl").read_text(encoding="utf-8")
    takes: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    assert len(takes) == len(record_of(reported, "forest").takes) == 12
    again = [take for take in takes if take["job"] == "clip-004"]
    assert [(take["attempt"], take["final"], take["quarantined"]) for take in again] == [
        (1, False, True),
        (2, True, False),
    ]
    assert again[0]["checks"] and again[0]["file"] == "quarantine/clip-004.take1.wav"
