"""Inbox: `extends:` — an experiment that goes on where an earlier batch's ended: same controls, same seeds.

Whatever could mix two experiments into one is refused here: other controls, other factors, another
baseline, other ranges of a sampled design. What may grow are levels, replicates and n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from soundmill.errors import InvalidControl
from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.context import EarlierExperiment, Rules
from soundmill.inbox.jobfile.problems import Problems, shorten
from soundmill.inbox.jobfile.written import SAMPLED_DESIGNS
from soundmill.inbox.jobfile.yaml.axes import Axis, level_value
from soundmill.inbox.jobfile.yaml.designs import Condition, Design
from soundmill.inbox.jobfile.yaml.nodes import Node
from soundmill.inbox.jobfile.yaml.values import words
from soundmill.words import count

Done = Mapping[Condition, frozenset[int]]  # the replicates that are there, by condition


def read_extends(entry: tuple[int, Node], rules: Rules, problems: Problems) -> EarlierExperiment | None:
    """The experiment that is extended; None after telling `problems` why there is none."""
    line, node = entry
    name = words(node, "extends", problems)
    if name is None:
        return None
    if not name:
        problems.add("must name the batch to go on with", line, "extends")
        return None
    try:
        earlier = rules.find_experiment(name)
    except InvalidControl as error:
        problems.add(str(error), line, "extends", name)
        return None
    if not isinstance(earlier.plan.get("controls"), Mapping):
        problems.add(
            "cannot be extended: an older Soundmill made it and did not record its controls", line, "extends", name
        )
        return None
    return earlier


def check_design(design: str, earlier: EarlierExperiment, line: int, problems: Problems) -> None:
    """Level designs may follow each other; a sampled one goes on as it began."""
    began = str(earlier.plan.get("design"))
    if design != began and (design in SAMPLED_DESIGNS or began in SAMPLED_DESIGNS):
        problems.add(f"must be {began}, as in batch {earlier.batch}, which it extends", line, "design", design)


def as_earlier(
    axes: Sequence[Axis], sampled: bool, earlier: EarlierExperiment, line: int, problems: Problems
) -> list[Axis]:
    """The axes in the earlier experiment's order, its levels spelled as there: 1 and 1.0 are one level."""
    factors = earlier.plan.get("factors")
    known: Mapping[str, object] = factors if isinstance(factors, Mapping) else {}
    named = {axis.name: axis for axis in axes}
    for axis in axes:
        if axis.name not in known:
            message = f"is no factor of batch {earlier.batch}; an extended experiment keeps its factors"
            problems.add(message, axis.line, axis.name)
    found = []
    for name, written in known.items():
        if name not in named:
            message = f"lacks {name}, a factor of batch {earlier.batch}; list the levels of it that are wanted"
            problems.add(message, line, "factors")
        elif sampled:
            found.append(_unchanged(named[name], written, earlier.batch, problems))
        else:
            texts = [condition[name] for condition, _ in earlier.conditions if name in condition]
            found.append(replace(named[name], levels=_spelled(named[name], texts)))
    return found


def _spelled(axis: Axis, texts: Sequence[str]) -> tuple[str, ...]:
    first: dict[object, str] = {}
    for text in dict.fromkeys(texts):
        try:
            first.setdefault(level_value(axis.name, text, axis.sets_field), text)
        except Wrong:  # a level that was good once
            continue
    return tuple(first.get(level_value(axis.name, level, axis.sets_field), level) for level in axis.levels)


def _unchanged(axis: Axis, written: object, batch: str, problems: Problems) -> Axis:
    if axis.range is not None:
        if axis.range.as_written() == written:
            return axis
    elif isinstance(written, list):
        texts = [str(level) for level in written]
        if set(_spelled(axis, texts)) == set(texts):
            return replace(axis, levels=tuple(texts))
    then = [f"{key}: {_shown(value)}" for key, value in written.items()] if isinstance(written, Mapping) else written
    listed = ", ".join(map(str, then)) if isinstance(then, list) else then
    message = f"must stay as in batch {batch} ({listed}): in a sampled design only n and replicates may grow"
    problems.add(message, axis.line, axis.name)
    return axis


def check_controls(controls: Mapping[str, object], earlier: EarlierExperiment, line: int, problems: Problems) -> None:
    """Tells which controls are not what they were: the analysis would take their effect for a factor's."""
    began = earlier.plan["controls"]
    assert isinstance(began, Mapping)
    for name, value in controls.items():
        if name in began and value != began[name]:
            now = "is not given here" if value is None else f"is {_shown(value)} here"
            then = "was not given" if began[name] is None else f"was {_shown(began[name])}"
            problems.add(
                f"{now} but {then} in batch {earlier.batch}; an experiment keeps its controls: "
                "set it as it was, or leave extends out",
                line,
                name,
            )


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else shorten(str(value))


def baseline_of(earlier: EarlierExperiment) -> Mapping[str, str]:
    baseline = earlier.plan.get("baseline")
    return {str(k): str(v) for k, v in baseline.items()} if isinstance(baseline, Mapping) else {}


def check_baseline(
    baseline: Condition, axes: Sequence[Axis], earlier: EarlierExperiment, line: int, problems: Problems
) -> None:
    """Tells where the baseline is not what it was, if the earlier experiment varied around one."""
    if earlier.plan.get("design") != "one_factor_at_a_time":
        return
    began = baseline_of(earlier)
    for axis, level in zip(axes, baseline, strict=True):
        before = began.get(axis.name, level)
        if before not in axis.levels:
            message = f"lacks the level {before}: everything in batch {earlier.batch} varies around it"
            problems.add(message, axis.line, axis.name)
        elif level != before:
            message = f"must be {before}: everything in batch {earlier.batch} varies around it"
            problems.add(message, line, f"baseline {axis.name}", level)


def done_before(earlier: EarlierExperiment, names: Sequence[str]) -> Done:
    return {
        tuple(condition[name] for name in names): replicates
        for condition, replicates in earlier.conditions
        if condition.keys() == set(names)
    }


def missing(design: Design, replicates: int, done: Done) -> int:
    """How many clips of the design are not there yet; looks at those that are, not at the whole design."""
    there = sum(
        sum(number <= replicates for number in numbers) for condition, numbers in done.items() if condition in design
    )
    return design.size * replicates - there


def say_all_is_there(
    earlier: EarlierExperiment, conditions: int, replicates: int, line: int, problems: Problems
) -> None:
    problems.add(
        f"has all of it already ({count(conditions, 'condition')}, {count(replicates, 'replicate')} each): "
        "ask for more replicates, levels or n; jobs of it that failed are taken up again by: "
        f"soundmill retry {earlier.batch}",
        line,
        "extends",
        earlier.batch,
    )
