"""The systemd that the units are for: the machine's, or a user's own."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from soundmill.commands.machine import units
from soundmill.commands.machine.steps import run
from soundmill.errors import SoundmillError, UsageError

SYSTEMD_RUNS = Path("/run/systemd/system")  # sd_booted(3)
LINES = "20"  # of the log, when something does not start


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """The systemd that the units are for: the machine's, or a user's own."""

    own: bool
    folder: Path  # of the units
    home: str | None  # the default one; None is find_home's
    flags: tuple[str, ...]  # of systemctl and journalctl

    def path(self, name: str) -> Path:
        return self.folder / name

    def installed(self) -> str | None:
        """The daemon's unit as it is."""
        try:
            return self.path(units.DAEMON).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None


def manager_of(*, own: bool) -> Manager:
    if own:
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
        return Manager(own=True, folder=settings / "systemd" / "user", home=None, flags=("--user",))
    return Manager(own=False, folder=Path("/etc/systemd/system"), home=str(units.STATE / "soundmill"), flags=())


def must_be_possible(manager: Manager, dry: bool, command: str) -> None:
    if dry:
        return
    if shutil.which("systemctl") is None or not SYSTEMD_RUNS.is_dir():
        raise SoundmillError("systemd does not run this machine (is it a container?); start the daemon: soundmill run")
    if not manager.own and os.geteuid() != 0:
        raise UsageError(
            f"{command} changes the machine's services, which takes root: sudo soundmill {command}; "
            f"or, for a service of your own: soundmill {command} --user"
        )
    if manager.own and run("systemctl", "--user", "show-environment").returncode != 0:
        raise SoundmillError(
            "your own systemd cannot be reached: log in as this user (not through su or sudo), or as root: "
            "loginctl enable-linger USER"
        )


def log_of(manager: Manager) -> str:
    names = [part for name in units.NAMES for part in ("--unit", name)]
    return run("journalctl", *manager.flags, *names, "--lines", LINES, "--no-pager", "--output", "cat").stdout.rstrip()
