"""Deliveries that people asked for on the site: `soundmill deliver`, in a process of low priority, one at a time.

Nothing is tried again: somebody waits for it, hears why it was not made, and asks again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from soundmill.catalog.asking.deliveries import Wanted
from soundmill.deliver import manifest
from soundmill.errors import SoundmillError
from soundmill.home import Home
from soundmill.inbox.jobfile.naming.slugs import slug
from soundmill.service.aside.deliveries import DEADLINE_PER_JOB_S, DEADLINE_S
from soundmill.service.aside.process import Aside, start
from soundmill.words import count

log = logging.getLogger(__name__)

LONGEST_NAME = 60


class Ledger(Protocol):
    """What they need of the catalogue."""

    def next_wanted(self) -> Wanted | None: ...
    def delivery_begun(self, ulid: str) -> None: ...
    def delivery_ended(self, ulid: str, said: str, *, folder: str | None, zip_file: str | None) -> None: ...


def folder_of(wanted: Wanted) -> str:
    """The folder below the home's deliveries: one for each batch or shortlist, and profile."""
    parts = [] if wanted.of == "batch" else ["picks"]
    return "-".join([*parts, slug(wanted.target, LONGEST_NAME, "takes"), slug(wanted.profile, LONGEST_NAME, "profile")])


def asked_command(home: Home) -> Callable[[Wanted], list[str]]:
    def command(wanted: Wanted) -> list[str]:
        options = ["--to", str(home.deliveries / folder_of(wanted)), "--profile", wanted.profile]
        options += ["--zip"] if wanted.zipped else []
        options += ["--allow-non-commercial"] if wanted.rights else []
        options += ["--list"] if wanted.of == "shortlist" else []
        return [sys.executable, "-m", "soundmill", "--home", str(home.root), "deliver", *options, "--", wanted.named]

    return command


class AskedDeliveries:
    """Has them made, and tells what became of each. `tick` never waits."""

    def __init__(
        self, ledger: Ledger, home: Home, command: Callable[[Wanted], Sequence[str]], steady: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._home = home
        self._command = command
        self._steady = steady
        self._running: tuple[Wanted, Aside] | None = None

    @property
    def worked_off(self) -> bool:
        return self._running is None and self._ledger.next_wanted() is None

    def tick(self) -> None:
        now = self._steady()
        if self._running is not None and self._running[1].ended(now):
            self._look_after(*self._running, now)
        if self._running is None and (wanted := self._ledger.next_wanted()) is not None:
            self._ledger.delivery_begun(wanted.ulid)
            deadline = DEADLINE_S + DEADLINE_PER_JOB_S * wanted.takes
            self._running = wanted, start(self._command(wanted), now, deadline)

    def stop(self) -> None:
        """End the one in the making; the next start of the daemon goes on with it."""
        if self._running is not None:
            self._running[1].kill()
            self._running[1].close()
            self._running = None

    def _look_after(self, wanted: Wanted, aside: Aside, now: float) -> None:
        trouble = aside.trouble(now)
        folder = folder_of(wanted)
        if trouble is None:
            zip_file = f"{folder}.zip" if wanted.zipped else None
            self._ledger.delivery_ended(wanted.ulid, self._sentence(folder), folder=folder, zip_file=zip_file)
        else:
            # Whoever reads the site need not know where on the machine the home is.
            said = trouble.removeprefix("soundmill: ").replace(f"{self._home.root}/", "")
            self._ledger.delivery_ended(wanted.ulid, said, folder=None, zip_file=None)
        aside.close()
        self._running = None
        log.info("delivery of %s by %s: %s", wanted.target, wanted.profile, trouble or "made")

    def _sentence(self, folder: str) -> str:
        try:
            found = manifest.read(self._home.deliveries / folder) or {"files": []}
        except SoundmillError as error:  # somebody was at it in this moment
            return str(error)
        files = found["files"]
        short = sum(1 for entry in files if entry["short_by_lu"])
        under = f"; {short} under the loudness that was asked, manifest.csv says by how much" if short else ""
        return f"{count(len(files), 'file')} in deliveries/{folder}{under}"
