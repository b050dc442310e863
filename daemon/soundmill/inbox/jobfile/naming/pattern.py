"""Naming: a pattern for the names of clips, `MX_{place}_{energy}_{take:02}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.naming.letters import as_written
from soundmill.inbox.jobfile.naming.safe import safe_name
from soundmill.inbox.jobfile.problems import shorten
from soundmill.words import normal

_PIECES = re.compile(r"(\{[^{}]*\}|[{}])")
_FIELD = re.compile(r"\s*([^\W\d][\w .'-]*?)\s*(?::0([1-9]))?\s*")
_NEARLY = re.compile(r"\s*([^\W\d][\w .'-]*?)\s*:[0>=]*([1-9])\s*d?\s*")


class Field:
    """One `{name}` or `{name:03}` of a pattern. `key` is the name as words.normal has it; `digits` 0: as it comes."""

    def __init__(self, name: str, digits: int) -> None:
        self.name, self.key, self.digits = name, normal(name), digits

    def render(self, text: str) -> str:
        """The value as part of a name. Raises Wrong."""
        if self.digits:
            if not (text.isascii() and text.isdecimal()):
                raise Wrong(f"{self.name} is {shorten(text)}, and only a whole number can be filled up with zeros")
            return text.zfill(self.digits)
        shown = as_written(text)
        if not shown:
            raise Wrong(f"{self.name} is {shorten(text)}, which leaves no letter or digit for a name")
        return shown


class Pattern:
    """The pieces of a pattern, in their order. Raises Wrong where it is none, or where what it says outside the fields
    cannot stand in a file's name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[str | Field] = []
        for piece in _PIECES.split(text):
            if piece in ("{", "}"):
                raise Wrong(f"has a lone {piece}; a field is written {{place}}")
            if piece.startswith("{"):
                self.pieces.append(_field(piece))
            elif piece:
                self.pieces.append(piece)
        self.fields = [piece for piece in self.pieces if isinstance(piece, Field)]
        if not self.fields:
            raise Wrong("needs a {field}, as in MX_{place}_{take:02}: all clips would have one name")
        # What fills a field must not make a device's name here: au{place} is none.
        safe_name("".join([piece if isinstance(piece, str) else "xx" for piece in self.pieces]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The pattern of a file's names and where it stands: `key` and `line` of a YAML file, or soundmill.yaml."""

    pattern: Pattern
    key: str
    line: int | None

    @property
    def where(self) -> str:
        return f"{self.pattern.text} of soundmill.yaml" if self.line is None else self.pattern.text


def _field(piece: str) -> Field:
    shown = shorten(piece)
    if found := _FIELD.fullmatch(piece[1:-1]):
        return Field(found[1], int(found[2] or 0))
    if nearly := _NEARLY.fullmatch(piece[1:-1]):
        raise Wrong(f"{shown}: for {nearly[2]} digits write {{{nearly[1]}:0{nearly[2]}}}")
    raise Wrong(f"{shown} is no field; write the name of a column, factor or setting, as in {{place}} or {{take:02}}")
