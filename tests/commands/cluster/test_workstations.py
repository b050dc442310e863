"""Machines that join over ssh, with an ssh that runs the command here and notes how it was called."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundmill.commands.cluster import workstations
from soundmill.errors import UsageError
from soundmill.home import Home

SSH = """#!/bin/sh
echo "$@" >> "{folder}/called"
while [ "$1" != "--" ]; do shift; done
shift 2
exec sh -c "$@"
"""
FAR = """#!/bin/sh
cat > "{folder}/heard"
echo "$@" > "{folder}/asked"
echo "goes on in process 7"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("ssh", SSH), ("far", FAR)):
        script = tmp_path / name
        script.write_text(text.format(folder=tmp_path))
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_host_joins_with_a_token_that_stands_in_no_list_of_processes(folder: Path) -> None:
    said: list[object] = []
    assert workstations._join("operator@ws2", "10.0.0.1:6379", "s3cret" * 8, "far", said.append)
    assert (folder / "heard").read_text() == "s3cret" * 8
    assert (folder / "asked").read_text().strip() == "cluster join 10.0.0.1:6379 --token-stdin --detach"
    called = (folder / "called").read_text()
    assert "s3cret" not in called and "BatchMode=yes" in called and "-- operator@ws2 " in called
    assert said == ["operator@ws2: goes on in process 7"]


def test_a_host_that_cannot_be_reached_is_said_in_a_line(folder: Path) -> None:
    (folder / "ssh").write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    said: list[object] = []
    assert not workstations._join("ws3", "10.0.0.1:6379", "token", "soundmill", said.append)
    assert said == ["ws3: Permission denied (publickey)."]


def test_a_machine_without_ssh_is_told_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder / "nothing"))
    with pytest.raises(UsageError, match="openssh-client"):
        workstations.ssh("ws2", "true")


def test_what_was_never_started_cannot_be_ended(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in no cluster"):
        workstations.down(Home(tmp_path), soundmill="soundmill", say=print)
