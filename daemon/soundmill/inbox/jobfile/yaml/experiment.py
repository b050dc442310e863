"""Inbox: `experiment:` — factors, a design, replicates; every condition is a row.

Four steps, each of which tells what is wrong: `parse` reads the keys, `validate` compares them with the design,
`follow` takes on what the extended experiment has, `draw` makes the conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from soundmill.inbox.jobfile.cells import EXPERIMENT_FIELDS, JOB_FIELDS, KNOWN
from soundmill.inbox.jobfile.context import EarlierExperiment, Rules
from soundmill.inbox.jobfile.points import Draw, Points
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import Choice, Row, RowReader
from soundmill.inbox.jobfile.written import LEVEL_DESIGNS, SAMPLED_DESIGNS
from soundmill.inbox.jobfile.written import Experiment as ExperimentModel
from soundmill.inbox.jobfile.yaml import extension
from soundmill.inbox.jobfile.yaml.axes import Axis
from soundmill.inbox.jobfile.yaml.designs import Condition, Design, FullFactorial, OneFactorAtATime, Sampled
from soundmill.inbox.jobfile.yaml.factors import EXAMPLE, Entries, read_baseline, read_factors
from soundmill.inbox.jobfile.yaml.nodes import Node
from soundmill.inbox.jobfile.yaml.sampled import MOST_FACTORS, most_conditions, sample
from soundmill.inbox.jobfile.yaml.sections import count_of, field_cells, shared_texts
from soundmill.inbox.jobfile.yaml.template import Template
from soundmill.inbox.jobfile.yaml.values import pairs, unknown_key, value, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the section says, each key read by itself. `base` are the file's defaults, `prompt` comes with its line."""

    line: int
    entries: Entries
    design: str
    n: int  # 0 where it is not given
    replicates: int
    axes: list[Axis]
    templates: Mapping[str, Template]  # by level of the factor prompt, "" where there is one prompt
    prompt: tuple[str, int] | None
    base: Mapping[str, str]
    earlier: EarlierExperiment | None

    @property
    def names(self) -> list[str]:
        return [axis.name for axis in self.axes]

    @property
    def is_sampled(self) -> bool:
        return self.design in SAMPLED_DESIGNS

    def line_of(self, key: str) -> int:
        return self.entries[key][0] if key in self.entries else self.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The conditions, and what they followed from: a baseline or, in a sampled design, a seed."""

    design: Design
    baseline: Condition = ()
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSection:
    """A sound experiment: what it asks for, its conditions, and which replicates of them are there already."""

    asked: Asked
    controls: Mapping[str, object]
    drawn: Drawn
    done: extension.Done
    reader: RowReader
    seeds_of: str  # ulid of the batch that the family began with
    jobs_due: int

    @property
    def rows_due(self) -> int:
        return self.drawn.design.size

    @property
    def extends(self) -> str | None:
        """Name of the batch whose experiment this one goes on with."""
        return None if self.asked.earlier is None else self.asked.earlier.batch

    @property
    def as_written(self) -> Mapping[str, object]:
        """The section as plain data; levels are texts, the same as in the jobs' conditions."""
        asked, own = self.asked, dict[str, object]()
        if asked.is_sampled:
            own = {"n": asked.n, "design_seed": self.drawn.seed}
        else:
            own = {"baseline": dict(zip(asked.names, self.drawn.baseline, strict=True))}
        return {
            "design": asked.design,
            "factors": {a.name: list(a.levels) if a.range is None else a.range.as_written() for a in asked.axes},
            **own,
            "replicates": asked.replicates,
            "controls": self.controls,
        }

    def rows(self, before: int, problems: Problems) -> Iterator[Row]:
        """The conditions that lack replicates, their positions in the whole design counted on from `before`."""
        asked = self.asked
        lines = {axis.name: axis.line for axis in asked.axes}
        names = asked.names
        wanted = frozenset(range(1, asked.replicates + 1))
        for position, levels in enumerate(self.drawn.design, before + 1):
            done = self.done.get(levels, frozenset())
            if wanted <= done:
                continue
            condition = dict(zip(names, levels, strict=True))
            cells = field_cells(asked.axes, levels)
            template = asked.templates[condition.get("prompt", "")]
            row = self.reader.read(
                lines=lines,
                line=asked.line,
                position=position,
                prompt=template.render(condition),
                id_text="",
                seed_text=cells.get("seed") or asked.base.get("seed", ""),
                shared=shared_texts(asked.base, cells),
                labels={name: level for name, level in condition.items() if name not in KNOWN},
                condition=condition,
                problems=problems,
            )
            if row is not None:
                yield row._replace(seeds_of=self.seeds_of, done=done)


