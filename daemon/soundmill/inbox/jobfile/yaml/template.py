"""Inbox: a prompt with {placeholders}, of a template or of a single job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.problems import shorten
from soundmill.words import normal

_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")
_PLACEHOLDER = re.compile(r"\{\s*([^\W\d][\w -]*?)\s*\}")


# As they stand in a job's own prompt: {{name}}, {name}, {a|b}, __name__.
_WILDCARD = re.compile(r"(?<![\w/])__[\w/*-]*?[^\W_][\w/*-]*?__(?!\w)")
_FILLED = re.compile(r"\{\{[^{}]*\}\}|\{\s*[^\W\d][\w -]*?\s*\}|\{[^{}|]*\|[^{}]*\}|" + _WILDCARD.pattern)
_BRACES = re.compile(r"\{[^{}]*\}|__")


def fill(text: str, values: Callable[[], Mapping[str, str]]) -> str:
    """A job's prompt with its {placeholders} filled from the job's own values; {{name}} stands for {name}.

    Raises Wrong for a placeholder that nothing fills and for other tools' ways to choose. Braces that hold no name
    stay as they are.
    """
    if not _BRACES.search(text):
        return text
    found: dict[str, str] | None = None

    def filled(match: re.Match[str]) -> str:
        nonlocal found
        piece = match[0]
        if piece.startswith("{{"):
            return piece[1:-1]
        _refuse_foreign(piece)
        if found is None:
            found = {normal(name): value for name, value in values().items()}
        name, shown = shorten(piece[1:-1].strip()), shorten(piece)
        value = found.get(normal(piece[1:-1].strip()))
        if value:
            return value
        raise Wrong(
            f"nothing fills {shown}: give the job a {name} of its own, or write the prompt as template and list what "
            f"{name} may be under variables: {{{name}: [jazz, metal]}}; {{{shown}}} stands for {shown} itself"
        )

    return _FILLED.sub(filled, text)


def _refuse_foreign(piece: str) -> None:
    shown = shorten(piece)
    if piece.startswith("__"):
        name = re.sub(r"\W+", "_", piece.strip("_*")).strip("_") or "mood"
        raise Wrong(
            f"{shown} is another tool's wildcard; write {{{name}}} in a template and list what it may be under "
            f"variables: {{{name}: [calm, tense]}}"
        )
    if "|" in piece:
        choices = [choice.strip() for choice in piece[1:-1].split("|")]
        listed = shorten(", ".join(choice for choice in choices if choice) or "calm, tense")
        raise Wrong(
            f"{shown} is another tool's way to choose; write a name, as in {{mood}}, in a template and list what it "
            f"may be under variables: {{mood: [{listed}]}}; each becomes a job"
        )


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
                _refuse_foreign(piece)
                placeholder = _PLACEHOLDER.fullmatch(piece)
                if not placeholder:
                    raise Wrong(f"{piece} is not a placeholder: a name goes between the braces, as in {{style}}")
                self.names.append(placeholder[1])
                self._pieces.append((placeholder[1], True))
            elif piece:
                if wildcard := _WILDCARD.search(piece):
                    _refuse_foreign(wildcard[0])
                self._pieces.append((piece, False))

    def render(self, values: Mapping[str, str]) -> str:
        return "".join([values[piece] if is_name else piece for piece, is_name in self._pieces])
