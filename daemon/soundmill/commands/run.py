"""`soundmill run`: the daemon in a terminal, with its progress, and what came of a `run --once`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from soundmill import __version__, logs
from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.commands.asking.link import offer
from soundmill.config import load
from soundmill.errors import SoundmillError
from soundmill.home import Home
from soundmill.service import wiring
from soundmill.service.daemon import Ended, Service

SHOWN_EVERY_S = 0.5


def run(home: Home, *, once: bool, site: bool, say: Callable[[str], object]) -> None:
    """Work until stopped or, with `once`, until everything is worked off.

    `say` prints a line. Raises SoundmillError when the daemon cannot start or, with `once`, when anything failed.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the daemon listens to it
    config = load(home)
    devices = wiring.devices_of(config)
    bars = None if logs.leads_to_journal() else show.BatchBars(time.monotonic)
    shown_at = 0.0
    reader: Reader | None = None
    url: str | None = None
    reporting_on: str | None = None

    def show_progress() -> None:
        nonlocal shown_at, reader, url, reporting_on
        if service.site_url != url:
            url = service.site_url
            say(f"site: {url}")
            if url is not None:
                offer(home, url, say)
        if service.reporting_on != reporting_on:
            reporting_on = service.reporting_on
            if reporting_on:
                say(f"{reporting_on}: making the report")
        if bars is not None and time.monotonic() - shown_at >= SHOWN_EVERY_S:
            shown_at = time.monotonic()
            reader = reader or Reader.open(home.catalog)
            bars.update(reader.batches(limit=50))

    say(f"soundmill {__version__} on {wiring.place_of(config, devices)}, home {home.root}")
    service = Service(home, config, devices=devices, with_site=site, with_reports=True, on_tick=show_progress)
    try:
        ended = service.run(once=once)
        if bars is not None and reader is not None:
            bars.update(reader.batches(limit=50))
    finally:
        if bars is not None:
            bars.close()
        if reader is not None:
            reader.close()
    if once:
        conclude(home, ended, say)


def conclude(home: Home, ended: Ended, say: Callable[[str], object]) -> None:
    """Say what came of a `run --once`; raises SoundmillError when anything failed."""
    for batch in ended.reports:
        say(f"report: {home.outputs / batch / 'report.html'}")
    for folder in ended.deliveries:
        say(f"delivery: {folder}")
    if ended.outdated:
        which = (
            "report of 1 earlier batch is"
            if ended.outdated == 1
            else f"reports of {ended.outdated} earlier batches are"
        )
        say(f"the {which} out of date by now; made again by: soundmill run")
    if ended.problem:
        raise SoundmillError(ended.problem)
    say(f"files: {ended.accepted} accepted, {ended.rejected} rejected; jobs: {ended.failed} failed")
    if ended.rejected:
        raise SoundmillError(f"files were rejected; the reasons are beside them in {home.inbox / 'rejected'}")
    if not ended.ok:
        raise SoundmillError("jobs failed; see them with: soundmill jobs --status failed")
