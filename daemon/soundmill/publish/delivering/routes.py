"""The addresses of deliveries."""

from __future__ import annotations

from typing import Any

from soundmill.publish.delivering.deliveries import deliveries_route, zip_route

ROUTES: list[tuple[str, Any]] = [
    (r"/-/soundmill/deliveries\.json$", deliveries_route),
    (r"/-/soundmill/deliveries/(?P<path>.+)$", zip_route),
]
