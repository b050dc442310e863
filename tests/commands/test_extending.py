"""docs/extending.md, "A new command", followed to the letter in a copy of the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from soundmill.home import Home

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The checkout, of which only what the how-to writes into is a copy; the rest is linked."""
    root = tmp_path / "copy"
    package = root / "daemon" / "soundmill"
    package.mkdir(parents=True)
    for path in (ROOT / "daemon" / "soundmill").iterdir():
        if path.name not in ("commands", "cli.py", "__pycache__"):
            (package / path.name).symlink_to(path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "daemon" / "soundmill" / "commands", package / "commands", ignore=ignored)
    shutil.copy(ROOT / "daemon" / "soundmill" / "cli.py", package)
    shutil.copy(ROOT / "README.md", root)
    (root / "docs").mkdir()
    for name in ("readme.py", "job-files.md"):
        shutil.copy(ROOT / "docs" / name, root / "docs")
    return root


def test_a_new_command_is_a_file_and_a_declaration(copy: Path, worked_home: Home) -> None:
    """Nothing else needs touching: help lists it, it runs, its errors are one line, and the README tells of it."""
    how_to = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    section = how_to.split("## A new command\n", 1)[1].split("\n## ", 1)[0]
    function, declaration = (textwrap.dedent(found) for found in re.findall(r" +```python\n(.*?) +```", section, re.S))
    package = copy / "daemon" / "soundmill"
    before = {path: path.read_bytes() for path in package.rglob("*.py")}
    [module] = re.findall(r"here the module `soundmill\.(.+?)`", section)
    package.joinpath(*module.split(".")).with_suffix(".py").write_text(function, encoding="utf-8")
    with (package / "cli.py").open("a", encoding="utf-8") as cli:
        cli.write("\n\n" + declaration)
    changed = {path.name for path in package.rglob("*.py") if before.get(path) != path.read_bytes()}
    assert changed == {"cli.py", "folder.py"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(copy / "daemon")}
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, cwd=copy)

    assert "Say where the audio of a BATCH lies." in run("-m", "soundmill", "--help").stdout
    found = run("-m", "soundmill", "--home", str(worked_home.root), "folder", "songs")
    assert (found.stdout, found.returncode) == (f"{worked_home.outputs / 'songs'}\n", 0), found.stderr
    wrong = run("-m", "soundmill", "--home", str(worked_home.root), "folder", "song")
    assert wrong.returncode == 1 and "did you mean songs?" in wrong.stderr and wrong.stderr.count("\n") == 1
    assert run("docs/readme.py", "--check").returncode == 1
    assert run("docs/readme.py").returncode == 0
    assert "| `soundmill folder BATCH` |" in (copy / "README.md").read_text(encoding="utf-8")
