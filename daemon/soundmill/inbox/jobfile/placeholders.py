"""Inbox: a prompt's {placeholders}, filled from what else its job has, whichever kind of file it stands in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.words import normal

Kind = Literal["placeholder", "choice", "wildcard"]
# As other tools write it: __name__, but not snake__case__x, nor a line of ____.
WILDCARD = re.compile(r"(?<![\w/])__[\w/*-]*?[^\W_][\w/*-]*?__(?!\w)")
_PIECES = re.compile(r"\{\{[^{}]*\}\}|\{[^{}]*\}|\[[^\[\]]*\|[^\[\]]*\]|" + WILDCARD.pattern)


def may_have(prompt: str) -> bool:
    """Whether there is anything for `fill` in it."""
    return "{" in prompt or "__" in prompt or "|" in prompt


def kind_of(piece: str) -> Kind:
    """What {name}, {a|b}, [a|b] or __name__ is."""
    return "wildcard" if piece.startswith("__") else "choice" if "|" in piece else "placeholder"


def fill(prompt: str, value_of: Callable[[str], str | None], why_not: Callable[[str, str | None], str | None]) -> str:
    """The prompt with each {name} replaced by `value_of(name)`; {{name}} stands for {name}.

    Raises Wrong for what nothing fills, with what `why_not(piece, value)` says; where that is None it stays as it is.
    """

    def filled(found: re.Match[str]) -> str:
        piece, value = found[0], None
        if piece.startswith("{{"):
            return piece[1:-1]
        if kind_of(piece) == "placeholder" and (name := piece[1:-1].strip()) and (value := value_of(normal(name))):
            return value
        if (why := why_not(piece, value)) is not None:
            raise Wrong(why)
        return piece

    return _PIECES.sub(filled, prompt)
