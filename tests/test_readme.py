from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from soundmill.cli import main
from soundmill.commands.init import create
from soundmill.config import Config
from soundmill.config import schema as settings_schema
from soundmill.home import Home
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.service.wiring import rules_for

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_generated_sections_are_what_the_program_says() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "docs" / "readme.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for file in module.SECTIONS:
        assert module.rendered(file) == file.read_text(encoding="utf-8"), "run: python docs/readme.py"


def test_every_command_is_in_the_readme() -> None:
    for name, command in main.commands.items():
        for inner in command.commands if isinstance(command, click.Group) else [None]:
            assert f"`soundmill {name}{' ' + inner if inner else ''}" in README


def test_the_readmes_job_files_are_accepted() -> None:
    blocks = re.findall(r"```(csv|yaml)\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    for kind, text in blocks:
        spec = read_jobs(text.encode(), f"example.{kind}", rules_for(Config(), ROOT)("ulid"))
        assert spec.job_count == len(list(spec.jobs)) > 0


def test_the_first_screen_has_the_two_commands() -> None:
    first = README.split("\n", 20)[:20]
    assert any(line.startswith("make demo") for line in first)
    assert any(line.startswith("make test") for line in first)


def test_the_printed_schema_is_json_that_names_every_section() -> None:
    done = subprocess.run([sys.executable, "-m", "soundmill", "schema"], capture_output=True, text=True, check=True)
    assert {"jobs", "template", "variables", "experiment", "defaults"} <= set(json.loads(done.stdout)["properties"])


def test_the_settings_file_that_init_writes_is_the_defaults(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "soundmill", "--home", str(tmp_path), "init"], check=True, capture_output=True
    )
    text = (tmp_path / "soundmill.yaml").read_text(encoding="utf-8")
    assert Config.model_validate(yaml.safe_load(text) or {}) == Config()
    uncommented = re.sub(r"^(\s*)# (?=\w+:)", r"\1", text, flags=re.MULTILINE)
    assert Config.model_validate(yaml.safe_load(uncommented)) == Config()


def test_the_schema_of_the_settings_knows_every_key_that_init_writes(tmp_path: Path) -> None:
    create(Home(tmp_path), {})
    text = (tmp_path / "soundmill.yaml").read_text(encoding="utf-8")
    written = yaml.safe_load(re.sub(r"^(\s*)# (?=\w+:)", r"\1", text, flags=re.MULTILINE))
    found = settings_schema()
    assert found["$id"] == "urn:soundmill:schema:settings:1"

    def compare(read: dict[str, object], described: dict[str, Any]) -> None:
        values = {"on" if name is True else name: value for name, value in read.items()}  # as YAML 1.1 reads alerts.on
        described = found["$defs"][described["$ref"].rpartition("/")[2]] if "$ref" in described else described
        assert values.keys() == described["properties"].keys()
        # Scorers that plugins bring have keys of their own there.
        assert described["additionalProperties"] is (described["title"] == "ScoringConfig")
        for name, value in values.items():
            if isinstance(value, dict):
                compare(value, described["properties"][name])
            else:
                assert described["properties"][name]["description"]

    compare(written, found)
