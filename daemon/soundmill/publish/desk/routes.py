"""The addresses of the pages where the work is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datasette.utils.asgi import Response

from soundmill.publish.desk.batch import batch_page

ROUTES: list[tuple[str, Callable[..., Awaitable[Response]]]] = [
    (r"/-/soundmill/batch/(?P<batch>[^/]+)$", batch_page),
]
