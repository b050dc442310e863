"""Job files written of takes: the inbox takes them, and they ask for what their names say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inbox.conftest import make_rules
from publish.conftest import HOSTILE
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.publish.desk import drafts


@pytest.fixture
def context(tmp_path: Path) -> Any:
    return make_rules(tmp_path)


TAKE: dict[str, Any] = {
    "batch": "forest", "job": "clip-001", "audio": "forest/clip-001.wav", "prompt": "mossy: forest # at dawn",
    "model": "tiny", "duration": 4.0, "temperature": 0.9, "top_k": 200, "top_p": 0.0, "cfg_coef": 3.5, "format": "ogg",
    "labels": {"scene": "cave", "owner": "Ann & Bo"}, "duration_s": 4.0, "seed": 7,
}  # fmt: skip


@pytest.mark.parametrize(
    "prompt", [TAKE["prompt"], HOSTILE, "- *&!|>%@`", "yes", "12", "a {place} in {{braces}}", "音楽 🎵"]
)
def test_more_of_a_take_has_its_settings_and_other_seeds(prompt: str, context: Any) -> None:
    name, text = drafts.more_like([TAKE | {"prompt": prompt}])
    spec = read_jobs(text.encode(), name, context)
    jobs = list(spec.jobs)
    assert spec.name == "forest-more" and len(jobs) == drafts.MORE
    for job in jobs:
        assert (job.prompt, job.model, job.labels) == (prompt, "tiny", TAKE["labels"])
        assert {
            key: getattr(job.parameters, key) for key in ("duration", "temperature", "top_k", "top_p", "cfg_coef")
        } == {key: TAKE[key] for key in ("duration", "temperature", "top_k", "top_p", "cfg_coef")}
    assert len({job.seed for job in jobs}) == len(jobs) and TAKE["seed"] not in {job.seed for job in jobs}


def test_more_of_several_takes_keeps_apart_what_differs_and_what_has_one_name(context: Any) -> None:
    takes = [TAKE, TAKE | {"batch": "other"}, TAKE | {"job": "clip-002", "temperature": 1.2}]
    name, text = drafts.more_like(takes)
    spec = read_jobs(text.encode(), name, context)
    assert spec.job_count == 3 * drafts.MORE
    assert [job.parameters.temperature for job in spec.jobs] == [0.9] * 2 * drafts.MORE + [1.2] * drafts.MORE
    assert text.count("duration: 4.0") == 1  # what all share stands once


@pytest.mark.parametrize("temperature", [0.0, 0.1, 1.0, 1.9, 2.0])
def test_around_a_take_one_setting_changes_at_a_time(temperature: float, context: Any) -> None:
    name, text = drafts.around(TAKE | {"temperature": temperature, "prompt": "a {place}"})
    spec = read_jobs(text.encode(), name, context)
    found = {(job.parameters.temperature, job.parameters.cfg_coef) for job in spec.jobs}
    assert (temperature, 3.5) in found and len(found) >= 4
    assert all(t == temperature or c == 3.5 for t, c in found)
    assert {job.prompt for job in spec.jobs} == {"a {place}"}
    assert spec.experiment is not None and spec.experiment["replicates"] == drafts.REPLICATES


def test_what_goes_on_from_a_take_begins_with_it(tmp_path: Path) -> None:
    outputs, inbox = tmp_path / "outputs", tmp_path / "inbox"
    name, text = drafts.go_on_from([TAKE], outputs, inbox)
    assert name == "forest-on.yaml"
    assert "continue_from: ../outputs/forest/clip-001.wav\n" in text and "duration: 8.0\n" in text
    assert "duration: 30.0\n" in drafts.go_on_from([TAKE | {"duration": 20.0, "duration_s": 20.0}], outputs, inbox)[1]
