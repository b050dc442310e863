"""The addresses of comparisons and listening tests."""

from __future__ import annotations

from typing import Any

from soundmill.publish.compare.listening import listen_page, listening_route, sound_route
from soundmill.publish.compare.page import compare_page, studies_route

ROUTES: list[tuple[str, Any]] = [
    (r"/-/soundmill/compare$", compare_page),
    (r"/-/soundmill/studies$", studies_route),
    (r"/-/soundmill/listening$", listening_route),
    (r"/-/soundmill/listen/(?P<token>[A-Za-z0-9_-]{16,64})$", listen_page),
    (r"/-/soundmill/listen/(?P<token>[A-Za-z0-9_-]{16,64})/(?P<sound>[A-Za-z0-9_-]{8,32})$", sound_route),
]
