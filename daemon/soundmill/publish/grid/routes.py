"""The address of a batch's grid."""

from __future__ import annotations

from typing import Any

from soundmill.publish.grid.page import grid_page

ROUTES: list[tuple[str, Any]] = [(r"/-/soundmill/grid/(?P<batch>[^/]+)$", grid_page)]
