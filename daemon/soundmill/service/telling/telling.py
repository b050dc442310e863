"""What others hear of the daemon: its heartbeat, its log, the room on its disks, its alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from soundmill.catalog.catalog import Catalog
from soundmill.home import Home
from soundmill.publish.health import pulse
from soundmill.service.survive import Troubles
from soundmill.service.telling.heartbeat import Heartbeat
from soundmill.service.telling.journal import Journal
from soundmill.service.telling.room import Room


class Telling:
    """Of one daemon, from when it is made until `stop`. `clock` gives Unix seconds, `steady` the machine's seconds that
    no change of the date moves."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        troubles: Troubles,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._troubles = troubles
        self._journal = Journal(catalog)
        file = pulse.beside(home.catalog)
        before = pulse.life(pulse.unpacked(catalog.last_beat()), pulse.read(file), now=clock(), steady_s=steady())
        self.heartbeat = Heartbeat(
            catalog, file, clock=clock, steady=steady, troubles=troubles.current, outlive=troubles.outlive
        )
        self._room = Room(
            catalog, {"outputs": home.outputs, "catalogue": home.root}, self._warn, clock=clock, steady=steady
        )
        # The home's lock is ours: whoever beat last has ended.
        self.died: str | None = None
        if before.state not in ("stopped", "unknown") and before.since is not None:
            when = pulse.clock(before.since, clock())
            self.died = f"the daemon before this one (pid {before.pid}) ended at about {when}, and not by its own stop"

    def parts(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """What is to be done in each round."""
        yield "heartbeat", self.heartbeat.check
        yield "disk room", self._room.check
        yield "log", self._journal.check

    def unrecorded(self, kind: str, message: str, worker: str | None = None) -> None:
        """Tell an event that the catalogue does not take."""
        self._journal.unrecorded(kind, message, worker)

    def stop(self) -> None:
        """Raises StorageUnavailable, CatalogError."""
        try:
            self._journal.check()
        finally:
            self.heartbeat.stop()

    def _warn(self, warning: str | None) -> None:
        if warning is None:
            self._troubles.end("disk space")
        else:
            self._troubles.begin("disk space", warning)
