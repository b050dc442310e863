"""Pages that are made once for all who ask for them at a time, and again only when the catalogue has changed.

Shared is among readers that nobody knows and who send the same cookies. Each is asked for their permission first, as
if there were nothing to share; what is made for somebody with a name is theirs alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from datasette.utils.asgi import Response

from soundmill.publish.health.state import health
from soundmill.publish.served import served_by, visible_catalog
from soundmill.publish.sharing.version import Version

PART = "shared answers"
KEPT_S = 5.0  # what is not in the catalogue, as whether a report lies in its folder, is looked at again
MOST_KEPT = 64  # pages of at most 300 kB
MESSAGES = "ds_messages"  # Datasette's cookie of what is told once

Page = Callable[[Any, Any], Awaitable[Response]]


@dataclass(slots=True)
class Shared:
    """What is known of one catalogue at one `stamp`. Belongs to one event loop."""

    version: Version
    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float] = time.monotonic
    stamp: Hashable = None
    answers: dict[Hashable, tuple[float, asyncio.Task[Response]]] = field(default_factory=dict)

    async def answer(self, stamp: Hashable, key: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """The answer to what `key` names, made by whoever is first to ask at that `stamp`."""
        if stamp != self.stamp or len(self.answers) >= MOST_KEPT:
            self.stamp = stamp
            self.answers.clear()  # whoever waits for one of them has it in hand
        since, task = self.answers.get(key, (0.0, None))
        if task is None or self.clock() - since > KEPT_S or (task.done() and _failed(task)):
            task = asyncio.ensure_future(make())
            self.answers[key] = self.clock(), task
        return await asyncio.shield(task)  # one who goes away takes it from nobody


def _failed(task: asyncio.Task[Response]) -> bool:
    return task.cancelled() or task.exception() is not None or task.result().status != 200


def shared(page: Page) -> Page:
    """The page, made once for all unknown readers for as long as the catalogue stays what it is."""

    @wraps(page)  # Datasette looks at the names of its arguments
    async def answered(datasette: Any, request: Any) -> Response:
        catalog = await visible_catalog(datasette, request)
        cookies = request.headers.get("cookie", "")
        if request.method != "GET" or request.actor is not None or MESSAGES in cookies:
            return await page(datasette, request)
        ours = _shared(datasette, catalog)
        version = ours.version.data()
        if version is None:
            return await page(datasette, request)
        scope = request.scope
        key = (page, scope["path"], scope["query_string"], scope.get("scheme"), request.headers.get("host"), cookies)
        told = (await health(datasette.databases[catalog])).as_json()
        made = await ours.answer((version, repr(told)), key, lambda: page(datasette, request))
        return Response(made.body, made.status, dict(made.headers), made.content_type)

    return answered


def _shared(datasette: Any, catalog: str) -> Shared:
    parts, loop = served_by(datasette).parts, asyncio.get_running_loop()
    ours: Shared | None = parts.get(PART)
    if ours is None or ours.loop is not loop:
        ours = parts[PART] = Shared(Version(Path(datasette.databases[catalog].path)), loop)
    return ours
