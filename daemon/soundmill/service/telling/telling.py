"""What others hear of the daemon: its heartbeat, its log, the room on its disks, its alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.rows import Event
from soundmill.config import AlertsConfig
from soundmill.home import Home
from soundmill.publish.health import pulse
from soundmill.service.survive import Troubles
from soundmill.service.telling.alerts import OWN
from soundmill.service.telling.heartbeat import Heartbeat
from soundmill.service.telling.journal import Journal
from soundmill.service.telling.room import Room
from soundmill.service.telling.send import WAYS, ways
from soundmill.service.telling.teller import Teller, setting

UNTOLD_S = 4.0  # that a trouble waits for the catalogue to take it, before it is told without


class Telling:
    """Of one daemon, from when it is made until `stop`. `clock` gives Unix seconds, `steady` the machine's seconds that
    no change of the date moves."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        settings: AlertsConfig,
        troubles: Troubles,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._home = home
        self._catalog = catalog
        self._troubles = troubles
        self._clock = clock
        self._steady = steady
        self._journal = Journal(catalog)
        file = pulse.beside(home.catalog)
        before = pulse.life(pulse.unpacked(catalog.last_beat()), pulse.read(file), now=clock(), steady_s=steady())
        self._settings = settings
        self._tellers: list[Teller] = []
        self.heartbeat = Heartbeat(
            catalog,
            file,
            clock=clock,
            steady=steady,
            troubles=troubles.current,
            outlive=troubles.outlive,
            look=self._look,
        )
        self._room = Room(
            catalog, {"outputs": home.outputs, "catalogue": home.root}, self._warn, clock=clock, steady=steady
        )
        # The home's lock is ours: whoever beat last has ended.
        self.died: str | None = None
        if before.state not in ("stopped", "unknown") and before.since is not None:
            when = pulse.clock(before.since, clock())
            self.died = f"the daemon before this one (pid {before.pid}) ended at about {when}, and not by its own stop"

        self._open_tellers()

    def parts(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """What is to be done in each round."""
        yield "heartbeat", self.heartbeat.check
        yield "disk room", self._room.check
        yield "log", self._journal.check

    def _look(self, hangs_at: str | None) -> None:
        """In the heartbeat's thread: what the rounds cannot tell, for they hang, or the catalogue takes nothing."""
        self._tell_trouble("round", None if hangs_at is None else f"hangs at its part “{hangs_at}”")
        for message in self._troubles.untold(UNTOLD_S):
            self.unrecorded("trouble", message)

    def unrecorded(self, kind: str, message: str, worker: str | None = None) -> None:
        """Tell an event that the catalogue does not take."""
        self._journal.unrecorded(kind, message, worker)
        for teller in self._tellers:
            teller.tell(Event(id=0, at=self._clock(), kind=kind, message=message, worker=worker))

    def use(self, settings: AlertsConfig) -> None:
        """Tell others, or of other things, where the settings differ. Raises CatalogError, StorageUnavailable."""
        if settings != self._settings:
            self.stop_alerts(0.0)
            self._settings = settings
            self._open_tellers()

    def stop_alerts(self, grace_s: float) -> None:
        """Send what is to be sent, for so long at most."""
        for teller in self._tellers:
            teller.stop(grace_s)
        self._tellers = []

    def _open_tellers(self) -> None:
        found = ways(self._settings, self._home.root)
        for name in WAYS:
            if name in found:
                teller = Teller(
                    name,
                    found[name],
                    self._catalog,
                    home=self._home.root,
                    wanted=self._settings.on,
                    repeat_s=self._settings.repeat_s,
                    trouble=lambda why, part=f"{OWN}{name}": self._tell_trouble(part, why),  # type: ignore[misc]
                    clock=self._clock,
                    steady=self._steady,
                )
                self._tellers.append(teller)
            elif self._catalog.get_setting(setting(name)):
                self._catalog.set_setting(setting(name), "")  # what happens while nobody is told is old news later

    def stop(self) -> None:
        """Raises StorageUnavailable, CatalogError."""
        try:
            self._journal.check()
        finally:
            self.heartbeat.stop()

    def _warn(self, warning: str | None) -> None:
        self._tell_trouble("disk space", warning)

    def _tell_trouble(self, part: str, why: str | None) -> None:
        if why is None:
            self._troubles.end(part)
        else:
            self._troubles.begin(part, why)
