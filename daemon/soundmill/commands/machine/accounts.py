"""The user that the service runs as, its groups and its folder."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from soundmill.commands.machine import units
from soundmill.commands.machine.steps import Steps, run
from soundmill.errors import SoundmillError


def make_accounts(steps: Steps, droppers: str | None) -> None:
    if not _exists(grp.getgrnam, units.ACCOUNT):
        steps.run("groupadd", "--system", units.ACCOUNT)
    if not _exists(pwd.getpwnam, units.ACCOUNT):
        home = str(units.STATE / units.ACCOUNT)
        about = ("--comment", "Soundmill", "--home-dir", home, "--no-create-home", "--shell", "/usr/sbin/nologin")
        steps.run("useradd", "--system", "--gid", units.ACCOUNT, *about, units.ACCOUNT)
    if droppers is not None and not _exists(grp.getgrnam, droppers):
        steps.run("groupadd", "--system", droppers)


def _exists(look_up: Callable[[str], object], name: str) -> bool:
    try:
        look_up(name)
    except KeyError:
        return False
    return True


def must_reach(program: Sequence[str], dry: bool) -> None:
    """The service's user must be able to run what this is."""
    if dry or run(*program, "--version", user=units.ACCOUNT).returncode == 0:
        return
    raise SoundmillError(
        f"user {units.ACCOUNT} cannot run {program[0]}: install Soundmill, and the Python it uses "
        f"({os.path.realpath(sys.executable)}), where everybody may read them, as in /opt/soundmill"
    )


def take(root: Path, mode: int) -> None:
    """Make the home's folder, or take an empty one. Raises SoundmillError where it is somebody else's."""
    account = pwd.getpwnam(units.ACCOUNT)
    root.mkdir(parents=True, exist_ok=True)
    owner = root.stat().st_uid
    if owner != account.pw_uid and any(root.iterdir()):
        raise SoundmillError(
            f"{root}: belongs to {name_of(owner)}; if the service shall have it: sudo chown -R {units.ACCOUNT}: {root}"
        )
    os.chown(root, account.pw_uid, account.pw_gid)
    root.chmod(mode)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
