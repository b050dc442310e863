"""Naming: which characters of a text a file's name keeps, in every script, and where it may be cut."""

from __future__ import annotations

import re
import unicodedata

# Drawn as nothing, though Unicode counts them among letters and marks (its property Default_Ignorable_Code_Point);
# file systems that fold case pass over them, so two names must not differ by one.
_UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0}
_UNSEEN |= {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
_NO_EMOJI = {0x2800, 0xFFFC, 0xFFFD}  # blank braille, and what stands for something that is not there
_FIRST_EMOJI = 0x2600  # symbols below are signs such as © and °
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAGS = {chr(code) for code in range(0x1F1E6, 0x1F200)}  # two of these letters are a flag
_RUNS = re.compile(" +")

# Characters met so far that belong to the one before them: marks and skin tones.
_joins: set[str] = set()


class _Table(dict[int, int | str | None]):
    """For str.translate: letters, marks, digits and emoji stay, what nobody sees goes, anything else is a space.

    Asks Unicode for a character when it is first met; what is not kept is not remembered, so the table is bounded.
    """

    def __missing__(self, code: int) -> int | str | None:
        kind = unicodedata.category(chr(code))
        if kind == "Cf" or code in _UNSEEN:
            return None
        if kind[0] == "M" or code in _SKIN_TONES:
            _joins.add(chr(code))
        elif kind[0] not in "LN" and (kind != "So" or code < _FIRST_EMOJI or code in _NO_EMOJI):
            return " "
        self[code] = code
        return code


_LOWER = _Table({code: ord(chr(code).lower()) for code in range(ord("A"), ord("Z") + 1)})
_AS_WRITTEN = _Table({ord(mark): mark for mark in "_.-"})


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, NFC; each begins with a letter, a digit or an emoji."""
    if text.isascii():
        return text.translate(_LOWER).split()
    return _composed(text.lower(), _LOWER).split()


def as_written(text: str) -> str:
    """The text with its case and its `_`, `.` and `-`, NFC; a hyphen for a run of anything else, none at the ends."""
    kept = text.translate(_AS_WRITTEN) if text.isascii() else _composed(text, _AS_WRITTEN)
    return _RUNS.sub("-", kept).strip("-. ")


def _composed(text: str, table: _Table) -> str:
    """What `table` makes of the text, NFC, and without marks that have no letter to stand on."""
    kept = unicodedata.normalize("NFC", text).translate(table)
    text = unicodedata.normalize("NFC", kept)  # without what nobody sees, letters and marks may have met
    if _joins.isdisjoint(text):
        return text
    return "".join([each for each in clusters(text) if each[0] not in _joins])


def clusters(text: str) -> list[str]:
    """What a reader takes for one character each: letters with their marks, emoji with their skin tone, flags."""
    if text.isascii() or (_joins.isdisjoint(text) and _FLAGS.isdisjoint(text)):
        return list(text)
    found: list[str] = []
    for character in text:
        joins = character in _joins and found and found[-1][0] not in " _.-"
        if joins or (character in _FLAGS and found and found[-1] in _FLAGS):
            found[-1] += character
        else:
            found.append(character)
    return found


def size(text: str) -> int:
    """Bytes in UTF-8, but at least two a character: so names of Latin and of Chinese have about as much to say."""
    return 2 * len(text) if text.isascii() else len(text.encode()) + len(text.encode("ascii", "ignore"))


def invisible(text: str) -> str | None:
    """What the first character is called that nobody sees or that breaks a line: `U+200D ZERO WIDTH JOINER`."""
    if text.isprintable():
        return None
    found = next((c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    return None if found is None else f"U+{ord(found):04X} {unicodedata.name(found, '')}".rstrip()
