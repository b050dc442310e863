from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from soundmill.inbox.jobfile.cells import KNOWN
from soundmill.inbox.jobfile.schema import PARAMETERS, experiment_table, parameter_table, schema
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
    assert "| `id` | text |  | number and prompt | up to 100 characters |" in parameter_table()
    assert "| `model` | text |  | `default_model` of soundmill.yaml |  |" in parameter_table()
    assert "| `melody` | file |  | none |  |" in parameter_table()
    assert "| `loop` | switch |  | false | true, false |" in parameter_table()
    assert "| `seed` | whole number |  | derived, recorded | 0 to 2^53 - 1 |" in parameter_table()
    assert "| `keep_best` | whole number | clips | all | 1 to 10,000 |" in parameter_table()
    assert "| `quality` | word |  | by the model | music, sound_effects, custom |" in parameter_table()
    assert "| `prompt` | text |  | required | up to 2,000 characters |" in parameter_table()
    keys = [line[2:].split(" | ")[:2] for line in experiment_table().splitlines()[2:]]
    assert [": ".join(key) for key in keys] == [
        "`prompt`: that of `defaults` or `template`", "`factors`: required", "`design`: full_factorial",
        "`n`: required in a sampled design", "`baseline`: each factor's first level", "`replicates`: 1",
        "`extends`: none",
    ]  # fmt: skip
    assert "| `format` | word |  | `audio.format` of soundmill.yaml | wav, flac, ogg, mp3 |" in parameter_table()


def test_the_schema_describes_every_field_with_unit_and_range() -> None:
    found = schema()
    assert found["$id"] == "urn:soundmill:schema:jobfile:1"
    job = found["$defs"]["JobRow"]["properties"]
    assert set(job) == set(KNOWN)
    assert all(field.get("description") for field in job.values())
    assert job["duration"]["unit"] == "s"
    assert job["temperature"]["maximum"] == 4
    assert set(found["properties"]) == set(JobFile.model_fields)
    assert found["additionalProperties"] is False


def test_the_schema_is_what_editors_have_been_told() -> None:
    """But for descriptions and titles; a bound that moves is a promise that moves."""
    told = Path(__file__).parents[2] / "data" / "jobfile.schema.json"
    assert without_words(schema()) == json.loads(told.read_text(encoding="utf-8"))


def without_words(part: Any) -> Any:
    if isinstance(part, dict):
        words = [key for key in ("description", "title") if isinstance(part.get(key), str)]
        return {key: without_words(value) for key, value in part.items() if key not in words}
    if isinstance(part, list):
        return [without_words(each) for each in part]
    return part


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
