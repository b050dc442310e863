"""The site as the daemon keeps it: a process that is started again when it ends, or answers no more."""

from __future__ import annotations

import logging
from collections.abc import Callable

from soundmill.config import WebConfig
from soundmill.errors import SoundmillError
from soundmill.faults import passing
from soundmill.home import Home
from soundmill.publish import site
from soundmill.publish.site import Site
from soundmill.schedule.loop import LoopThread

log = logging.getLogger(__name__)

RESTART_S = 5.0  # after the last start
ASKED_EVERY_S = 5.0
STARTING_S = 60.0  # a site that has just been started need not answer yet
SILENT_S = 30.0  # then it is held to hang


class WatchedSite:
    """A site that cannot start costs the pages, not the work: then `url` is None and there is an event."""

    def __init__(
        self,
        home: Home,
        web: WebConfig,
        record: Callable[[str, str], None],
        clock: Callable[[], float],
        *,
        asked_every_s: float = ASKED_EVERY_S,
    ) -> None:
        self._home = home
        self._web = web
        self._record = record
        self._clock = clock
        self._asked_every_s = asked_every_s
        self._start()
        # In a thread of its own: a site that hangs may not hold up the daemon that watches it.
        self._pulse = LoopThread("site-pulse", self._feel_pulse, clock=clock)
        self._pulse.start()

    @property
    def url(self) -> str | None:
        return self._site.url if self._site is not None else None

    def check(self) -> None:
        now = self._clock()
        if self._site is None or now - self._started_at < RESTART_S:
            return
        if not self._site.running:
            self._record("site restarted", f"the site ended with exit status {self._site.process.returncode}")
        elif now - self._answered_at > SILENT_S:
            self._record("site restarted", f"the site did not answer for {SILENT_S:g} s")
            passing("site.kill")
            self._site.process.kill()
        else:
            return
        self._site.stop()
        self._start()

    def use(self, web: WebConfig) -> None:
        """Serve at another address, where it differs."""
        if web != self._web:
            self._web = web
            if self._site is not None:
                self._site.stop()
            self._start()

    def stop(self) -> None:
        self._pulse.stop()
        if self._site is not None:
            self._site.stop()

    def _start(self) -> None:
        self._started_at = self._clock()
        self._answered_at = self._started_at + STARTING_S
        self._site: Site | None = None
        try:
            passing("site.start")
            self._site = site.start(
                self._home.catalog, self._home.outputs, self._web.host, self._web.port, hosts=self._web.hosts
            )
        except (SoundmillError, OSError) as error:
            self._record("site unavailable", str(error))
            log.error("%s", error)

    def _feel_pulse(self) -> None:
        asked = self._site
        if asked is not None and site.is_healthy(asked.host, asked.port) and asked is self._site:
            self._answered_at = self._clock()
        self._pulse.pause(self._asked_every_s)
