"""Inbox: reads YAML into light nodes that know their line, and refuses what surprises people.

Where it stumbles over a line that slips.py knows, it tells, mends the line and reads on. Works on parser
events, not on yaml.compose: the depth is checked before anything recurses, and a node costs a tenth of
PyYAML's. Scalars keep the text as written, so `scene: 010` stays 010.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.yaml import marks, slips

DEEPEST = 50
# Some 100 MB of nodes. A list that long belongs in a CSV file, which is read row by row.
MOST_NODES = 400_000
LONGEST_NUMBER = 60  # characters
# A mended file is read again from its beginning: so often, and so many bytes of it in all.
MOST_MENDED = 200
MOST_READ_AGAIN = 1 << 22

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_KINDS = {"int": "number", "float": "number", "bool": "bool", "null": "null", "timestamp": "date"}
_STARTS_OF_OTHERS = frozenset(_RESOLVER.yaml_implicit_resolvers)
_OTHER_NODES = frozenset({yaml.SequenceStartEvent, yaml.MappingStartEvent, yaml.AliasEvent})
_UNSEEN = re.compile(rb"\A(?:\xef\xbb\xbf|\xe2\x80\x8b|\xe2\x81\xa0)+")
_AFTER = re.compile(r"[ \t]+(#.*)")


@dataclass(slots=True)
class Scalar:
    """`kind` is what YAML takes the text for: text, number, sexagesimal, bool, date or null; told: what stands here
    has been refused already."""

    line: int
    text: str
    kind: str


@dataclass(slots=True)
class Cut(Scalar):
    """A text without quotes that a comment on its line ends."""

    comment: str


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


class _Slipped(Exception):
    """Slips in lines that YAML reads without complaint, as something else."""

    def __init__(self, *found: slips.Slip) -> None:
        self.found = found


def read_yaml(data: bytes, problems: Problems) -> Node | None:
    """The one document of a YAML file, or None after telling `problems` why there is none."""
    if other := slips.holds(data[:4096].decode("utf-8-sig", "replace").splitlines()):
        problems.add(other, 1)
        return None
    text = slips.Source(_UNSEEN.sub(b"", data))
    again = 0
    found: list[slips.Slip] = []
    for _ in range(MOST_MENDED):
        try:
            # yaml.parse asks twice for each event, which is a tenth of all the time.
            return _Composer(text, problems).compose(iter(_LOADER(text.data).get_event, None))
        except _Stop:
            return None
        except _Slipped as slipped:
            found = list(slipped.found)
        except yaml.MarkedYAMLError as error:
            found = slips.find_cause(error, text.lines)
            if not found:
                mark = error.problem_mark or error.context_mark
                if "quoted scalar" in str(error.context):
                    mark = error.context_mark or mark  # where it opens; the problem's is the end of the file
                last = max((n for n, line in enumerate(text.lines, 1) if line.strip()), default=1)
                problems.add(slips.explain(error), min(mark.line + 1, last) if mark else None)
        except yaml.YAMLError as error:
            # the reader, below the parser: a character YAML does not allow
            offset = getattr(error, "position", None)
            line = text.data.count(b"\n", 0, offset) + 1 if isinstance(offset, int) else None
            problems.add("contains a control character; delete it or type the text again", line)
            return None
        for slip in found:
            problems.add(slip.message, slip.line)
        if not text.mend(found):
            return None
        again += len(data) // 16 + len(data) * found[-1].line // len(text.lines)
        if again > max(MOST_READ_AGAIN, 2 * len(data)):
            break
    problems.add("the file was read no further than this; mend it so far first", found[-1].line)
    return None


class _Composer:
    def __init__(self, source: slips.Source, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self._nodes = 0
        self._flow = 0  # brackets and braces that are open

    def compose(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        documents = 0
        stack: list[Items | Pairs] = []
        waiting: tuple[int, str] | None = None  # the key, of the innermost mapping, that waits for its value
        careful = self._source.is_odd
        commented = self._source.lines if self._source.has_comments else None
        for event in events:
            kind = type(event)
            mark = event.start_mark
            line = mark.line + 1
            if kind is yaml.ScalarEvent or kind in _OTHER_NODES:
                place = stack[-1] if stack else None
                is_key = waiting is None and isinstance(place, Pairs)
                node: Node
                if kind is yaml.ScalarEvent:
                    node = self._scalar(event, line, is_key, commented)
                    if self._flow and waiting and isinstance(place, Pairs) and not event.value and event.implicit[0]:
                        self._look_for_colon(event, waiting, place)
                    if event.implicit[0] and (careful or event.end_mark.line >= line):
                        self._look(event, line, place, waiting)
                else:
                    node = self._other(event, line)
                if place is None:
                    root = node
                elif isinstance(place, Items):
                    place.items.append(node)
                elif waiting is None:
                    waiting = self._key(node, place)
                else:
                    place.entries.setdefault(waiting[1], (waiting[0], node))
                    waiting = None
                if not isinstance(node, Scalar):
                    if self._flow or event.flow_style:
                        self._flow += 1
                    stack.append(node)
                    if len(stack) > DEEPEST:
                        self._stop(f"is nested more than {DEEPEST} levels deep", line)
            elif kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
                stack.pop()
                self._flow -= self._flow > 0
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._stop("a second document (---) starts here; one file holds one", line)
                if event.tags:
                    self._stop("%TAG lines are not allowed; delete it", line)
        return root

    def _scalar(self, event: Any, line: int, is_key: bool, commented: list[str] | None) -> Scalar:
        """`commented`: the file's lines, if some of them hold comments behind something else."""
        self._count(line)
        text = event.value
        if event.anchor is not None or event.tag is not None:
            self._refuse_marks(event, line)
            return Scalar(line, text, "told")
        if is_key or not event.implicit[0]:
            return Scalar(line, text, "text")
        kind = "text" if text and text[0] not in _STARTS_OF_OTHERS else _kind(text)
        if commented is not None:
            end = event.end_mark
            source = commented[end.line]
            if "#" in source and (after := _AFTER.match(source, end.column)):
                return Cut(line, text, kind, after[1])
        return Scalar(line, text, kind)

    def _other(self, event: Any, line: int) -> Node:
        """A list, a mapping or an alias."""
        self._count(line)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, line, "aliases (*name) are not allowed; write the value out")
            return Scalar(line, f"*{event.anchor}", "told")
        self._refuse_marks(event, line)
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(line)
        if self._source.is_odd and self._source.lines[line - 1].startswith("? ", event.start_mark.column):
            if not self._flow and (slip := slips.unquoted(self._source.lines, line - 1)):
                raise _Slipped(slip)
            self._stop("a key must be one word or text; put a text that starts with ? in quotes", line)
        return Pairs(line)

    def _count(self, line: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(f"more than {MOST_NODES:,} entries; write a list this long as a CSV file", line)

    def _refuse_marks(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._refuse(event, line, "anchors (&name) are not allowed; write the value out where it is used")
        if event.tag is not None:
            self._refuse(event, line, "tags (!name) are not allowed; put a text that starts with ! in quotes")

    def _refuse(self, event: Any, line: int, message: str) -> None:
        """Tells what YAML takes the first mark of a text for or, where the mark was meant, that it is not allowed."""
        text = self._source.lines[line - 1][event.start_mark.column :].strip()
        if self._flow:
            text = re.split(r"[,\]}]", text)[0]
        name = (event.anchor or "").encode()
        pair = name and b"&" + name in self._source.data and b"*" + name in self._source.data
        is_text = isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)) and (event.anchor is None or not pair)
        if is_text and len(text.split()) > 1 and not text.startswith(("!!", "!<")):
            message = marks.starts(text)
        self._problems.add(message, line)

    def _look(self, event: Any, line: int, place: Items | Pairs | None, waiting: tuple[int, str] | None) -> None:
        """Looks at a plain text for what was meant otherwise. Raises _Slipped."""
        lines = self._source.lines
        first, last = line - 1, event.end_mark.line
        text = event.value
        if self._source.is_odd and slips.has_odd_space(text) and (found := slips.find_odd_space(lines, first)):
            raise _Slipped(*found)
        if last > first and (found := slips.joined(lines, first, last, in_flow=self._flow > 0)):
            raise _Slipped(*found)
        if not self._source.is_odd:
            return
        if not self._flow:
            below = place is None or (isinstance(place, Pairs) and waiting is not None and waiting[0] < line)
            if below and _kind(text) == "text" and (found := slips.items(lines, first)):
                raise _Slipped(*found)
            if (below or isinstance(place, Items)) and (slip := slips.missing_space(lines, first)):
                raise _Slipped(slip)
        column, whole = event.start_mark.column, lines[first]
        if text and not self._flow and text[0] in "“„«‚‘‹" and text[-1] not in "”“»‘’›":
            text = whole[column:].rstrip()
        if text and (told := marks.typographic(text)):
            piece = text if whole.startswith(text, column) else whole[column:]
            raise _Slipped(slips.Slip(line, told[0], whole[:column] + told[1] + whole[column + len(piece) :]))

    def _look_for_colon(self, event: Any, key: tuple[int, str], place: Pairs) -> None:
        """Refuses a key in braces, after others, that has no colon: the rest of a text that contains a comma."""
        before = self._source.lines[event.start_mark.line][: event.start_mark.column].rstrip()
        others = (node for _, node in place.entries.values())
        if not before.endswith(":") and any(not isinstance(node, Scalar) or node.text for node in others):
            message = "a comma ends a text within { }, and YAML takes what follows for a key; put the text in quotes"
            self._problems.add(message, key[0], None, key[1])

    def _key(self, node: Node, mapping: Pairs) -> tuple[int, str]:
        if not isinstance(node, Scalar):
            self._stop("a key must be one word or text; put a text that starts with { or [ in quotes", node.line)
        text = node.text.strip(slips.INVISIBLE)
        if text == "<<":
            self._problems.add("merge keys (<<) are not allowed; write the values out", node.line, "<<")
        elif text in mapping.entries:
            first = mapping.entries[text][0]
            self._problems.add(f"is given twice; the first is on line {first}", node.line, text)
        return node.line, text

    def _stop(self, message: str, line: int, value: str | None = None) -> NoReturn:
        self._problems.add(message, line, None, value)
        raise _Stop


def _kind(text: str) -> str:
    tag = str(_RESOLVER.resolve(yaml.ScalarNode, text[:LONGEST_NUMBER], (True, False)))  # type: ignore[no-untyped-call]
    tag = tag.rpartition(":")[2]
    kind = _KINDS.get(tag, "text")
    return "sexagesimal" if kind == "number" and ":" in text else kind
