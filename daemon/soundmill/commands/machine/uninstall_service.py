"""`soundmill uninstall-service`: what install-service has put there, taken away; the home only on purpose."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from soundmill.commands.machine import units
from soundmill.commands.machine.manager import manager_of, must_be_possible
from soundmill.commands.machine.steps import Steps
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home
from soundmill.words import count

Ask = Callable[[str], str]


def uninstall(*, own: bool, purge: bool, dry: bool, say: Callable[[str], None], ask: Ask | None) -> None:
    """Stop the services and take their units away; with `purge` also the home, its user and the weights, after `ask`
    was answered with the home's path. Raises SoundmillError."""
    manager, steps = manager_of(own=own), Steps(say, dry=dry)
    must_be_possible(manager, dry, "uninstall-service")
    former = manager.installed()
    there = [name for name in units.NAMES if manager.path(name).exists()]
    home = units.home_of(former or "")
    if purge:
        _must_be_meant(home, ask, dry)
    if not there:
        say(f"There is no service of Soundmill's in {manager.folder}.")
        return
    steps.run("systemctl", *manager.flags, "disable", "--now", *reversed(there))
    for name in there:
        steps.do(f"remove {manager.path(name)}", manager.path(name).unlink)
    steps.run("systemctl", *manager.flags, "daemon-reload")
    steps.run("systemctl", *manager.flags, "reset-failed", *there, otherwise="")
    if not purge or home is None:
        if home is not None:
            say(f"The home {home} is as it was.")
        return
    steps.do(f"delete {home}", lambda: shutil.rmtree(home))
    if not own:
        steps.do(f"delete {units.CACHE.parent}", lambda: shutil.rmtree(units.CACHE.parent, ignore_errors=True))
        steps.run("userdel", units.ACCOUNT, otherwise="")


def _must_be_meant(home: Path | None, ask: Ask | None, dry: bool) -> None:
    if home is None or not Home(home).config_file.is_file():
        raise SoundmillError("no home of a service is known here, so there is none to delete; delete it by hand")
    if dry:
        return
    if ask is None:
        raise UsageError("--purge deletes every take, and asks on a terminal before it does; there is none")
    takes = sum(1 for path in Home(home).outputs.rglob("*.json") if path.is_file())
    if ask(f"This deletes {home} with {count(takes, 'take')}. Type its path to go on") != str(home):
        raise SoundmillError("nothing was deleted, and the service is as it was")
