"""Inbox: reads YAML into light nodes that know their line, and refuses what surprises people.

Works on parser events, not on yaml.compose: the depth is checked before anything recurses, and a node
costs a tenth of PyYAML's. Scalars keep the text as written, so `scene: 010` stays 010.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from soundmill.inbox.jobfile.problems import Problems

DEEPEST = 50
# Some 100 MB of nodes. A list that long belongs in a CSV file, which is read row by row.
MOST_NODES = 400_000
LONGEST_NUMBER = 60  # characters

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_KINDS = {"int": "number", "float": "number", "bool": "bool", "null": "null", "timestamp": "date"}
_UNQUOTED_BRACE = re.compile(r"^[^'\"#]*[:-]\s+\{\w+\}\s*\w", re.MULTILINE)


@dataclass(slots=True)
class Scalar:
    """`kind` is what YAML takes the text for: text, number, sexagesimal, bool, date or null."""

    line: int
    text: str
    kind: str


@dataclass(slots=True)
class Items:
    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Pairs:
    line: int
    entries: dict[str, tuple[int, Node]] = field(default_factory=dict)  # key: (its line, value)


Node = Scalar | Items | Pairs


class _Stop(Exception):
    """A problem after which reading on makes no sense; it has been told."""


def read_yaml(data: bytes, problems: Problems) -> Node | None:
    """The one document of a YAML file, or None after telling `problems` why there is none."""
    try:
        return _Composer(problems).compose(yaml.parse(data, Loader=_LOADER))
    except _Stop:
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "quoted scalar" in str(error.context):
            mark = error.context_mark or mark  # where it opens; the problem's is the end of the file
        problems.add(_explain(error, data), mark.line + 1 if mark else None)
    except yaml.YAMLError as error:
        # the reader, below the parser: a character YAML does not allow
        offset = getattr(error, "position", None)
        line = data.count(b"\n", 0, offset) + 1 if isinstance(offset, int) else None
        problems.add("contains a control character; delete it or type the text again", line)
    return None


def _explain(error: yaml.MarkedYAMLError, data: bytes) -> str:
    said = " ".join(part for part in (error.context, error.problem) if part)
    lines = data.decode("utf-8", "replace").splitlines()
    at = error.problem_mark.line if error.problem_mark else 0
    if at < len(lines) and "\t" in lines[at][: len(lines[at]) - len(lines[at].lstrip())]:
        mend = "indent with spaces, not with tabs"
    elif "mapping values are not allowed" in said:
        mend = "put a text that contains a colon in quotes, and give each key its own line"
    elif _UNQUOTED_BRACE.search("\n".join(lines[max(0, at - 2) : at + 1])):
        mend = 'put a text that starts with { in quotes: template: "{style} piece"'
    elif "cannot start any token" in said:
        mend = "put a text that starts with @, ` or % in quotes"
    elif "quoted scalar" in said:
        mend = "a quotation mark is never closed"
    elif "expected key" in said or "block end" in said or "block mapping" in said:
        mend = "check the indentation: keys that belong together start in the same column"
    else:
        mend = "see the line before it too"
    return f"is not valid YAML ({said}); {mend}"


class _Composer:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._nodes = 0

    def compose(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        documents = 0
        stack: list[Items | Pairs] = []
        keys: list[tuple[int, str] | None] = []  # for each open mapping, the key that waits for its value
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop("a second document (---) starts here; one file holds one", line)
                if event.tags:
                    self._stop("%TAG lines are not allowed; delete it", line)
            elif isinstance(event, yaml.AliasEvent):
                self._stop("aliases (*name) are not allowed; write the value out", line, f"*{event.anchor}")
            elif isinstance(event, yaml.NodeEvent):
                node = self._node(event, line)
                if not stack:
                    root = node
                elif isinstance(stack[-1], Items):
                    stack[-1].items.append(node)
                elif keys[-1] is None:
                    keys[-1] = self._key(node, stack[-1])
                else:
                    key_line, key = keys[-1]
                    stack[-1].entries.setdefault(key, (key_line, node))
                    keys[-1] = None
                if not isinstance(node, Scalar):
                    stack.append(node)
                    keys.append(None)
                    if len(stack) > DEEPEST:
                        self._stop(f"is nested more than {DEEPEST} levels deep", line)
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                stack.pop()
                keys.pop()
        return root

    def _node(self, event: Any, line: int) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(f"more than {MOST_NODES:,} entries; write a list this long as a CSV file", line)
        if event.anchor is not None:
            self._stop(
                "anchors (&name) are not allowed; write the value out where it is used", line, f"&{event.anchor}"
            )
        if event.tag is not None:
            self._stop("tags (!name) are not allowed; put a text that starts with ! in quotes", line, event.tag)
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(line)
        if isinstance(event, yaml.MappingStartEvent):
            return Pairs(line)
        return Scalar(line, event.value, _kind(event.value) if event.implicit[0] else "text")

    def _key(self, node: Node, mapping: Pairs) -> tuple[int, str]:
        if not isinstance(node, Scalar):
            self._stop("a key must be one word or text; put a text that starts with { or [ in quotes", node.line)
        if node.text == "<<":
            self._problems.add("merge keys (<<) are not allowed; write the values out", node.line, "<<")
        elif node.text in mapping.entries:
            first = mapping.entries[node.text][0]
            self._problems.add(f"is given twice; the first is on line {first}", node.line, node.text)
        return node.line, node.text

    def _stop(self, message: str, line: int, value: str | None = None) -> NoReturn:
        self._problems.add(message, line, None, value)
        raise _Stop


def _kind(text: str) -> str:
    tag = str(_RESOLVER.resolve(yaml.ScalarNode, text[:LONGEST_NUMBER], (True, False)))  # type: ignore[no-untyped-call]
    tag = tag.rpartition(":")[2]
    kind = _KINDS.get(tag, "text")
    return "sexagesimal" if kind == "number" and ":" in text else kind
