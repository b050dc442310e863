"""The addresses of the review and of the pages of takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datasette.utils.asgi import Response

from soundmill.publish.review.outlines import outlines_route
from soundmill.publish.review.page import peaks_route, review_json, review_page
from soundmill.publish.review.take import take_page

ROUTES: list[tuple[str, Callable[..., Awaitable[Response]]]] = [
    (r"/-/soundmill/review$", review_page),
    (r"/-/soundmill/review\.json$", review_json),
    (r"/-/soundmill/peaks/(?P<number>[0-9]{1,18})$", peaks_route),
    (r"/-/soundmill/outlines$", outlines_route),
    (r"/-/soundmill/take/(?P<path>.+)$", take_page),
]
