"""The rules of the house, kept by walking the source: who may import whom, how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "daemon" / "soundmill"
STAGES = ("inbox", "schedule", "engine", "audio", "quality", "catalog", "report", "publish")
NOUNS = {"soundmill", "soundmill.jobs", "soundmill.errors"}
HEAVY = {"torch", "torchaudio", "transformers", "audiocraft", "tokenizers"}
NUMERIC = {"numpy", "scipy", "soundfile"}
COMPOSITION_ROOTS = {"engine/finishing.py"}
# The one seam that two stages name: a worker's type annotations speak of the engine it is handed.
SEAMS_FOR_TYPES = {"soundmill.engine.protocol"}
WRITING_SQL = re.compile(r"\s*(INSERT (OR \w+ )?INTO|REPLACE INTO|UPDATE \w+ SET|DELETE FROM) ", re.IGNORECASE)
TOP_LEVEL = {
    "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "requirements.lock",
    "daemon", "inbox_examples", "systemd", "tests", "benchmarks", "training", "docs",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path


def imports(path: Path, *, for_types: bool) -> Iterator[str]:
    """Modules imported at run time, or with `for_types` only under TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if (id(node) in typed) is not for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(names: Iterator[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "soundmill"}


@pytest.mark.parametrize("module", ["jobs.py", "errors.py"])
def test_the_shared_nouns_import_nothing_of_ours(module: str) -> None:
    assert ours(imports(PACKAGE / module, for_types=False)) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_only_the_nouns_and_itself(stage: str) -> None:
    for name, path in modules():
        if not name.startswith(f"{stage}/") or name in COMPOSITION_ROOTS:
            continue
        for for_types, allowed in ((False, NOUNS), (True, NOUNS | SEAMS_FOR_TYPES)):
            for imported in ours(imports(path, for_types=for_types)):
                inside = imported.startswith(f"soundmill.{stage}")
                noun = any(imported == a or (a != "soundmill" and imported.startswith(f"{a}.")) for a in allowed)
                assert inside or noun or imported == "soundmill.__version__", f"{name} imports {imported}"


def test_torch_and_its_kin_are_imported_under_engine_alone() -> None:
    for name, path in modules():
        heavy = {i.split(".")[0] for i in imports(path, for_types=False)} & HEAVY
        assert not heavy or name.startswith("engine/"), f"{name} imports {heavy}"


def reached(start: str) -> set[str]:
    """All modules that importing `start` can bring in, ours and others'."""
    found, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        path = PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py")
        if name not in found and path.is_file():
            waiting += imports(path, for_types=False)
        found.add(name)
    return found


def test_the_scoring_process_does_without_audiocraft() -> None:
    """Which takes longer to import than the scorers' own libraries."""
    assert "soundmill.engine.scorers.clap" in reached("soundmill.engine.scorers.server")
    assert not {name for name in reached("soundmill.engine.scorers.server") if name.split(".")[0] == "audiocraft"}
    assert "audiocraft" in {name.split(".")[0] for name in reached("soundmill.engine.process.host")}


def test_sql_that_writes_lives_in_the_catalog() -> None:
    for name, path in modules():
        if name.startswith("catalog/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not WRITING_SQL.match(node.value), f"{name} line {node.lineno}"


def test_no_file_is_longer_than_500_lines() -> None:
    long = {n: count for n, p in modules() if (count := len(p.read_text(encoding="utf-8").splitlines())) > 500}
    assert not long


def test_the_top_level_holds_what_the_design_names_and_nothing_else() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL


def test_the_daemon_imports_no_torch_and_no_numpy() -> None:
    probe = (
        "import sys, soundmill.service.daemon, soundmill.cli\n"
        f"print([m for m in {sorted(HEAVY | NUMERIC)!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
