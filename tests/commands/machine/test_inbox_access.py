"""Who may use a home, with users that exist for it alone: what one of them drops, another one reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundmill.commands.machine.inbox_access import open_inbox
from soundmill.home import Home
from support.missing import missing

DAEMON, ANNA, BEN, COMPOSERS = 64001, 64002, 64003, 64004  # ids of nobody's


@pytest.fixture
def home() -> Iterator[Home]:
    """The daemon's, where others can go; open to the composers."""
    if os.geteuid() != 0:
        missing("to be several users takes root")
    root = Path(tempfile.mkdtemp())  # the folders of pytest are closed to others
    root.chmod(0o751)
    home = Home(root)
    home.create()
    for folder in (root, *(path for path in root.rglob("*"))):
        os.chown(folder, DAEMON, DAEMON)
    try:
        assert open_inbox(home, DAEMON, COMPOSERS, DAEMON) == []
        yield home
    finally:
        shutil.rmtree(root)


def can(script: str, home: Home, user: int, *groups: int) -> bool:
    done = subprocess.run(
        ["sh", "-c", f"umask 077; {script}"], cwd=home.root, user=user, group=user, extra_groups=groups,
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def test_what_a_dropper_keeps_to_itself_the_daemon_reads_and_takes(home: Home) -> None:
    assert can("echo prompt > inbox/a.csv", home, ANNA, COMPOSERS)
    assert (home.inbox / "a.csv").stat().st_gid == COMPOSERS
    assert can("cat inbox/a.csv && mv inbox/a.csv inbox/.claimed/a.csv", home, DAEMON)
    assert can("mv inbox/.claimed/a.csv inbox/accepted/a.csv", home, DAEMON)
    assert can("cat inbox/accepted/a.csv", home, ANNA, COMPOSERS)


def test_others_and_other_folders_stay_closed(home: Home) -> None:
    assert not can("echo prompt > inbox/b.csv", home, BEN)
    assert not can("ls inbox", home, BEN)
    for folder in ("inbox/.claimed", "inbox/.control", "inbox/accepted", "outputs", "."):
        assert not can(f"echo x > {folder}/x", home, ANNA, COMPOSERS), folder
    assert can("echo x > inbox/.control/x.json", home, ANNA, COMPOSERS, DAEMON)
    assert can("cat inbox/.control/x.json && rm inbox/.control/x.json", home, DAEMON)


def test_what_comes_of_it_the_droppers_hear(home: Home) -> None:
    assert can("umask 027; mkdir outputs/a && echo sound > outputs/a/1.wav", home, DAEMON)
    assert can("cat outputs/a/1.wav", home, ANNA, COMPOSERS)
    assert not can("cat outputs/a/1.wav", home, BEN)


def test_a_link_is_not_followed(home: Home, tmp_path: Path) -> None:
    """Whom the home belongs to could lead root to open up something else by one."""
    home.outputs.rmdir()
    home.outputs.symlink_to(tmp_path)
    (home.inbox / "accepted").rmdir()
    (home.inbox / "accepted").symlink_to(tmp_path)
    before = tmp_path.stat()
    notes = open_inbox(home, DAEMON, COMPOSERS, DAEMON)
    assert len(notes) == 2 and all("is a link, which is not followed" in note for note in notes)
    assert (tmp_path.stat().st_gid, tmp_path.stat().st_mode) == (before.st_gid, before.st_mode)
