"""A sampling parameter is named where docs/extending.md says, and nowhere else in the package."""

from __future__ import annotations

import ast
from dataclasses import asdict, fields
from pathlib import Path

import soundmill
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import Parameters

PACKAGE = Path(str(soundmill.__file__)).parent
DECLARED = {"jobs.py", "inbox/jobfile/written.py", "engine/decoder/sampling.py"}
# What these name is theirs: guidance costs a second row, AudioCraft has arguments of its own, people have other words,
# a benchmark and a small sweep vary two of them, kernels that lack one are not used, and their trial varies each.
PARTICULAR = {
    "engine/decoder/slots.py", "engine/decoder/loop.py", "engine/decoder/programs.py", "engine/decoder/trial.py",
    "engine/audiocraft/static_backend.py",
    "inbox/jobfile/vocabulary.py", "commands/bench.py", "publish/desk/drafts.py",
}  # fmt: skip
SAMPLING = {each.name for each in fields(Parameters)} - {"duration"}


def named_in(path: Path) -> set[str]:
    """Sampling parameters that the code of a file names: as a variable, an attribute, an argument or a word."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (getattr(node, key, None) for key in ("id", "attr", "arg", "value"))
        found |= {name for name in names if isinstance(name, str)}
    return found & SAMPLING


def test_a_sampling_parameter_is_named_where_it_is_declared_alone() -> None:
    naming = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if named_in(path)}
    assert naming == DECLARED | PARTICULAR
    text = (PACKAGE.parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    section = text.split("## A new sampling parameter")[1].split("\n## ")[0]
    assert all(f"`daemon/soundmill/{name}`" in section for name in DECLARED)


def test_every_sampling_parameter_is_a_column_and_a_control(rules: Rules) -> None:
    wanted = {"duration": 2.5, "temperature": 0.5, "top_k": 7, "top_p": 0.25, "cfg_coef": 2.0}
    assert wanted.keys() == {each.name for each in fields(Parameters)}
    row = f"prompt,{','.join(wanted)}\ncalm piano,{','.join(map(str, wanted.values()))}\n"
    (job,) = read_jobs(row.encode(), "one.csv", rules).jobs
    assert asdict(job.parameters) == wanted
    defaults = ", ".join(f"{name}: {value}" for name, value in wanted.items())
    text = f"defaults: {{prompt: '{{mood}}', {defaults}}}\nexperiment: {{factors: {{mood: [a, b]}}}}\n"
    plan = read_jobs(text.encode(), "one.yaml", rules).experiment
    assert plan is not None and isinstance(plan["controls"], dict)
    assert {name: plan["controls"][name] for name in wanted} == wanted
