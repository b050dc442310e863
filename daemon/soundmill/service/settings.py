"""The settings in use, and those that SIGHUP has the daemon read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from soundmill.config import Config
from soundmill.errors import SoundmillError
from soundmill.service.survive import Troubles
from soundmill.service.wiring import devices_of


class Settings:
    """`config`, and the `devices` it comes to. Settings that cannot be used change nothing, and are a trouble until
    they are mended and read once more."""

    def __init__(
        self,
        config: Config,
        devices: Sequence[str],
        *,
        reread: Callable[[], Config],
        record: Callable[[str, str], None],
        troubles: Troubles,
    ) -> None:
        self.config = config
        self.devices = devices
        self._reread = reread
        self._record = record
        self._troubles = troubles
        self._former: Config | None = None  # while it isn't done that others take its place

    def read_again(self) -> None:
        try:
            config = self._reread()
            if (config.engine.devices, config.cluster) != (self.config.engine.devices, self.config.cluster):
                self.devices = devices_of(config)
        except SoundmillError as error:
            self._record("settings refused", f"{error}; those before stay")
            self._troubles.begin("settings", f"{error}; those before stay, until SIGHUP comes again", told=True)
            return
        self._former, self.config = self._former or self.config, config

    def hand_on(self, use: Callable[[Config], None]) -> None:
        """Have new settings used; `use(former)` must be safe to repeat, where it was broken off."""
        if self._former is None:
            return
        former = self._former
        use(former)
        self._former = None
        self._troubles.end("settings")
        changed = [n for n in type(former).model_fields if getattr(self.config, n) != getattr(former, n)]
        self._record("settings read", f"changed: {', '.join(changed)}" if changed else "nothing has changed")
