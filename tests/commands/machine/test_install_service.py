"""What `soundmill install-service` says and asks before it does anything; what it does is in test_installed.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundmill.commands.machine.install_service import install
from soundmill.commands.machine.uninstall_service import uninstall
from soundmill.errors import UsageError


@pytest.fixture
def said() -> list[str]:
    return []


def plan(said: list[str], home: str = "/var/lib/no-such-mill", **given: object) -> None:
    wanted = {"own": False, "model": "tiny", "droppers": None, "ask": None} | given
    install(home, dry=True, say=said.append, **wanted)  # type: ignore[arg-type]


def test_a_dry_run_says_every_step_and_does_none(said: list[str]) -> None:
    plan(said)
    text = "\n".join(said)
    for step in (
        "init --model tiny",
        "verify",
        "daemon-reload",
        "enable",
        "start soundmill.service",
    ):
        assert step in text
    assert "Environment=SOUNDMILL_HOME=/var/lib/no-such-mill" in text  # the unit as it would be
    assert not Path("/var/lib/no-such-mill").exists()
    assert not Path("/etc/systemd/system/soundmill.service").exists()


def test_no_model_is_chosen_for_anybody(said: list[str]) -> None:
    with pytest.raises(UsageError, match="--model tiny is built in"):
        plan(said, model=None)
    plan(said, model=None, ask=lambda question: "audiogen-medium")
    text = "\n".join(said)
    assert "6.9 GB to download" in text and "built in" in text
    assert "init --model facebook/audiogen-medium" in text
    assert "The first job fetches facebook/audiogen-medium; to do that now:" in text


def test_a_home_that_the_next_start_clears_is_refused(said: list[str]) -> None:
    for place in ("/tmp/mill", "/run/mill", "/var/tmp/mill"):
        with pytest.raises(UsageError, match="gone after the next start"):
            plan(said, home=place)


def test_a_group_needs_the_machines_own_service(said: list[str]) -> None:
    with pytest.raises(UsageError, match="leave --user out"):
        plan(said, own=True, droppers="composers")


def test_ones_own_service_takes_no_root_and_no_account(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    plan(said, home="/home/anna/no-such-mill", own=True)
    text = "\n".join(said)
    assert "useradd" not in text and "systemctl --user enable" in text and "loginctl enable-linger" in text
    assert f"write {tmp_path}/systemd/user/soundmill.service" in text


def test_there_is_nothing_to_uninstall_where_nothing_is(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    uninstall(own=True, purge=False, dry=True, say=said.append, ask=None)
    assert said == [f"There is no service of Soundmill's in {tmp_path}/systemd/user."]
