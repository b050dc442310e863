"""Inbox: a prompt with {placeholders}, of a template or of a single job."""

from __future__ import annotations

import re
from collections.abc import Mapping

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.placeholders import WILDCARD, kind_of
from soundmill.inbox.jobfile.problems import shorten

_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")
_PLACEHOLDER = re.compile(r"\{\s*([^\W\d][\w -]*?)\s*\}")


def unfilled(piece: str, value: str | None) -> str | None:
    """Why a job's own prompt cannot have this; None for braces that hold no name, and for brackets, which tables alone
    refuse. `value` is what it would be."""
    if piece.startswith("["):
        return None
    if why := foreign(piece):
        return why
    if not _PLACEHOLDER.fullmatch(piece):
        return None
    name, shown = shorten(piece[1:-1].strip()), shorten(piece)
    return (
        f"nothing fills {shown}: give the job a {name} of its own, or write the prompt as template and list what "
        f"{name} may be under variables: {{{name}: [jazz, metal]}}; {{{shown}}} stands for {shown} itself"
    )


def foreign(piece: str) -> str | None:
    """How what other tools choose by is written here; None for anything else."""
    kind, shown = kind_of(piece), shorten(piece)
    if kind == "wildcard":
        name = re.sub(r"\W+", "_", piece).strip("_")
        return (
            f"{shown} is another tool's wildcard; write {{{name}}} in a template and list what it may be under "
            f"variables: {{{name}: [calm, tense]}}"
        )
    if kind == "choice":
        choices = [choice.strip() for choice in piece[1:-1].split("|")]
        listed = shorten(", ".join(choice for choice in choices if choice) or "calm, tense")
        return (
            f"{shown} is another tool's way to choose; write a name, as in {{mood}}, in a template and list what it "
            f"may be under variables: {{mood: [{listed}]}}; each becomes a job"
        )
    return None


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
                if why := foreign(piece):
                    raise Wrong(why)
                placeholder = _PLACEHOLDER.fullmatch(piece)
                if not placeholder:
                    raise Wrong(f"{piece} is not a placeholder: a name goes between the braces, as in {{style}}")
                self.names.append(placeholder[1])
                self._pieces.append((placeholder[1], True))
            elif piece:
                if (wildcard := WILDCARD.search(piece)) and (why := foreign(wildcard[0])):
                    raise Wrong(why)
                self._pieces.append((piece, False))

    def render(self, values: Mapping[str, str]) -> str:
        return "".join([values[piece] if is_name else piece for piece, is_name in self._pieces])
