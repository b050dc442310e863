"""What a notebook is given by `import soundmill`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import soundmill
from service.conftest import config, quick_engine
from soundmill.errors import CatalogError, InvalidControl, UsageError
from soundmill.home import Home
from soundmill.service.daemon import Service

ROOT = Path(__file__).resolve().parents[1]
COSTLY = ("torch", "transformers", "audiocraft", "numpy", "scipy", "pydantic", "yaml", "rich")


def loaded_by(code: str) -> set[str]:
    """Which costly packages a fresh interpreter has loaded after `code`."""
    probe = f"import sys; {code}; print(*[name for name in {COSTLY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_soundmill_costs_nothing() -> None:
    assert loaded_by("import soundmill") == set()


def test_reading_the_catalogue_loads_only_what_reads() -> None:
    assert loaded_by("import soundmill; soundmill.catalogue") == set()


def test_submitting_loads_nothing_that_computes() -> None:
    assert loaded_by("import soundmill; soundmill.submit") <= {"pydantic", "yaml"}


def test_the_names_are_announced_and_no_others_answer() -> None:
    assert set(soundmill.__all__) <= set(dir(soundmill))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        soundmill.nothing  # noqa: B018


def test_nothing_is_submitted_where_no_home_is_set_up(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("prompt\nx\n")
    with pytest.raises(UsageError, match="soundmill init"):
        soundmill.submit(file, home=tmp_path / "home")


def test_one_file_or_several_are_submitted_to_the_home_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.create()
    names = ["a.csv", "b.csv"]
    for name in names:
        (tmp_path / name).write_text(f"prompt\n{name}\n")
    monkeypatch.setenv("SOUNDMILL_HOME", str(home.root))
    assert soundmill.submit([tmp_path / name for name in names]) == [home.inbox / name for name in names]
    assert soundmill.submit(str(tmp_path / "a.csv"), again=True) == [home.inbox / "a.again.csv"]


def test_a_catalogue_that_is_not_there_yet_is_said(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="soundmill init"):
        soundmill.catalogue(tmp_path)


def test_the_examples_of_the_docs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In their order, in one folder, with a daemon that works off the inbox after each."""
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "mill")
    home.root.mkdir()
    home.create()
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), {})
        Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine).run(
            once=True
        )
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "themes finished 2 of 2"
    assert printed[1].startswith("0001-calm-piano ") and printed[1].endswith("themes/0001-calm-piano.wav")
    with soundmill.catalogue(home.root) as catalogue, pytest.raises(InvalidControl, match="did you mean themes"):
        catalogue.jobs("theme")
