"""What a release contains, and that it is all it takes: a wheel and the lock it goes in with (docs/install.md)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support.missing import missing

ROOT = Path(__file__).resolve().parents[1]
# With this set the lock is installed anew: 6 GB and two minutes, as .ci/run does. Otherwise what is installed serves.
FULL = os.environ.get("SOUNDMILL_RELEASE") == "full"


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        missing("not a git checkout, or no git")
    return [line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of a copy of what git tracks."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in tracked():
        if name.startswith(("daemon/", "inbox_examples/", "systemd/")) or "/" not in name:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(out), str(tree)], check=True, timeout=120)
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    package = "daemon/soundmill/"
    links = {"examples": "inbox_examples/", "commands/machine/units": "systemd/"}  # folders of the top level
    wanted = {
        name.removeprefix("daemon/")
        for name in tracked()
        if name.startswith(package) and name.removeprefix(package) not in links
    }
    for inside, outside in links.items():
        wanted |= {f"soundmill/{inside}/{Path(n).name}" for n in tracked() if n.startswith(outside)}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_the_lock_carries_no_addresses() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and " @ " not in text


def test_the_wheel_and_the_lock_are_all_it_takes(wheel: Path, tmp_path: Path) -> None:
    """An empty environment gets both and nothing else, and a job file becomes audio in it."""
    environment, home = tmp_path / "venv", tmp_path / "home"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120)
    python = environment / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        str(python),
        "install",
        "--quiet",
    ]
    install += ["--no-deps"]
    if FULL:
        subprocess.run([*install, "-r", str(ROOT / "requirements.lock")], check=True, timeout=1500)
    else:
        site = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
        (site / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n")  # not its own .pth files: no checkout
    subprocess.run([*install, "--no-index", str(wheel)], check=True, timeout=120)

    def run(*arguments: str) -> str:
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SOUNDMILL_HOME")}
        done = subprocess.run(
            [str(environment / "bin" / "soundmill"), "--home", str(home), *arguments],
            capture_output=True, text=True, cwd=tmp_path, env=environ, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = [str(python), "-c", "import soundmill; print(soundmill.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, cwd=tmp_path, env={}, check=True, timeout=60)
    assert Path(found.stdout.strip()).is_relative_to(environment)

    jobs = tmp_path / "one.csv"
    jobs.write_text("prompt,duration\ncalm piano,0.5\n", encoding="utf-8")
    run("init", "--model", "tiny")
    run("submit", str(jobs))
    run("run", "--once", "--no-web")
    (job,) = json.loads(run("jobs", "--json"))
    assert job["status"] == "succeeded"
    assert len(list(home.rglob("outputs/one/*.wav"))) == 1 and (home / "outputs" / "one" / "report.html").is_file()
