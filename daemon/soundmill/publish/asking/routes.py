"""The addresses under which something may be asked for."""

from __future__ import annotations

from typing import Any

from soundmill.publish.asking.enter import enter_route
from soundmill.publish.asking.events import events_route
from soundmill.publish.asking.files import arrivals_route, check_route, submit_route
from soundmill.publish.asking.wishes import me_route, wishes_route

ROUTES: list[tuple[str, Any]] = [
    (r"/-/soundmill/me$", me_route),
    (r"/-/soundmill/enter$", enter_route),
    (r"/-/soundmill/wishes$", wishes_route),
    (r"/-/soundmill/check$", check_route),
    (r"/-/soundmill/submit$", submit_route),
    (r"/-/soundmill/arrivals$", arrivals_route),
    (r"/-/soundmill/events$", events_route),
]
