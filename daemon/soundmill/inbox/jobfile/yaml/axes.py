"""Inbox: what varies in a template or an experiment — names with levels, checked one by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from soundmill.inbox.jobfile.cells import JOB_FIELDS, KNOWN, Wrong, check_label_name, read_label
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.suggest import closest, nearly
from soundmill.inbox.jobfile.yaml.nodes import Node, Pairs
from soundmill.inbox.jobfile.yaml.ranges import Range, read_range
from soundmill.inbox.jobfile.yaml.template import Template
from soundmill.inbox.jobfile.yaml.values import cell, is_told, items, words
from soundmill.words import did_you_mean


@dataclass(frozen=True, slots=True)
class Axis:
    """A template's variable or an experiment's factor. `sets_field`: its levels are a job field's values.

    A factor that has a `range` has no listed levels.
    """

    name: str
    line: int
    levels: tuple[str, ...]
    sets_field: bool
    range: Range | None = None

    @property
    def count(self) -> int:
        """How many different levels it has."""
        return len(self.levels) if self.range is None else self.range.count

    @property
    def is_stepped(self) -> bool:
        """Whether its levels are few enough to be shared out evenly."""
        return self.range is None or self.range.step is not None

    def level(self, share: float) -> str:
        """The level at this share, 0 to 1, of the range or of the list."""
        if self.range is not None:
            return self.range.level(share)
        return self.levels[min(int(share * len(self.levels)), len(self.levels) - 1)]


def read_axes(
    entries: Mapping[str, tuple[int, Node]],
    placeholders: Collection[str],
    text_only: Collection[str],
    what: str,
    problems: Problems,
) -> list[Axis]:
    """The axes under `what` ("variables" or "factors"). Names in `text_only` never set a job's field;
    factors alone may have a range."""
    axes = []
    for name, (line, node) in entries.items():
        if name in ("id", "count") or (name in text_only and name not in placeholders):
            instead = {"count": "use replicates or defaults", "prompt": "the template is the prompt"}.get(
                name, "every job needs an id of its own"
            )
            problems.add(f"cannot be one of the {what}: {instead}", line, name)
            continue
        sets_field = name in KNOWN and name not in text_only
        if not sets_field and name not in placeholders:
            _unknown_axis(name, line, placeholders, problems)
        try:
            check_label_name(name)
        except Wrong as wrong:
            problems.add(str(wrong), line, name)
        if what == "factors" and isinstance(node, Pairs):
            found = read_range(name, node, sets_field, problems)
            axes.append(Axis(name, line, (), sets_field, found))
        else:
            axes.append(Axis(name, line, _levels(name, node, sets_field, problems), sets_field))
    return axes


def _unknown_axis(name: str, line: int, placeholders: Collection[str], problems: Problems) -> None:
    suggestion = nearly(name, KNOWN) or closest(name, placeholders)
    problems.add(
        f"is neither a field of a job nor a {{placeholder}} of the prompt{did_you_mean(suggestion)}", line, name
    )


def _levels(name: str, node: Node, sets_field: bool, problems: Problems) -> tuple[str, ...]:
    levels: list[str] = []
    seen: set[object] = set()
    told = len(problems)
    nodes = items(node, name, "[calm, tense]", problems)
    for item in nodes:
        text = cell(item, name, problems) if sets_field else words(item, name, problems)
        if text is None:
            continue
        try:
            found = level_value(name, text, sets_field)
            if found in seen:
                raise Wrong("is listed twice")
            seen.add(found)
            levels.append(text)
        except Wrong as wrong:
            problems.add(str(wrong), item.line, name, text or None)
    if not nodes and len(problems) == told and not is_told(node):
        problems.add("needs at least one value, as in [calm, tense]", node.line, name)
    return tuple(levels)


def level_value(name: str, text: str, sets_field: bool) -> object:
    """What the text of a level means; levels that mean the same are the same. Raises Wrong."""
    if not text:
        raise Wrong("must not be blank")
    if not sets_field:
        return read_label(text)
    if name == "prompt":
        Template(text)
        return text
    found: object = JOB_FIELDS[name].read(text)
    return found


def check_placeholders(
    names: Collection[str], axes: Collection[Axis], what: str, line: int, field: str, problems: Problems
) -> None:
    """Tells which placeholders have no values."""
    known = [axis.name for axis in axes]
    for name in dict.fromkeys(names):
        if name not in known:
            suggestion = did_you_mean(closest(name, known))
            problems.add(f"the placeholder {{{name}}} has no values; add {name} to the {what}{suggestion}", line, field)
