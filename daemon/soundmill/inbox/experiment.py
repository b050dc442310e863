"""Inbox: `experiment:` — factors, a design, a baseline, replicates; every condition is a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from soundmill.inbox.axes import Axis, check_placeholders, level_value, read_axes
from soundmill.inbox.expand import (
    Template,
    full_factorial,
    full_factorial_size,
    one_factor_at_a_time,
    one_factor_at_a_time_size,
)
from soundmill.inbox.fields import EXPERIMENT_FIELDS, KNOWN, Wrong
from soundmill.inbox.models import DESIGNS
from soundmill.inbox.models import Experiment as ExperimentModel
from soundmill.inbox.nodes import cell, items, pairs, plain_text, unknown_key, value, words
from soundmill.inbox.problems import Problems
from soundmill.inbox.rows import Row, RowReader
from soundmill.inbox.sections import count_of, field_cells, shared_texts
from soundmill.inbox.suggest import closest, did_you_mean
from soundmill.inbox.yaml_reader import Node, Scalar

_LATER_DESIGNS = ("latin_hypercube", "sobol")
_EXAMPLE = "factors: {temperature: [0.7, 1.0]}"


class ExperimentSection:
    """A designed experiment. `prompt` is what defaults or template say, unless the section says its own."""

    def __init__(
        self, node: Node, prompt: tuple[str, int] | None, base: Mapping[str, str], reader: RowReader, problems: Problems
    ) -> None:
        self._line = node.line
        self._reader = reader
        self._problems = problems
        entries = pairs(node, "experiment", _EXAMPLE, problems)
        for key, (line, _) in entries.items():
            if key == "n":
                message = "belongs to sampled designs, which this version does not have; use replicates for more clips"
                problems.add(message, line, key)
            elif key not in ExperimentModel.model_fields:
                unknown_key(key, line, "in an experiment", ExperimentModel.model_fields, problems)
        self._design = self._read_design(entries)
        replicates = (
            value(entries["replicates"][1], EXPERIMENT_FIELDS["replicates"], problems)
            if ("replicates" in entries)
            else None
        )
        self._replicates: int = replicates or count_of(base)
        self._base = {**base, "count": str(self._replicates)}
        if "prompt" in entries:
            text = words(entries["prompt"][1], "prompt", problems)
            prompt = (text, entries["prompt"][0]) if text else prompt
        factors = (
            pairs(entries["factors"][1], "factors", "{temperature: [0.7, 1.0]}", problems)
            if ("factors" in entries)
            else {}
        )
        if not factors:
            problems.add(f"needs at least one factor, as in {_EXAMPLE}", node.line, "experiment")
        self._templates = self._read_templates(factors, prompt)
        names = [name for template in self._templates.values() for name in template.names]
        self._axes = read_axes(factors, names, (), "factors", problems)
        line = prompt[1] if prompt else node.line
        check_placeholders(names, self._axes, "factors", line, "prompt", problems)
        self._baseline = self._read_baseline(entries)
        levels = [axis.levels for axis in self._axes]
        if self._design == "one_factor_at_a_time":
            self.rows_due = one_factor_at_a_time_size(levels, self._baseline)
        else:
            self.rows_due = full_factorial_size(levels)
        self.jobs_due = self.rows_due * self._replicates

    @property
    def as_written(self) -> Mapping[str, object]:
        """The section as plain data; levels are texts, the same as in the jobs' conditions."""
        return {
            "design": self._design,
            "factors": {axis.name: list(axis.levels) for axis in self._axes},
            "baseline": {axis.name: level for axis, level in zip(self._axes, self._baseline, strict=True)},
            "replicates": self._replicates,
        }

    def rows(self, before: int, problems: Problems) -> Iterator[Row]:
        """The conditions, their positions counted on from `before`."""
        lines = {axis.name: axis.line for axis in self._axes}
        names = [axis.name for axis in self._axes]
        levels_of = [axis.levels for axis in self._axes]
        if self._design == "one_factor_at_a_time":
            conditions = one_factor_at_a_time(levels_of, self._baseline)
        else:
            conditions = full_factorial(levels_of)
        for position, levels in enumerate(conditions, before + 1):
            condition = dict(zip(names, levels, strict=True))
            cells = field_cells(self._axes, levels)
            template = self._templates[condition.get("prompt", "")]
            row = self._reader.read(
                lines=lines,
                line=self._line,
                position=position,
                prompt=template.render(condition),
                id_text="",
                seed_text=cells.get("seed") or self._base.get("seed", ""),
                shared=shared_texts(self._base, cells),
                labels={name: level for name, level in condition.items() if name not in KNOWN},
                condition=condition,
                same_seeds=True,
                problems=problems,
            )
            if row is not None:
                yield row

    def _read_design(self, entries: Mapping[str, tuple[int, Node]]) -> str:
        if "design" not in entries:
            return DESIGNS[0]
        line, node = entries["design"]
        if isinstance(node, Scalar) and node.text in _LATER_DESIGNS:
            message = f"is not available in this version; use {' or '.join(DESIGNS)}"
            self._problems.add(message, line, "design", node.text)
            return DESIGNS[0]
        found = value(node, EXPERIMENT_FIELDS["design"], self._problems)
        return DESIGNS[0] if found is None else str(found)

    def _read_templates(
        self, factors: Mapping[str, tuple[int, Node]], prompt: tuple[str, int] | None
    ) -> Mapping[str, Template]:
        """The parsed prompt of each level of the factor `prompt`, or under "" the one prompt there is."""
        texts: list[tuple[str, int]] = [("", self._line)]
        if "prompt" in factors:
            quiet = Problems()  # read_axes tells what is wrong with the levels
            nodes = items(factors["prompt"][1], "prompt", "", quiet)
            texts = [(text, n.line) for n in nodes if (text := cell(n, "prompt", quiet))]
        elif prompt is None:
            message = "needs a prompt: give one here, under defaults or as template, or make prompt a factor"
            self._problems.add(message, self._line, "experiment")
        templates = {}
        for text, line in texts:
            written = text or (prompt[0] if prompt else "")
            try:
                templates[text] = Template(written)
            except Wrong as wrong:
                if not text:
                    self._problems.add(str(wrong), prompt[1] if prompt else line, "prompt", written)
                templates[text] = Template("")
        return templates

    def _read_baseline(self, entries: Mapping[str, tuple[int, Node]]) -> tuple[str, ...]:
        """The baseline's level of each factor: as given, else the first."""
        given = (
            pairs(entries["baseline"][1], "baseline", "{temperature: 1.0}", self._problems)
            if ("baseline" in entries)
            else {}
        )
        names = [axis.name for axis in self._axes]
        for key, (line, _) in given.items():
            if key not in names:
                mend = did_you_mean(closest(key, names))
                self._problems.add(f"is not one of the factors{mend}", line, f"baseline {key}")
        return tuple(self._baseline_level(axis, given) for axis in self._axes)

    def _baseline_level(self, axis: Axis, given: Mapping[str, tuple[int, Node]]) -> str:
        first = axis.levels[0] if axis.levels else ""
        if axis.name not in given:
            return first
        node = given[axis.name][1]
        text = plain_text(node, f"baseline {axis.name}", self._problems)
        if text is None:
            return first
        try:
            wanted = level_value(axis.name, text, axis.sets_field)
        except Wrong as wrong:
            self._problems.add(str(wrong), node.line, f"baseline {axis.name}", text)
            return first
        for level in axis.levels:
            if level_value(axis.name, level, axis.sets_field) == wanted:
                return level
        message = f"must be one of the factor's levels: {', '.join(axis.levels)}"
        self._problems.add(message, node.line, f"baseline {axis.name}", text)
        return first
