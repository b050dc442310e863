"""Inbox: takes values out of YAML nodes, and explains what YAML made of a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from soundmill.inbox.jobfile.cells import KNOWN, TEXT_FIELDS, Field, Wrong
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.suggest import closest
from soundmill.inbox.jobfile.yaml.nodes import Items, Node, Pairs, Scalar
from soundmill.words import did_you_mean


def plain_text(node: Node, field: str, problems: Problems) -> str | None:
    """A scalar as written, "" for null; None after telling `problems` that it is no single value."""
    if isinstance(node, Scalar):
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
    if text and isinstance(node, Scalar) and node.kind in ("bool", "date", "sexagesimal"):
        taken = {"bool": "true or false", "date": "a date", "sexagesimal": _sexagesimal(text)}[node.kind]
        problems.add(f'YAML takes {text} for {taken}; put it in quotes: "{text}"', node.line, field, text)
        return None
    return text


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
    return words(node, field, problems) if field in TEXT_FIELDS else plain_text(node, field, problems)


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
    if not (isinstance(node, Scalar) and node.kind == "null"):
        problems.add(f"must be a mapping, such as {example}", node.line, what)
    return {}


def items(node: Node, what: str, example: str, problems: Problems) -> list[Node]:
    """The items of a list; none after telling `problems` that it isn't one."""
    if isinstance(node, Items):
        return node.items
    if not (isinstance(node, Scalar) and node.kind == "null"):
        problems.add(f"must be a list, such as {example}", node.line, what)
    return []


def unknown_key(key: str, line: int, where: str, known: Iterable[str], problems: Problems) -> None:
    """Tells that a key has no meaning here, and which one may have been meant."""
    known = tuple(known)
    if key in KNOWN and where != "defaults":
        problems.add(f"has no place {where}; put it under defaults", line, key)
        return
    suggestion = closest(key, known)
    mend = did_you_mean(suggestion) if suggestion else f"; known are {', '.join(known)}"
    place = "among the defaults" if where == "defaults" else where
    problems.add(f"is not known {place}{mend}", line, key)
