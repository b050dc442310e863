"""Inbox: what varies in an experiment — its factors, the prompts they go into, the baseline they vary around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.suggest import closest
from soundmill.inbox.jobfile.yaml.axes import Axis, check_placeholders, level_value, read_axes
from soundmill.inbox.jobfile.yaml.designs import Condition
from soundmill.inbox.jobfile.yaml.nodes import Items, Node
from soundmill.inbox.jobfile.yaml.template import Template
from soundmill.inbox.jobfile.yaml.values import cell, pairs, plain_text
from soundmill.words import did_you_mean

EXAMPLE = "factors: {temperature: [0.7, 1.0]}"

Entries = Mapping[str, tuple[int, Node]]  # key: (its line, what stands there)


def read_factors(
    entries: Entries, prompt: tuple[str, int] | None, line: int, problems: Problems
) -> tuple[list[Axis], Mapping[str, Template]]:
    """The factors of the experiment on `line`, and its prompts: one for each level of the factor `prompt`, or
    under "" the one prompt there is."""
    told = len(problems)
    factors = (
        pairs(entries["factors"][1], "factors", "{temperature: [0.7, 1.0]}", problems) if "factors" in entries else {}
    )
    if not factors and len(problems) == told:
        problems.add(f"needs at least one factor, as in {EXAMPLE}", line, "experiment")
    templates = _read_templates(factors, prompt, line, problems)
    names = [name for template in templates.values() for name in template.names]
    axes = read_axes(factors, names, (), "factors", problems)
    check_placeholders(names, axes, "factors", prompt[1] if prompt else line, "prompt", problems)
    return axes, templates


def _read_templates(
    factors: Entries, prompt: tuple[str, int] | None, line: int, problems: Problems
) -> Mapping[str, Template]:
    texts: list[tuple[str, int]] = [("", line)]
    if "prompt" in factors:
        quiet = Problems()  # read_axes tells what is wrong with the levels
        node = factors["prompt"][1]
        nodes = node.items if isinstance(node, Items) else []
        texts = [(text, each.line) for each in nodes if (text := cell(each, "prompt", quiet))]
    elif prompt is None:
        message = "needs a prompt: give one here, under defaults or as template, or make prompt a factor"
        problems.add(message, line, "experiment")
    templates = {}
    for text, text_line in texts:
        written = text or (prompt[0] if prompt else "")
        try:
            templates[text] = Template(written)
        except Wrong as wrong:
            if not text:
                problems.add(str(wrong), prompt[1] if prompt else text_line, "prompt", written)
    return templates


def read_baseline(entries: Entries, axes: Sequence[Axis], usual: Mapping[str, str], problems: Problems) -> Condition:
    """The baseline's level of each factor: as given, else the usual one, else the first."""
    given = pairs(entries["baseline"][1], "baseline", "{temperature: 1.0}", problems) if "baseline" in entries else {}
    names = [axis.name for axis in axes]
    for key, (line, _) in given.items():
        if key not in names:
            mend = did_you_mean(closest(key, names))
            problems.add(f"is not one of the factors{mend}", line, f"baseline {key}")
    return tuple(_baseline_level(axis, given, usual, problems) for axis in axes)


def _baseline_level(axis: Axis, given: Entries, usual: Mapping[str, str], problems: Problems) -> str:
    first = axis.levels[0] if axis.levels else ""
    if axis.name not in given:
        return usual[axis.name] if usual.get(axis.name) in axis.levels else first
    node = given[axis.name][1]
    text = plain_text(node, f"baseline {axis.name}", problems)
    if text is not None and axis.levels:  # else what is wrong has been told
        try:
            wanted = level_value(axis.name, text, axis.sets_field)
            for level in axis.levels:
                if level_value(axis.name, level, axis.sets_field) == wanted:
                    return level
            raise Wrong(f"must be one of the factor's levels: {', '.join(axis.levels)}")
        except Wrong as wrong:
            problems.add(str(wrong), node.line, f"baseline {axis.name}", text)
    return first
