"""Inbox: a prompt with {placeholders}."""

from __future__ import annotations

import re
from collections.abc import Mapping

from soundmill.inbox.jobfile.cells import Wrong

_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")
_PLACEHOLDER = re.compile(r"\{\s*([^\W\d][\w -]*?)\s*\}")


class Template:
    """A prompt with {placeholders}; `{{` and `}}` stand for braces. Raises Wrong where a brace stands alone."""

    def __init__(self, text: str) -> None:
        self.names: list[str] = []
        self._pieces: list[tuple[str, bool]] = []  # text or name, and whether it is a name
        for piece in _PIECES.split(text):
            if piece in ("{{", "}}"):
                self._pieces.append((piece[0], False))
            elif piece in ("{", "}"):
                raise Wrong(f"has a lone {piece}; write {piece}{piece} for a brace that is part of the prompt")
            elif piece.startswith("{"):
                placeholder = _PLACEHOLDER.fullmatch(piece)
                if not placeholder:
                    raise Wrong(f"{piece} is not a placeholder: a name goes between the braces, as in {{style}}")
                self.names.append(placeholder[1])
                self._pieces.append((placeholder[1], True))
            elif piece:
                self._pieces.append((piece, False))

    def render(self, values: Mapping[str, str]) -> str:
        return "".join([values[piece] if is_name else piece for piece, is_name in self._pieces])
