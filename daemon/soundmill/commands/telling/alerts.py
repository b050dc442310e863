"""`soundmill alerts test`: one alert now, by every way that soundmill.yaml names."""

from __future__ import annotations

import time
from collections.abc import Callable

from soundmill.config import load
from soundmill.errors import AlertNotSent, ConfigError
from soundmill.home import Home
from soundmill.service.telling.alerts import alert, body_of
from soundmill.service.telling.send import ways
from soundmill.words import number


def test(home: Home, say: Callable[[str], object]) -> None:
    """Raises ConfigError where nobody is to be told, AlertNotSent where one was not."""
    found = ways(load(home).alerts, home.root)
    if not found:
        raise ConfigError(f"{home.config_file}: nobody is to be told: set alerts.webhook or alerts.command")
    body = body_of(alert("test", "this is a test", cause="test", at=time.time()), home.root)
    failed = []
    for name, send in found.items():
        began = time.monotonic()
        try:
            send(body)
        except AlertNotSent as error:
            failed.append(f"{name}: {error}")
        else:
            say(f"{name}: taken after {number(round(time.monotonic() - began, 2))} s")
    if failed:
        raise AlertNotSent("; ".join(failed))
