"""The JSON Schema of summary.json, held against the files of real reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from publish.conftest import Home
from report.conftest import BATCH, jobs_with
from soundmill.report.schema import schema as schema_of
from soundmill.report.summary import KEYS
from soundmill.report.write import write_report
from support.json_schema import problems


@pytest.mark.parametrize("batch", ["forest", "sweep", "evening", "later"])
def test_the_summary_of_a_report_is_what_its_schema_says(reported: Home, batch: str) -> None:
    found = json.loads((reported.outputs / batch / "summary.json").read_text(encoding="utf-8"))
    assert problems(schema_of(), found) == []
    assert list(found) == list(schema_of()["properties"])


def test_so_is_that_of_settings_that_interact_and_of_several_prompts(tmp_path: Path) -> None:
    jobs = jobs_with(
        [
            (
                {"condition": {"a": a, "prompt": p}, "prompt": p, "replicate": r},
                {"score": 50.0 + 20 * ((a == "x") == (p == "bell")) + r, "present": False},
            )
            for a in "xyz"
            for p in ("bell", "horn")
            for r in range(1, 4)
        ]
    )
    record = replace(BATCH, kind="experiment", jobs=jobs)
    write_report(record, tmp_path, earlier=(), later=(), made_at=0.0, processes=1, progress=lambda _: None)
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert found["interactions"] and found["interactions"][0]["change"] and found["prompts"]
    assert problems(schema_of(), found) == []


def test_what_is_not_in_the_schema_or_missing_is_no_summary(reported: Home) -> None:
    schema = schema_of()
    found = json.loads((reported.outputs / "sweep" / "summary.json").read_text(encoding="utf-8"))
    found["counts"]["more"] = 1
    del found["factors"][0]["p_value"]
    found["timing"]["wall_s"] = "long"
    assert [one.split()[0].rstrip(":") for one in problems(schema, found)] == [
        "$.counts.more", "$.timing.wall_s", "$.factors[0].p_value",
    ]  # fmt: skip


def test_every_key_has_its_meaning_in_the_schema() -> None:
    schema = schema_of()
    assert schema["$id"].startswith("urn:soundmill:")
    described = {}
    for name, one in schema["properties"].items():
        inner = schema["$defs"][one["$ref"].rpartition("/")[2]]["properties"] if "$ref" in one else {}
        described |= {f"{name}.{key}": part["description"] for key, part in inner.items()} or {name: one["description"]}
    assert described == dict(KEYS)
