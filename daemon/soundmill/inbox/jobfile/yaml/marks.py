"""Inbox: says of one unquoted text what YAML takes its marks for, and puts it in quotes."""

from __future__ import annotations

import re

from soundmill.inbox.jobfile.problems import shorten

_PAIRS = {"“": "”", "„": "“”", "«": "»", "»": "«", "‘": "’", "‚": "‘’", "‹": "›", "”": "”", "’": "’"}
_QUOTES = "".join(_PAIRS) + "".join(_PAIRS.values())
_BLOCK = re.compile(r"[|>][+-]?[1-9]?[+-]?([ \t]+#.*)?")
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"')
_SINGLE = re.compile(r"'(?:[^']|'')*'")
_BAD_ESCAPE = re.compile(
    r"""\\(?:[^0abt\tnvfre "/\\N_LPxuU]|x(?![0-9A-Fa-f]{2})|u(?![0-9A-Fa-f]{4})|U(?![0-9A-Fa-f]{8})|$)"""
)
COMMENT = re.compile(r"(?<![ \t])[ \t]++(?=#)")
_STARTS = {
    "*": "an alias",
    "&": "an anchor",
    "!": "a tag",
    "@": "a mark of its own",
    "`": "a mark of its own",
    "%": "a directive",
    "|": "the start of a text on the lines below",
    ">": "the start of a text on the lines below",
    "[": "a list",
    "{": "a mapping",
    "]": "the end of a list",
    "}": "the end of a mapping",
    ",": "the end of an item",
    "?": "the start of a key",
}

_PUT = "put it in quotes: "


def quoted(text: str) -> str:
    """The text as YAML takes it for a text, whatever it contains."""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def starts(text: str) -> str:
    """Says what YAML takes the first character of the text for."""
    mark = "a comma" if text[0] == "," else text[0]
    return f"the text starts with {mark}, which YAML takes for {_STARTS[text[0]]}; " + _PUT + shorten(quoted(text))


def cut(text: str, comment: str, piece: str | None = None) -> str:
    """Says that a comment cuts a text. `piece` is what of it may belong to the text, if not all."""
    rest = comment if piece is None else piece
    whole = quoted(f"{text} {rest}" if text else rest)
    return (
        f'YAML takes "{shorten(comment)}" for a comment and leaves it out; if it belongs to the text, '
        f"put the whole in quotes: {shorten(whole)}; else give the comment a line of its own"
    )


Told = tuple[str, str] | None  # what is wrong with a text, and how it was probably meant; None for nothing


def in_text(text: str) -> Told:
    """What is wrong with a text as it stands in its line."""
    first = text[0]
    if first in "\"'":
        return _in_quotes(text, first)
    if first in _PAIRS:
        return typographic(text)
    if first in "[{":
        after = _after_bracket(text)
        if after and not after.startswith((" #", ",", "]", "}")):
            return starts(text), quoted(text)
        if after == ",":
            return f"a comma follows the {text[-2]}; delete it", text[:-1]
        return None
    if first in "|>" and _BLOCK.fullmatch(text):
        return None
    if first in _STARTS and (first != "?" or text[1:2] == " "):
        return starts(text), quoted(text)
    if comment := COMMENT.search(text):
        return cut(text[: comment.start()], text[comment.start() :].lstrip()), text.replace("#", "")
    if ": " in text or text.endswith(":"):
        return _has_colon(text)
    return None


def _has_colon(text: str) -> Told:
    return "the text contains a colon, so YAML takes it for a key; " + _PUT + shorten(quoted(text)), quoted(text)


def _in_quotes(text: str, mark: str) -> Told:
    if mark == '"' and (bad := _BAD_ESCAPE.search(text)):
        path = text[1:-1] if text.endswith('"') else text[1:]
        return (
            f"\\ in double quotes starts a code, and {shorten(bad[0][:2])} is none; "
            + "in single quotes it stands for itself: "
            + shorten("'" + path.replace("'", "''") + "'")
            + ", and in a path / does as well"
        ), quoted(path)
    whole = (_DOUBLE if mark == '"' else _SINGLE).match(text)
    after = text[whole.end() :].strip() if whole else ""
    if not whole or not after or after[0] in "#:":
        return None
    if after == ",":
        return f"a comma follows the closing {mark}; delete it", whole[0]
    if mark == "'" and re.search(r"\w'\w", text):
        body = text[1:-1] if text.endswith("'") else text[1:]
        fixed = quoted(re.sub("''", "'", body))
        return f"the apostrophe ends the text that ' began; write the text in double quotes: {shorten(fixed)}", fixed
    return (
        f"text follows the closing {mark}, and YAML takes only what is inside; "
        f"put the whole in quotes: {shorten(quoted(text))}"
    ), quoted(text)


def typographic(text: str) -> Told:
    """Says that a mark is no quotation mark to YAML, if it was meant as one; and the text in those that are."""
    closing = _PAIRS.get(text[0])
    if closing is not None:
        inner = text[1:].rstrip(", ")
        closed = inner.endswith(tuple(closing))
        body = inner[:-1] if closed else inner
        if (not closed and any(mark in inner for mark in closing)) or any(mark in body for mark in _QUOTES):
            return _has_colon(text) if ": " in text else None
        return f"{text[0]} is no quotation mark to YAML; type {shorten(quoted(body))}", quoted(body)
    if text[-1] in "”»“›" and not any(mark in text[:-1] for mark in _PAIRS):
        return f"{text[-1]} is no quotation mark to YAML; type {shorten(quoted(text[:-1]))}", quoted(text[:-1])
    return None


def _after_bracket(text: str) -> str:
    """What follows the bracket that closes the first one."""
    depth = 0
    for i, each in enumerate(text):
        depth += (each in "[{") - (each in "]}")
        if depth == 0:
            return text[i + 1 :]
    return ""
