"""The site as the daemon keeps it: a process that is started again when it ends, or answers no more."""

from __future__ import annotations

from collections.abc import Callable

from soundmill.config import WebConfig
from soundmill.errors import SoundmillError
from soundmill.faults import passing
from soundmill.home import Home
from soundmill.publish import site
from soundmill.publish.site import Site
from soundmill.schedule.loop import LoopThread
from soundmill.service.survive import Outlive

RESTART_S = 5.0  # after the last start
AGAIN_S = 30.0  # the same where it could not be started at all
ASKED_EVERY_S = 5.0
STARTING_S = 60.0  # a site that has just been started need not answer yet
SILENT_S = 30.0  # then it is held to hang


class WatchedSite:
    """A site that cannot start costs the pages, not the work: `url` is None while that lasts, and there is an event.

    `outlive(part, step)` does a step and is False when it failed by what passes.
    """

    def __init__(
        self,
        home: Home,
        web: WebConfig,
        record: Callable[[str, str], None],
        outlive: Outlive,
        clock: Callable[[], float],
        *,
        asked_every_s: float = ASKED_EVERY_S,
    ) -> None:
        self._home = home
        self._web = web
        self._record = record
        self._outlive = outlive
        self._clock = clock
        self._asked_every_s = asked_every_s
        self._unavailable: str | None = None
        self._pulse: LoopThread | None = None
        self._start()
        self._watch()

    @property
    def url(self) -> str | None:
        return self._site.url if self._site is not None else None

    def check(self) -> None:
        self._watch()
        waited_s = self._clock() - self._started_at
        if self._site is None:
            if waited_s >= AGAIN_S:
                self._start()
            return
        if waited_s < RESTART_S:
            return
        if not self._site.running:
            self._record("site restarted", f"the site ended with exit status {self._site.process.returncode}")
        elif self._hangs is self._site:
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
        if self._pulse is not None:
            self._pulse.stop()
        if self._site is not None:
            self._site.stop()

    def _start(self) -> None:
        self._started_at = self._clock()
        self._silent_since: float | None = self._started_at + STARTING_S
        self._hangs: Site | None = None
        self._site: Site | None = None
        try:
            passing("site.start")
            self._site = site.start(
                self._home.catalog,
                self._home.outputs,
                self._web.host,
                self._web.port,
                hosts=self._web.hosts,
                base_url=self._web.base_url,
            )
            self._unavailable = None
        except (SoundmillError, OSError) as error:
            if str(error) != self._unavailable:
                self._unavailable = str(error)
                self._record("site unavailable", self._unavailable)

    def _watch(self) -> None:
        """See that there is a thread that asks: a site that hangs may not hold up the daemon that watches it."""
        if self._pulse is None or not self._pulse.alive:
            self._outlive("watch over the site", self._start_pulse)

    def _start_pulse(self) -> None:
        pulse = LoopThread("site-pulse", lambda: self._feel_pulse(pulse), clock=self._clock)
        pulse.start()
        self._pulse = pulse

    def _feel_pulse(self, thread: LoopThread) -> None:
        self._outlive("watch over the site", self._ask)
        thread.pause(self._asked_every_s)

    def _ask(self) -> None:
        """A site hangs that left two questions so far apart without an answer, and any between them; a question that
        could not be put shows nothing. Raises OSError then."""
        asked, at = self._site, self._clock()
        if asked is None:
            return
        try:
            answered = site.is_healthy(asked.host, asked.port)
        except OSError:
            if asked is self._site:
                self._silent_since = None
            raise
        if asked is not self._site:
            return
        if answered:
            self._silent_since = self._hangs = None
        elif self._silent_since is None:
            self._silent_since = at
        elif at - self._silent_since > SILENT_S:
            self._hangs = asked
