"""Large pages that let others in: between pieces of their work the server answers whoever else asks.

Datasette renders on its event loop: two thousand rows of 45 columns would hold up every other answer for seconds.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from typing import Any, TypeVar

from jinja2 import Template

Value = TypeVar("Value")

CELLS = 50  # between two breaths
PIECES = 100

_cells = itertools.count()


def after_a_breath(value: Value) -> Value | Awaitable[Value]:
    """The value, now and then as an awaitable that lets the event loop turn first."""
    return value if next(_cells) % CELLS else _breathe(value)


async def _breathe(value: Value) -> Value:
    await asyncio.sleep(0)
    return value


class BreathingTemplate(Template):
    """A template whose rendering lets the event loop turn."""

    async def render_async(self, *args: Any, **kwargs: Any) -> str:
        pieces: list[str] = []
        async for piece in self.generate_async(*args, **kwargs):
            pieces.append(piece)
            if len(pieces) % PIECES == 0:
                await asyncio.sleep(0)
        return "".join(pieces)
