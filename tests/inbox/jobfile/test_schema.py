from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.schema import PARAMETERS, json_schema, parameter_table
from soundmill.inbox.jobfile.suggest import closest, nearly
from soundmill.inbox.jobfile.written import JobFile
from soundmill.words import distance

EXAMPLES = Path(__file__).parents[3] / "inbox_examples"


def test_the_table_has_a_line_for_every_column_and_nothing_blank_that_matters() -> None:
    assert tuple(parameter.name for parameter in PARAMETERS) == KNOWN
    assert all(p.type and p.default and p.meaning for p in PARAMETERS)
    lines = parameter_table().splitlines()
    assert len(lines) == len(KNOWN) + 2
    assert "| `duration` | number | s | `default_duration` of soundmill.yaml | 0.5 to 300 |" in parameter_table()
    assert "| `top_k` | whole number | tokens | 250 | 0 to 4,096 |" in parameter_table()
    assert "| `format` | word |  | `audio.format` of soundmill.yaml | wav, flac, ogg, mp3 |" in parameter_table()


def test_the_schema_describes_every_field_with_unit_and_range() -> None:
    schema = json_schema()
    job = schema["$defs"]["JobRow"]["properties"]
    assert set(job) == set(KNOWN)
    assert all(field.get("description") for field in job.values())
    assert job["duration"]["unit"] == "s"
    assert job["temperature"]["maximum"] == 4
    assert set(schema["properties"]) == set(JobFile.model_fields)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_models_behind_the_schema_accept_the_examples(path: Path) -> None:
    JobFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("seed", "seed", 0), ("seed", "sede", 1), ("speed", "seed", 1), ("temprature", "temperature", 1), ("", "id", 2)],
)
def test_typing_errors_are_counted(a: str, b: str, expected: int) -> None:
    assert distance(a, b) == distance(b, a) == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("temprature", "temperature"),
        ("durration", "duration"),
        ("Promt", "prompt"),
        ("sede", "seed"),
        ("topk", "top_k"),
        ("duration_s", "duration"),
        ("guidance_scale", "cfg_coef"),
        ("speed", None),
        ("scene", None),
        ("ids", None),
        ("location", None),
    ],
)
def test_a_mistyped_name_is_told_from_a_name_of_ones_own(name: str, meant: str | None) -> None:
    assert nearly(name, KNOWN) == meant


def test_nothing_like_it_means_no_suggestion() -> None:
    assert closest("zebra", KNOWN) is None
