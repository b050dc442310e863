"""The server under the site: uvicorn, with an end to its patience.

uvicorn waits for ever for the rest of a request, and for a reader who does not read. Each holds a file descriptor, and
some hundred of them are all a process has.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 15.0  # for a whole request to come
READER_S = 60.0  # in which a reader takes nothing of what waits for it; a player comes back with a range
MOST_WAITED_FOR = 256  # connections whose request has not come
MOST_FILES = 8192
ENDLESS = "soundmill_endless"  # in a request's state: what ends an answer that goes on for as long as the site does


class ImpatientProtocol(H11Protocol):
    """A connection that is closed once its client has kept it waiting for too long."""

    _watch: asyncio.TimerHandle | None = None
    _since = 0.0  # when the client did something last, on the loop's clock
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        waiting = [each for each in self.connections if isinstance(each, ImpatientProtocol) and each.is_waiting]
        if len(waiting) > MOST_WAITED_FOR:
            min(waiting, key=lambda each: each._since).transport.abort()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        end = self.cycle.scope.get("state", {}).get(ENDLESS) if self.cycle is not None else None
        if end is not None:
            end()

    @property
    def is_waiting(self) -> bool:
        """Whether it is the client's turn to send."""
        if self.transport.is_closing():
            return False
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _look(self) -> None:
        now = self.loop.time()
        unread = self.transport.get_write_buffer_size()
        if not self.is_waiting and unread != self._unread:
            self._since = now
        elif not self.is_waiting and unread == 0:
            self._since = now  # we are the ones who work
        self._unread = unread
        if now - self._since > (REQUEST_S if self.is_waiting else READER_S):
            self.transport.abort()
            return
        self._watch = self.loop.call_later(REQUEST_S / 3, self._look)


def run(app: Any, host: str, port: int) -> None:
    """Serve until told to stop."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    with suppress(OSError, ValueError):  # as where a sandbox forbids it
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    uvicorn.run(app, host=host, port=port, http=ImpatientProtocol, ws="none", lifespan="on", log_level="info")
