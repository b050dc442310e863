"""The addresses of the pages where the work is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datasette.utils.asgi import Response

from soundmill.publish.desk.batch import batch_page
from soundmill.publish.desk.batches import batches_page, files_page
from soundmill.publish.desk.compose import compose_page
from soundmill.publish.desk.picks import picks_page, shortlist_page

ROUTES: list[tuple[str, Callable[..., Awaitable[Response]]]] = [
    (r"/-/soundmill/batch/(?P<batch>[^/]+)$", batch_page),
    (r"/-/soundmill/batches$", batches_page),
    (r"/-/soundmill/files$", files_page),
    (r"/-/soundmill/compose$", compose_page),
    (r"/-/soundmill/picks$", picks_page),
    (r"/-/soundmill/picks/(?P<shortlist>[^/]+)$", shortlist_page),
]