def read_experiment(
    node: Node,
    prompt: tuple[str, int] | None,
    base: Mapping[str, str],
    reader: RowReader,
    rules: Rules,
    problems: Problems,
) -> ExperimentSection | None:
    """The section, or None after telling `problems` what is wrong with it.

    `prompt` is what defaults or template say; the section may say its own.
    """
    told = len(problems)
    entries = pairs(node, "experiment", EXAMPLE, problems)
    if len(problems) > told:
        return None
    asked = parse(entries, node.line, prompt, base, rules, problems)
    validate(asked, problems)
    controls: Mapping[str, object] = {}
    done: extension.Done = {}
    if len(problems) == told:
        controls = controls_of(asked, reader)
        asked, done = follow(asked, controls, problems)
    baseline: Condition = ()
    if not asked.is_sampled:  # also where something else is wrong, to tell all at once
        usual = {} if asked.earlier is None else extension.baseline_of(asked.earlier)
        baseline = read_baseline(asked.entries, asked.axes, usual, problems)
    if len(problems) > told:
        return None
    seeds_of = rules.ulid if asked.earlier is None else asked.earlier.ulid
    drawn = draw(asked, baseline, done, reader, seeds_of, rules.draw, problems)
    if len(problems) > told:
        return None
    jobs_due = extension.missing(drawn.design, asked.replicates, done)
    if asked.earlier is not None and not jobs_due:
        line = asked.line_of("extends")
        extension.say_all_is_there(asked.earlier, drawn.design.size, asked.replicates, line, problems)
        return None
    return ExperimentSection(
        asked=asked, controls=controls, drawn=drawn, done=done, reader=reader, seeds_of=seeds_of, jobs_due=jobs_due
    )


def parse(
    entries: Entries,
    line: int,
    prompt: tuple[str, int] | None,
    base: Mapping[str, str],
    rules: Rules,
    problems: Problems,
) -> Asked:
    """Each key by itself, and the experiment that `extends` names."""
    for key, (at, _) in entries.items():
        if key not in ExperimentModel.model_fields:
            unknown_key(key, at, "in an experiment", ExperimentModel.model_fields, problems)
    given = {
        name: value(entries[name][1], EXPERIMENT_FIELDS[name], problems)
        for name in ("design", "replicates", "n")
        if name in entries
    }
    replicates: int = given.get("replicates") or count_of(base)
    if "prompt" in entries:
        text = words(entries["prompt"][1], "prompt", problems)
        if text or text is None:  # one that has been refused is not told as missing too
            prompt = text or "", entries["prompt"][0]
    axes, templates = read_factors(entries, prompt, line, problems)
    return Asked(
        line=line,
        entries=entries,
        design=given.get("design") or LEVEL_DESIGNS[0],
        n=given.get("n") or 0,
        replicates=replicates,
        axes=axes,
        templates=templates,
        prompt=prompt,
        base={**base, "count": str(replicates)},
        earlier=extension.read_extends(entries["extends"], rules, problems) if "extends" in entries else None,
    )


def validate(asked: Asked, problems: Problems) -> None:
    """What the design needs, and what it has no use for."""
    if asked.is_sampled:
        if "n" not in asked.entries:
            message = f"{asked.design} needs n: how many conditions to draw"
            problems.add(message + (", best a power of two" if asked.design == "sobol" else ""), asked.line, "design")
        if "baseline" in asked.entries:
            problems.add(f"{asked.design} has none; delete it", asked.line_of("baseline"), "baseline")
        if len(asked.axes) > MOST_FACTORS:
            message = f"a sampled design may have at most {MOST_FACTORS} factors; these are {len(asked.axes)}"
            problems.add(message, asked.line, "factors")
        return
    if "n" in asked.entries:
        message = "belongs to the designs latin_hypercube and sobol; use replicates for more clips of each condition"
        problems.add(message, asked.line_of("n"), "n")
    for axis in asked.axes:
        if axis.range is not None:
            message = (
                f"{asked.design} needs a list of levels, as in [0.7, 1.0]; ranges are for latin_hypercube and sobol"
            )
            problems.add(message, axis.line, axis.name)


