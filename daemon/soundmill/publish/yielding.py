"""Large pages that let others in: between pieces of their work the server answers whoever else asks.

Datasette renders on its event loop: two thousand rows of 45 columns would hold up every other answer for seconds. A
turn of the loop alone is no rest: it gives up the interpreter's lock for less than a waiting thread needs to take it,
and so the threads that put other visitors' questions would starve.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from jinja2 import Template

Value = TypeVar("Value")

WORK_S = (
    0.008  # of the loop's processor time between two rests; of wall time there may be any amount, on a busy machine
)
REST_S = 0.002
PIECES = 16  # of a page between two looks at the clock, which takes as long as many of them

_rest_at = 0.0


def after_a_rest(value: Value) -> Value | Awaitable[Value]:
    """The value, now and then as an awaitable that rests first."""
    return _rested(value) if _is_due() else value


def _is_due() -> bool:
    """Whether it is time to rest. Most pages take less than that: so they do not rest each."""
    return not 0.0 < _rest_at - time.thread_time() <= WORK_S


async def _rested(value: Value) -> Value:
    await _rest()
    return value


async def _rest() -> None:
    global _rest_at
    await asyncio.sleep(REST_S)
    _rest_at = time.thread_time() + WORK_S


class RestingTemplate(Template):
    """A template whose rendering rests now and then."""

    async def render_async(self, *args: Any, **kwargs: Any) -> str:
        pieces: list[str] = []
        async for piece in self.generate_async(*args, **kwargs):
            pieces.append(piece)
            if len(pieces) % PIECES == 0 and _is_due():
                await _rest()
        return "".join(pieces)
