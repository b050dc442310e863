"""The units as they are written for a machine: its paths, what is opened for them, and nothing more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from soundmill.commands.machine.install_service import place_of, program_of
from soundmill.commands.machine.units import DAEMON, NAMES, SITE, Place, droppers_of, home_of, rendered, template
from soundmill.config import Config, InboxConfig, WebConfig
from soundmill.home import Home
from support.missing import missing

ROOT = Path(__file__).resolve().parents[3]
USUAL = Place(home=Path("/var/lib/soundmill"), program=("/opt/soundmill/.venv/bin/soundmill",))
PLACES = {
    "usual": USUAL,
    "elsewhere": replace(USUAL, home=Path("/srv/my mill")),
    "among people": replace(USUAL, home=Path('/home/anna/100% "mill"'), reads=(Path("/root/python"),)),
    "outputs elsewhere": replace(USUAL, writes=(Path("/data/outputs"),)),
    "with a group": replace(USUAL, droppers="composers"),
    "of a python": replace(USUAL, program=("/srv/a $b/python3", "-m", "soundmill")),
    "open": replace(USUAL, site_is_open=True),
    "own": replace(USUAL, home=Path("/home/anna/soundmill"), own=True),
}


def settings(name: str, place: Place, key: str) -> list[str]:
    lines = rendered(name, place).splitlines()
    return [line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}=")]


def test_where_nothing_differs_they_are_the_units_that_can_be_read() -> None:
    for name in NAMES:
        assert rendered(name, USUAL) == template(name) == (ROOT / "systemd" / name).read_text()


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_to_complain_about(name: str, place: Place, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed; .ci/run does that")
    there = replace(place, program=("/bin/true", *place.program[1:]))  # the program must exist for verify
    for each in NAMES:
        (tmp_path / each).write_text(rendered(each, there))
    manager = ["--user"] if place.own else []
    done = subprocess.run(
        ["systemd-analyze", *manager, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert [line for line in done.stderr.splitlines() if "soundmill" in line] == [] and done.returncode == 0, (
        done.stderr
    )


@pytest.mark.parametrize("place", [p for n, p in PLACES.items() if n not in ("own", "open")], ids=str)
@pytest.mark.parametrize(("name", "most"), [(SITE, 1.2), (DAEMON, 2.0)])
def test_little_is_exposed_wherever_the_home_is(name: str, most: float, place: Place, tmp_path: Path) -> None:
    """By systemd's own count, from 0 (nothing can be reached) to 10."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed; .ci/run does that")
    (tmp_path / name).write_text(rendered(name, place))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / name)],
        capture_output=True,
        text=True,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= most


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_an_upgrade_finds_what_was_chosen(place: Place) -> None:
    unit = rendered(DAEMON, place)
    assert home_of(unit) == place.home and droppers_of(unit) == place.droppers


def test_a_home_is_opened_as_its_place_needs_it() -> None:
    assert settings(DAEMON, replace(USUAL, home=Path("/var/lib/mills/one")), "StateDirectory") == ["mills/one"]
    elsewhere = PLACES["elsewhere"]
    for name in NAMES:
        assert settings(name, elsewhere, "StateDirectory") == []
        assert settings(name, elsewhere, "ReadWritePaths") == ['"/srv/my mill"']
        assert settings(name, elsewhere, "RequiresMountsFor") == ['"/srv/my mill"']
        assert settings(name, elsewhere, "ProtectHome") == ["yes"]
        people = PLACES["among people"]
        assert settings(name, people, "ProtectHome") == ["tmpfs"]
        assert settings(name, people, "BindPaths") == [r'"/home/anna/100%% \"mill\""']
        assert settings(name, people, "BindReadOnlyPaths") == ["-/root/python"]
        assert settings(name, PLACES["outputs elsewhere"], "ReadWritePaths") == ["/data/outputs"]
        assert settings(name, PLACES["with a group"], "SupplementaryGroups") == ["composers"]
        assert settings(name, PLACES["with a group"], "StateDirectoryMode") == ["0751"]
    assert settings(SITE, PLACES["of a python"], "ExecStart") == ['"/srv/a $$b/python3" -m soundmill web']
    assert settings(SITE, PLACES["open"], "IPAddressDeny") == []
    assert settings(SITE, USUAL, "IPAddressDeny") == ["any"]


def test_a_users_own_need_nothing_that_only_the_system_can_do() -> None:
    for name in NAMES:
        text = rendered(name, PLACES["own"])
        assert not re.search(
            "^(User|Group|Protect|Private|Device|IPAddress|Capability|StateDirectory|.*HF_HOME)", text, re.M
        )
        assert "NoNewPrivileges=yes" in text and "SystemCallFilter=@system-service" in text
        assert "WantedBy=default.target" in text and "multi-user" not in text


def test_links_inputs_and_the_python_are_found(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    (tmp_path / "disk").mkdir()
    home.outputs.rmdir()
    home.outputs.symlink_to(tmp_path / "disk")
    config = Config(inbox=InboxConfig(input_folders=("/home/anna/loops",)), web=WebConfig(host="0.0.0.0"))
    place = place_of(home, config, program_of(sys.executable), "composers", own=False)
    assert place.writes == [tmp_path / "disk"] and place.site_is_open and place.droppers == "composers"
    assert {Path("/home/anna/loops"), Path(sys.base_prefix), ROOT / "daemon"} <= set(place.reads)
