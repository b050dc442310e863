"""The shortest history that still breaks a promise: items are left out by halves, then by ever smaller parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(items: Sequence[T], breaks: Callable[[Sequence[T]], bool], *, tries: int = 300) -> list[T]:
    """A part of `items`, in their order, that `breaks` too and from which no item can be left out; with fewer than
    enough `tries` the shortest found."""
    left = list(items)
    size = max(1, len(left) // 2)
    while left and tries > 0:
        start, shorter = 0, False
        while start < len(left) and tries > 0:
            candidate = left[:start] + left[start + size :]
            tries -= 1
            if breaks(candidate):
                left, shorter = candidate, True
            else:
                start += size
        if not shorter and size == 1:
            break
        size = max(1, size // 2)
    return left
