from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.missing import missing

UNITS = sorted((Path(__file__).resolve().parents[1] / "systemd").glob("*.service"))


def test_there_is_a_unit_for_the_daemon_and_one_for_the_site() -> None:
    assert [unit.name for unit in UNITS] == ["soundmill-web.service", "soundmill.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_to_complain_about(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed; .ci/run does that")
    for other in UNITS:  # the program's path must exist for verify
        text = other.read_text().replace("/opt/soundmill/.venv/bin/soundmill", "/bin/true")
        (tmp_path / other.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in done.stderr.splitlines() if "soundmill" in line]
    assert complaints == [] and done.returncode == 0, done.stderr


@pytest.mark.parametrize(("unit", "most"), [*zip(UNITS, (1.2, 2.0), strict=True)], ids=["site", "daemon"])
def test_little_is_exposed(unit: Path, most: float) -> None:
    """By systemd's own count, from 0 (nothing can be reached) to 10."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed; .ci/run does that")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)], capture_output=True, text=True
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= most


def test_the_daemon_runs_as_its_own_user_and_is_watched() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS[1])
    service = parser["Service"]
    assert service["Type"] == "notify" and service["User"] == "soundmill"
    assert int(service["WatchdogSec"]) > 60  # a round may take a minute before it counts as stuck
    assert service["Restart"] == "always"  # also what ends as if it had done its work
    assert service["OOMPolicy"] == "continue"  # the default ends the daemon with its engine
