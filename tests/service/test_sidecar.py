"""The JSON Schema of sidecars, held against files that a daemon wrote."""

from __future__ import annotations

import json

from soundmill.home import Home
from soundmill.service.sidecar import schema as schema_of
from support.json_schema import problems

from .conftest import drop, serving, until


def test_a_sidecar_is_what_its_schema_says(home: Home) -> None:
    drop(home, "songs.csv", 3)
    with serving(home) as service:
        until(service, lambda: len(list(home.outputs.glob("songs/*.wav"))) == 3)
    files = sorted(home.outputs.glob("songs/*.wav.json"))
    assert len(files) == 3
    for file in files:
        found = json.loads(file.read_text(encoding="utf-8"))
        assert problems(schema_of(), found) == [] and list(found) == list(schema_of()["properties"])
        assert found["checks"] and found["measurements"]
