"""A package that adds a check, a scorer and a model is installed, and Soundmill uses all three (docs/plugins.md)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "support" / "example_plugin"
RATE = 16_000

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put the example: a folder on the path, as site-packages is."""
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, source)  # a build leaves folders behind
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", str(target), str(source)], check=True, timeout=120)
    return target


@pytest.fixture
def soundmill(installed: Path, tmp_path: Path) -> Run:
    """Runs a command beside the installed plugin, in a home of its own."""
    return partial(run, tmp_path / "home", [installed])


def run(home: Path, plugins: Sequence[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, with these folders on the path."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, plugins), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "soundmill", "--home", str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=120)


def write(path: Path, hum: float) -> Path:
    time = np.arange(4 * RATE) / RATE
    tones = np.sum([0.1 * np.sin(2 * np.pi * hz * time * (1 + 0.05 * time)) for hz in (110, 220, 331, 447)], axis=0)
    soundfile.write(path, tones + hum * np.sin(2 * np.pi * 50 * time), RATE)
    return path


def check_judges(soundmill: Run, folder: Path) -> None:
    done = soundmill("qc", "--json", str(write(folder / "hums.wav", 0.2)), str(write(folder / "clean.wav", 0.0)))
    hums, clean = json.loads(done.stdout)
    assert done.returncode == 1 and (hums["verdict"], clean["verdict"]) == ("failed", "passed")
    assert "mains hum; at most 10 % is allowed." in json.dumps(hums)


def test_its_check_judges_files(soundmill: Run, tmp_path: Path) -> None:
    check_judges(soundmill, tmp_path)


def test_its_model_makes_a_batch_that_its_check_and_its_scorer_are_on_record_for(
    soundmill: Run, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert soundmill("init", "--model", "beeps").returncode == 0
    settings = home / "soundmill.yaml"
    assert settings.read_text().count("hum_share_max: ") == 3
    with settings.open("a") as file:
        file.write("\nscoring:\n  scorers: [brightness]\n  rank_by: brightness\n")
    jobs = tmp_path / "signals.csv"
    jobs.write_text("prompt,duration,count,keep_best\na beep,0.5,3,1\n")
    assert soundmill("submit", str(jobs)).returncode == 0
    done = soundmill("run", "--once", "--no-web")
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(home / "catalog.db") as db:
        takes = db.execute(
            "SELECT m.hum_share, s.score, o.kept FROM outputs o JOIN measurements m ON m.output_id = o.id"
            " JOIN scores s ON s.output_id = o.id AND s.scorer = 'brightness'"
        ).fetchall()
        checks = {name for (name,) in db.execute("SELECT DISTINCT name FROM checks")}
        models = db.execute("SELECT DISTINCT model FROM jobs").fetchall()
    db.close()
    assert models == [("example/beeps",)] and "hum" in checks
    assert len(takes) == 3 and all(0 <= hum < 0.1 and score > 0 for hum, score, _ in takes)
    assert [kept for _, _, kept in sorted(takes, key=lambda take: -take[1])] == [1, 0, 0]


HOOK = "from soundmill.plugins import hookimpl\n@hookimpl\n"
WRONG = {
    "import": ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
    "raises": (f"{HOOK}def register_quality_checks():\n    return [1 / 0]\n", "ZeroDivisionError"),
    "names": (f"{HOOK}def register_quality_checks():\n    return ['hum']\n", "AttributeError"),
    "hook": (f"{HOOK}def register_hopes():\n    return []\n", "register_hopes"),
}  # what a plugin holds, and what is said of it


@pytest.fixture(scope="module")
def beside(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a command beside the example and, all at once, the wrong ones."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, (module, _) in WRONG.items():
        described = folder / f"wrong_{name}-1.dist-info"
        described.mkdir()
        (folder / f"wrong_{name}_plugin.py").write_text(module)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: wrong_{name}\nVersion: 1\n")
        (described / "entry_points.txt").write_text(f"[soundmill]\nwrong_{name} = wrong_{name}_plugin\n")
    return partial(run, tmp_path_factory.mktemp("beside") / "home", [installed, folder])


@pytest.fixture(scope="module")
def doctor(beside: Run) -> list[dict[str, str]]:
    """What `doctor` says of the plugins."""
    return [each for each in json.loads(beside("doctor", "--json").stdout) if each["about"] == "plugin"]


def test_doctor_lists_it(doctor: list[dict[str, str]]) -> None:
    assert {"level": "ok", "about": "plugin", "finding": "example", "mend": ""} in doctor
    assert len(doctor) == 1 + len(WRONG)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_plugin_is_named(doctor: list[dict[str, str]], wrong: str) -> None:
    (problem,) = [each for each in doctor if f"wrong_{wrong} is left out" in each["finding"]]
    assert problem["level"] == "problem" and WRONG[wrong][1] in problem["finding"]


def test_wrong_plugins_stop_nothing(beside: Run, tmp_path: Path) -> None:
    check_judges(beside, tmp_path)
