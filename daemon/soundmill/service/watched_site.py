"""The site as the daemon keeps it: a process that is started again when it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable

from soundmill.config import WebConfig
from soundmill.errors import SoundmillError
from soundmill.home import Home
from soundmill.publish import site
from soundmill.publish.site import Site

log = logging.getLogger(__name__)

RESTART_S = 5.0  # after the last start


class WatchedSite:
    """A site that cannot start costs the pages, not the work: then `url` is None and there is an event."""

    def __init__(
        self, home: Home, web: WebConfig, record: Callable[[str, str], None], clock: Callable[[], float]
    ) -> None:
        self._home = home
        self._web = web
        self._record = record
        self._clock = clock
        self._start()

    @property
    def url(self) -> str | None:
        return self._site.url if self._site is not None else None

    def check(self) -> None:
        if self._site is None or self._site.running or self._clock() - self._started_at < RESTART_S:
            return
        self._record("site restarted", f"the site ended with exit status {self._site.process.returncode}")
        self._site.stop()
        self._start()

    def use(self, web: WebConfig) -> None:
        """Serve at another address, where it differs."""
        if web != self._web:
            self._web = web
            self.stop()
            self._start()

    def stop(self) -> None:
        if self._site is not None:
            self._site.stop()

    def _start(self) -> None:
        self._started_at = self._clock()
        self._site: Site | None = None
        try:
            self._site = site.start(self._home.catalog, self._home.outputs, self._web.host, self._web.port)
        except (SoundmillError, OSError) as error:
            self._record("site unavailable", str(error))
            log.error("%s", error)
