"""What becomes of job files, by tests/data/read.txt: each problem whole, or each job with all that was asked of it.

The file has the name of each and its text, as JSON, then line by line what becomes of it; behind an @ which HOMES
reads it. `python -m inbox.jobfile.test_read` writes that anew: look at what it has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from inbox.conftest import make_rules
from soundmill.errors import InvalidJobFile, Problem
from soundmill.inbox.jobfile.naming.pattern import Naming, Pattern
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import JobSpec

NOWHERE = Path("/nonexistent/in")
USUALLY = make_rules(NOWHERE, max_jobs=100)
HOMES = {
    "": USUALLY,
    "small": replace(USUALLY, max_jobs=3, default_duration=29.0),
    "fenced": replace(
        USUALLY,
        input_folders=(NOWHERE,),
        profiles=frozenset({"game", "web", "wwise"}),
        delivery_folders=(Path("/deliveries"), Path("/mnt/share")),
    ),
    "named": replace(USUALLY, naming=Naming(pattern=Pattern("MX_{scene}_{take:02}"), key="names", line=None)),
}
CASES = Path(__file__).parents[2] / "data" / "read.txt"
FILE = re.compile(r'# (\S.*?) (".*")\n((?:  .*\n)*)')
USUAL = {
    "model": "tiny", "duration": 10.0, "temperature": 1.0, "top_k": 250, "top_p": 0.0, "cfg_coef": 3.0, "loop": False,
    "bpm": 0.0, "bars": 0, "priority": 0, "format": "wav", "replicate": 1,
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), FILE.findall(CASES.read_text(encoding="utf-8")))
def test_a_job_file_becomes_its_jobs_or_its_problems(name: str, text: str, expected: str) -> None:
    assert shown(name, json.loads(text)) == expected


def shown(name: str, text: str) -> str:
    return "".join(f"  {line}\n" for line in becomes(name, text))


def becomes(name: str, text: str) -> Iterator[str]:
    try:
        file_name, _, home = name.partition(" @")
        batch = read_jobs(text.encode(), file_name, HOMES[home])
        jobs = list(batch.jobs)
    except InvalidJobFile as refused:
        yield from map(said, refused.problems)
        return
    yield f"{batch.name}: {batch.kind}, {batch.job_count}, {batch.on_qc_fail}, {batch.priority}, {batch.labels}"
    for more in (batch.extends, batch.deliver, batch.experiment):
        if more is not None:
            yield repr(more)
    yield from map(told, jobs)


def said(problem: Problem) -> str:
    """As people read it, with the value that they see in a program's list alone."""
    value = problem.value if problem.field is None else None
    return str(problem) + ("" if value is None else f" [{value}]")


def told(job: JobSpec) -> str:
    """The job without what is usual."""
    found = asdict(job)
    found |= found.pop("parameters") | {"format": str(job.format)}
    return repr({name: value for name, value in found.items() if value not in ({}, None, USUAL.get(name))})


if __name__ == "__main__":
    cases = FILE.findall(CASES.read_text(encoding="utf-8"))
    CASES.write_text("\n".join(f"# {name} {text}\n{shown(name, json.loads(text))}" for name, text, _ in cases), "utf-8")
