"""Inbox: takes values out of YAML nodes, and explains what YAML made of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from soundmill.inbox.jobfile.cells import KNOWN, TEXT_FIELDS, Field, Wrong
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import AUDIO_SUFFIXES
from soundmill.inbox.jobfile.suggest import closest
from soundmill.inbox.jobfile.yaml import marks
from soundmill.inbox.jobfile.yaml.nodes import Cut, Items, Node, Pairs, Scalar
from soundmill.words import did_you_mean

_CODE = re.compile(r"[\x00-\x1f\x7f-\xa0\u2028\u2029]")


def plain_text(node: Node, field: str, problems: Problems) -> str | None:
    """A scalar as written, "" for null; None after telling `problems` that it is no single value."""
    if isinstance(node, Scalar):
        if node.kind == "told":  # the text of a prompt, so that it is not told as missing too
            problems.repeat()
            return node.text if field in ("prompt", "template") else None
        return "" if node.kind == "null" else node.text.strip()
    if isinstance(node, Pairs):
        message = "must be a single value, not a mapping; put a text that starts with { or contains a colon in quotes"
    else:
        message = "must be a single value, not a list; put a text that starts with [ in quotes"
    problems.add(message, node.line, field)
    return None


def words(node: Node, field: str, problems: Problems) -> str | None:
    """Like `plain_text`, for a value that is meant as text: what YAML takes for something else is refused."""
    text = plain_text(node, field, problems)
    if isinstance(node, Cut) and not _is_whole(node, field):
        problems.add(marks.cut(node.text, node.comment), node.line, field)
        return f"{node.text} {node.comment}"
    if text and isinstance(node, Scalar) and node.kind in ("bool", "date", "sexagesimal"):
        taken = {"bool": "true or false", "date": "a date", "sexagesimal": _sexagesimal(text)}[node.kind]
        problems.add(f'YAML takes {text} for {taken}; put it in quotes: "{text}"', node.line, field, text)
        return None
    return text


def _is_whole(node: Cut, field: str) -> bool:
    """Whether what stands before the comment cannot be a part: a number, or a name that must be one there is."""
    if field == "model":
        return True
    if field in ("melody", "continue_from"):
        return node.text.lower().endswith(AUDIO_SUFFIXES)
    return field not in TEXT_FIELDS and field != "template" and node.kind == "number"


def _sexagesimal(text: str) -> str:
    try:
        number = 0.0
        for part in text.lstrip("+-").split(":"):
            number = number * 60 + float(part)
    except (ValueError, OverflowError):
        return "a number in base 60"
    return f"the number {'-' if text.startswith('-') else ''}{number:g}"


def cell(node: Node, field: str, problems: Problems) -> str | None:
    """The text of a job's field."""
    if field not in TEXT_FIELDS:
        return plain_text(node, field, problems)
    text = words(node, field, problems)
    if text and field in ("model", "melody", "continue_from") and (code := _CODE.search(text)):
        message = (
            f"YAML makes a control character (U+{ord(code[0]):04X}) of a backslash and a letter in double quotes; "
            "put a path in single quotes, or write it with /"
        )
        problems.add(message, node.line, field, text)
        return None
    return text


def value(node: Node, reader: Field, problems: Problems) -> Any:
    """A field's value; None where it is blank, or wrong and told."""
    text = plain_text(node, reader.name, problems)
    if not text:
        return None
    try:
        return reader.read(text)
    except Wrong as wrong:
        problems.add(str(wrong), node.line, reader.name, text)
        return None


def pairs(node: Node, what: str, example: str, problems: Problems) -> Mapping[str, tuple[int, Node]]:
    """The entries of a mapping; none after telling `problems` that it isn't one."""
    if isinstance(node, Pairs):
        return {key: entry for key, entry in node.entries.items() if key != "<<"}
    if is_told(node):
        problems.repeat()
    elif not (isinstance(node, Scalar) and node.kind == "null"):
        problems.add(f"must be a mapping, such as {example}", node.line, what)
    return {}


def is_told(node: Node) -> bool:
    """Whether what stands here has been refused already."""
    return isinstance(node, Scalar) and node.kind == "told"


def items(node: Node, what: str, example: str, problems: Problems) -> list[Node]:
    """The items of a list; none after telling `problems` that it isn't one."""
    if isinstance(node, Items):
        return node.items
    if is_told(node):
        problems.repeat()
    elif not (isinstance(node, Scalar) and node.kind == "null"):
        problems.add(f"must be a list, such as {example}", node.line, what)
    return []


def unknown_key(key: str, line: int, where: str, known: Iterable[str], problems: Problems) -> None:
    """Tells that a key has no meaning here, and which one may have been meant."""
    known = tuple(known)
    if key in KNOWN:
        problems.add(f"has no place {where}; put it under defaults", line, key)
        return
    suggestion = closest(key, known)
    mend = did_you_mean(suggestion) if suggestion else f"; known are {', '.join(known)}"
    place = "among the defaults" if where == "defaults" else where
    problems.add(f"is not known {place}{mend}", line, key)