def controls_of(asked: Asked, reader: RowReader) -> Mapping[str, object]:
    """Everything that is the same in every condition and that the sound or its judgement depends on."""
    base, names = asked.base, asked.names
    first = field_cells(asked.axes, tuple(axis.level(0.0) for axis in asked.axes))
    choice = reader.choice(shared_texts(base, first))
    if not isinstance(choice, Choice):
        return {}  # the rows tell what is wrong
    controls: dict[str, object] = {
        "prompt": asked.prompt[0] if asked.prompt else None,
        "model": choice.model,
        **asdict(choice.parameters),
        "seed": JOB_FIELDS["seed"].read(base["seed"]) if "seed" in base else None,
        "quality": None if choice.quality is None else str(choice.quality),
        "format": str(choice.format),
        "melody": base.get("melody"),
        "continue_from": base.get("continue_from"),
    }
    return {name: control for name, control in controls.items() if name not in names}


def follow(asked: Asked, controls: Mapping[str, object], problems: Problems) -> tuple[Asked, extension.Done]:
    """With the extended experiment's spelling and order of the factors, and what has been done of it."""
    earlier = asked.earlier
    if earlier is None:
        return asked, {}
    extension.check_design(asked.design, earlier, asked.line_of("design"), problems)
    axes = extension.as_earlier(asked.axes, asked.is_sampled, earlier, asked.line_of("factors"), problems)
    asked = replace(asked, axes=axes)
    extension.check_controls(controls, earlier, asked.line_of("extends"), problems)
    if asked.is_sampled and asked.n < earlier.drawn:
        message = f"must be at least the {earlier.drawn} conditions that batch {earlier.batch} has"
        problems.add(message, asked.line_of("n"), "n", str(asked.n))
    return asked, extension.done_before(earlier, asked.names)


def draw(
    asked: Asked,
    baseline: Condition,
    done: extension.Done,
    reader: RowReader,
    seeds_of: str,
    draw_points: Callable[[Draw], Points],
    problems: Problems,
) -> Drawn:
    """The conditions; none after telling `problems` why. What `draw_points` raises is raised here."""
    levels = [axis.levels for axis in asked.axes]
    if asked.design == "one_factor_at_a_time":
        if asked.earlier is not None:
            extension.check_baseline(baseline, asked.axes, asked.earlier, asked.line_of("baseline"), problems)
        return Drawn(design=OneFactorAtATime(levels, baseline), baseline=baseline)
    if not asked.is_sampled:
        return Drawn(design=FullFactorial(levels), baseline=baseline)
    most = most_conditions(asked.axes)
    if asked.n > most:
        message = f"the factors have only {most:,} different conditions; lower n, or list them with full_factorial"
        problems.add(message, asked.line_of("n"), "n", str(asked.n))
    if asked.n > most or not _ends_are_good(asked, reader, problems):
        return Drawn(design=Sampled(()))
    before = 0 if asked.earlier is None else asked.earlier.drawn
    found = sample(asked.design, asked.axes, drawn=before, n=asked.n, ulid=seeds_of, draw=draw_points)
    return Drawn(design=Sampled((*done, *found.conditions)), seed=found.seed)


def _ends_are_good(asked: Asked, reader: RowReader, problems: Problems) -> bool:
    """Whether every model takes the ranges' upper ends: told once, and not of each point that lies too high."""
    told = len(problems)
    ranged = {axis.name: axis for axis in asked.axes if axis.sets_field and axis.range is not None}
    ends = {name: axis.level(1.0) for name, axis in ranged.items()}
    models = next((axis.levels for axis in asked.axes if axis.name == "model"), ("",))
    for model in models:
        choice = reader.choice(shared_texts(asked.base, ends | {"model": model}))
        for fault in () if isinstance(choice, Choice) else choice:
            if fault.field in ranged:
                problems.add(fault.message, ranged[fault.field].line, f"{fault.field} max", fault.value)
    return len(problems) == told
