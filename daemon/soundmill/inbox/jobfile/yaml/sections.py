"""Inbox: the sections of a YAML job file that make rows — a list of jobs, a template with variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from soundmill.inbox.jobfile.cells import JOB_FIELDS, KNOWN, Wrong, check_label_name, read_label
from soundmill.inbox.jobfile.placeholders import fill, may_have
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import SHARED_FIELDS, Row, RowReader
from soundmill.inbox.jobfile.suggest import nearly
from soundmill.inbox.jobfile.vocabulary import meaning
from soundmill.inbox.jobfile.yaml.axes import Axis, check_placeholders, read_axes
from soundmill.inbox.jobfile.yaml.designs import FullFactorial
from soundmill.inbox.jobfile.yaml.nodes import Items, Node, Pairs, Scalar
from soundmill.inbox.jobfile.yaml.template import Template, unfilled
from soundmill.inbox.jobfile.yaml.values import cell, is_told, words
from soundmill.words import did_you_mean, normal

_NO_LINES: dict[str, int] = {}


class JobList:
    """`jobs:` — prompts, or mappings with a prompt and fields of their own."""

    def __init__(self, jobs: list[Node], base: Mapping[str, str], reader: RowReader) -> None:
        self._jobs = jobs
        self._base = base
        self._reader = reader
        self.rows_due = len(jobs)
        self.jobs_due = len(jobs)

    def rows(self, before: int, problems: Problems) -> Iterator[Row]:
        """The good rows, their positions counted on from `before`."""
        for position, node in enumerate(self._jobs, before + 1):
            row = self._row(position, node, problems)
            if row is not None:
                yield row

    def _row(self, position: int, node: Node, problems: Problems) -> Row | None:
        cells: dict[str, str] = {}
        labels: dict[str, str] = {}
        lines: dict[str, int] = {}
        good = True
        if isinstance(node, Scalar):
            text = words(node, "prompt", problems)
            if text is None or is_told(node):
                return None
            if not text:
                problems.add("is missing: this item of the list is blank", node.line, "prompt")
                return None
            cells["prompt"] = text
        elif isinstance(node, Items):
            message = (
                "a job is a prompt or a mapping with a prompt, not a list; put a text that starts with [ in quotes"
            )
            problems.add(message, node.line, "jobs")
            return None
        else:
            good = _read_job(node, cells, labels, lines, problems)
            if good and "prompt" not in self._base and not node.entries.keys() & KNOWN:
                _say_what_the_prompt_became(node, labels, problems)
                return None
        prompt = cells.get("prompt") or self._base.get("prompt", "")
        if may_have(prompt):
            values = {normal(name): value for name, value in {**self._base, **cells, **labels}.items()}
            try:
                prompt = fill(prompt, values.get, unfilled)
            except Wrong as wrong:
                problems.add(str(wrong), lines.get("prompt", node.line), "prompt", prompt)
                good = False
        row = self._reader.read(
            lines=lines,
            line=node.line,
            position=position,
            prompt=prompt,
            id_text=cells.get("id", ""),
            seed_text=cells.get("seed") or self._base.get("seed", ""),
            shared=shared_texts(self._base, cells),
            labels=labels,
            condition={},
            problems=problems,
        )
        return row if good else None


def _say_what_the_prompt_became(node: Pairs, labels: Mapping[str, str], problems: Problems) -> None:
    """Of a mapping with nothing in it that is a job's."""
    for key, (line, _) in node.entries.items():
        if key in labels:
            message = "is taken for a label, and the job has no prompt; put a prompt that contains a colon in quotes"
        else:
            message = "is taken for a key, and the job has no prompt; put a prompt with a colon, { or ? in quotes"
        problems.add(message, line, key)
        return
    problems.add("is missing: this item of the list is blank", node.line, "prompt")


def _read_job(
    node: Pairs, cells: dict[str, str], labels: dict[str, str], lines: dict[str, int], problems: Problems
) -> bool:
    """Sorts a mapping into fields and labels; False if something was wrong."""
    good = True
    for key, (line, entry) in node.entries.items():
        lines[key] = line
        if key == "<<":
            good = False
        elif key in KNOWN:
            text = cell(entry, key, problems)
            good = good and text is not None
            if text:
                cells[key] = text
            elif text is None and key == "prompt":
                cells[key] = key  # it is there and has been refused, and is not to be told as missing too
        elif suggestion := nearly(key, KNOWN):
            problems.add(f"is not a field Soundmill knows{did_you_mean(suggestion)}", line, key)
            good = False
        elif why_not := meaning(key, KNOWN).why_not:
            problems.add(why_not.replace("column", "key"), line, key)
            good = False
        else:
            text = words(entry, key, problems)
            try:
                check_label_name(key)
                if text:
                    labels[key] = read_label(text)
            except Wrong as wrong:
                problems.add(str(wrong), line, key, text)
                good = False
            good = good and text is not None
    return good


class TemplateSection:
    """`template:` with `variables:` — every combination of the variables' values is a row."""

    def __init__(
        self,
        text: str,
        line: int,
        variables: Mapping[str, tuple[int, Node]],
        base: Mapping[str, str],
        reader: RowReader,
        problems: Problems,
    ) -> None:
        self._line = line
        self._base = base
        self._reader = reader
        try:
            self._template = Template(text)
        except Wrong as wrong:
            problems.add(str(wrong), line, "template", text)
            return
        names = self._template.names
        self._axes: list[Axis] = read_axes(variables, names, ("prompt",), "variables", problems)
        check_placeholders(names, self._axes, "variables", line, "template", problems)
        self._design = FullFactorial([axis.levels for axis in self._axes])
        self.rows_due = self._design.size
        self.jobs_due = self.rows_due * count_of(base)

    def rows(self, before: int, problems: Problems) -> Iterator[Row]:
        lines = {axis.name: axis.line for axis in self._axes if axis.sets_field}
        names = [axis.name for axis in self._axes]
        label_names = [name for name in names if name not in KNOWN]
        for position, levels in enumerate(self._design, before + 1):
            values = dict(zip(names, levels, strict=True))
            cells = field_cells(self._axes, levels)
            row = self._reader.read(
                lines=lines,
                line=self._line,
                position=position,
                prompt=self._template.render(values),
                id_text="",
                seed_text=cells.get("seed") or self._base.get("seed", ""),
                shared=shared_texts(self._base, cells),
                labels={name: values[name] for name in label_names} if label_names else {},
                condition={},
                problems=problems,
            )
            if row is not None:
                yield row


def field_cells(axes: list[Axis], levels: tuple[str, ...]) -> dict[str, str]:
    return {axis.name: level for axis, level in zip(axes, levels, strict=True) if axis.sets_field}


def shared_texts(base: Mapping[str, str], cells: Mapping[str, str]) -> tuple[str, ...]:
    return tuple([cells.get(name) or base.get(name, "") for name in SHARED_FIELDS])


def count_of(base: Mapping[str, str]) -> int:
    count: int = JOB_FIELDS["count"].read(base.get("count", "1"))
    return count
