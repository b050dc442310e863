"""Inbox: `experiment:` — factors, a design, replicates; every condition is a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from soundmill.inbox.jobfile.cells import EXPERIMENT_FIELDS, JOB_FIELDS, KNOWN
from soundmill.inbox.jobfile.context import EarlierExperiment, Rules
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import Choice, Row, RowReader
from soundmill.inbox.jobfile.written import LEVEL_DESIGNS, SAMPLED_DESIGNS
from soundmill.inbox.jobfile.written import Experiment as ExperimentModel
from soundmill.inbox.jobfile.yaml import extension
from soundmill.inbox.jobfile.yaml.designs import Condition, Design, FullFactorial, OneFactorAtATime, Sampled
from soundmill.inbox.jobfile.yaml.factors import EXAMPLE, read_baseline, read_factors
from soundmill.inbox.jobfile.yaml.nodes import Node
from soundmill.inbox.jobfile.yaml.sampled import MOST_FACTORS, most_conditions, sample
from soundmill.inbox.jobfile.yaml.sections import count_of, field_cells, shared_texts
from soundmill.inbox.jobfile.yaml.values import pairs, unknown_key, value, words


class ExperimentSection:
    """A designed experiment. `prompt` is what defaults or template say, unless the section says its own."""

    def __init__(
        self,
        node: Node,
        prompt: tuple[str, int] | None,
        base: Mapping[str, str],
        reader: RowReader,
        rules: Rules,
        problems: Problems,
    ) -> None:
        told = len(problems)
        self._line = node.line
        self._reader = reader
        self._rules = rules
        self._problems = problems
        self._entries = entries = pairs(node, "experiment", EXAMPLE, problems)
        for key, (line, _) in entries.items():
            if key not in ExperimentModel.model_fields:
                unknown_key(key, line, "in an experiment", ExperimentModel.model_fields, problems)
        self._kind: str = self._read("design") or LEVEL_DESIGNS[0]
        self._replicates: int = self._read("replicates") or count_of(base)
        self._n: int = self._read("n") or 0
        self._base = {**base, "count": str(self._replicates)}
        if "prompt" in entries:
            text = words(entries["prompt"][1], "prompt", problems)
            prompt = (text, entries["prompt"][0]) if text else prompt
        self._axes, self._templates = read_factors(entries, prompt, self._line, problems)
        self._earlier = extension.read_extends(entries["extends"], rules, problems) if "extends" in entries else None
        self._controls: Mapping[str, object] = {}
        self._baseline: Condition = ()
        self._done: extension.Done = {}
        self._design: Design = Sampled(())
        self._design_seed = 0
        self.rows_due = self.jobs_due = 0
        self._check_keys()
        if len(problems) == told:
            self._controls = self._read_controls(None if "prompt" in self._names else prompt)
            if self._earlier is not None:
                self._follow(self._earlier)
        if not self._is_sampled:
            usual = {} if self._earlier is None else extension.baseline_of(self._earlier)
            self._baseline = read_baseline(entries, self._axes, usual, problems)
        if len(problems) == told:
            self._make_design()
        if len(problems) == told:
            self.rows_due = self._design.size
            self.jobs_due = extension.missing(self._design, self._replicates, self._done)
            if self._earlier is not None and not self.jobs_due:
                extension.say_all_is_there(
                    self._earlier, self.rows_due, self._replicates, self._key_line("extends"), problems
                )

    @property
    def extends(self) -> str | None:
        """Name of the batch whose experiment this one goes on with."""
        return None if self._earlier is None else self._earlier.batch

    @property
    def as_written(self) -> Mapping[str, object]:
        """The section as plain data; levels are texts, the same as in the jobs' conditions."""
        own: Mapping[str, object]
        if self._is_sampled:
            own = {"n": self._n, "design_seed": self._design_seed}
        else:
            own = {"baseline": dict(zip(self._names, self._baseline, strict=False))}
        return {
            "design": self._kind,
            "factors": {a.name: list(a.levels) if a.range is None else a.range.as_written() for a in self._axes},
            **own,
            "replicates": self._replicates,
            "controls": self._controls,
        }

    def rows(self, before: int, problems: Problems) -> Iterator[Row]:
        """The conditions that lack replicates, their positions in the whole design counted on from `before`."""
        lines = {axis.name: axis.line for axis in self._axes}
        names = self._names
        seeds_of = self._family_ulid
        wanted = frozenset(range(1, self._replicates + 1))
        for position, levels in enumerate(self._design, before + 1):
            done = self._done.get(levels, frozenset())
            if wanted <= done:
                continue
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
                problems=problems,
            )
            if row is not None:
                yield row._replace(seeds_of=seeds_of, done=done)

    @property
    def _names(self) -> list[str]:
        return [axis.name for axis in self._axes]

    @property
    def _is_sampled(self) -> bool:
        return self._kind in SAMPLED_DESIGNS

    @property
    def _family_ulid(self) -> str:
        return self._rules.ulid if self._earlier is None else self._earlier.ulid

    def _read(self, name: str) -> Any:
        if name not in self._entries:
            return None
        return value(self._entries[name][1], EXPERIMENT_FIELDS[name], self._problems)

    def _key_line(self, key: str) -> int:
        return self._entries[key][0] if key in self._entries else self._line

    def _check_keys(self) -> None:
        """What the design needs, and what it has no use for."""
        problems = self._problems
        if self._is_sampled:
            if "n" not in self._entries:
                message = f"{self._kind} needs n: how many conditions to draw"
                problems.add(message + (", best a power of two" if self._kind == "sobol" else ""), self._line, "design")
            if "baseline" in self._entries:
                problems.add(f"{self._kind} has none; delete it", self._key_line("baseline"), "baseline")
            if len(self._axes) > MOST_FACTORS:
                message = f"a sampled design may have at most {MOST_FACTORS} factors; these are {len(self._axes)}"
                problems.add(message, self._line, "factors")
            return
        if "n" in self._entries:
            message = (
                "belongs to the designs latin_hypercube and sobol; use replicates for more clips of each condition"
            )
            problems.add(message, self._key_line("n"), "n")
        for axis in self._axes:
            if axis.range is not None:
                message = (
                    f"{self._kind} needs a list of levels, as in [0.7, 1.0]; ranges are for latin_hypercube and sobol"
                )
                problems.add(message, axis.line, axis.name)

    def _read_controls(self, prompt: tuple[str, int] | None) -> Mapping[str, object]:
        """Everything that is the same in every condition and that the sound or its judgement depends on."""
        first = field_cells(self._axes, tuple(axis.level(0.0) for axis in self._axes))
        choice = self._reader.choice(shared_texts(self._base, first))
        if not isinstance(choice, Choice):
            return {}  # the rows tell what is wrong
        controls: dict[str, object] = {
            "prompt": prompt[0] if prompt else None,
            "model": choice.model,
            **asdict(choice.parameters),
            "seed": JOB_FIELDS["seed"].read(self._base["seed"]) if "seed" in self._base else None,
            "quality": None if choice.quality is None else str(choice.quality),
            "format": str(choice.format),
            "melody": self._base.get("melody"),
            "continue_from": self._base.get("continue_from"),
        }
        return {name: control for name, control in controls.items() if name not in self._names}

    def _follow(self, earlier: EarlierExperiment) -> None:
        """Take on the earlier experiment's spelling and order, and what has been done of it."""
        problems = self._problems
        line = self._key_line("extends")
        extension.check_design(self._kind, earlier, self._key_line("design"), problems)
        self._axes = extension.as_earlier(self._axes, self._is_sampled, earlier, self._key_line("factors"), problems)
        extension.check_controls(self._controls, earlier, line, problems)
        if self._is_sampled and 0 < self._n < earlier.drawn:
            message = f"must be at least the {earlier.drawn} conditions that batch {earlier.batch} has"
            problems.add(message, self._key_line("n"), "n", str(self._n))
        self._done = extension.done_before(earlier, self._names)

    def _make_design(self) -> None:
        levels = [axis.levels for axis in self._axes]
        if self._is_sampled:
            self._draw()
            return
        if self._kind == "one_factor_at_a_time":
            if self._earlier is not None:
                line = self._key_line("baseline")
                extension.check_baseline(self._baseline, self._axes, self._earlier, line, self._problems)
            self._design = OneFactorAtATime(levels, self._baseline)
        else:
            self._design = FullFactorial(levels)

    def _ends_are_good(self) -> bool:
        """Whether every model takes the ranges' upper ends: told once, and not of each point that lies too high."""
        told = len(self._problems)
        ranged = {axis.name: axis for axis in self._axes if axis.sets_field and axis.range is not None}
        ends = {name: axis.level(1.0) for name, axis in ranged.items()}
        models = next((axis.levels for axis in self._axes if axis.name == "model"), ("",))
        for model in models:
            choice = self._reader.choice(shared_texts(self._base, ends | {"model": model}))
            for fault in () if isinstance(choice, Choice) else choice:
                if fault.field in ranged:
                    line = ranged[fault.field].line
                    self._problems.add(fault.message, line, f"{fault.field} max", fault.value)
        return len(self._problems) == told

    def _draw(self) -> None:
        most = most_conditions(self._axes)
        if self._n > most:
            message = f"the factors have only {most:,} different conditions; lower n, or list them with full_factorial"
            self._problems.add(message, self._key_line("n"), "n", str(self._n))
        if most < self._n or not self._ends_are_good():
            return
        drawn = 0 if self._earlier is None else self._earlier.drawn
        found = sample(self._kind, self._axes, drawn=drawn, n=self._n, ulid=self._family_ulid, draw=self._rules.draw)
        self._design = Sampled((*self._done, *found.conditions))
        self._design_seed = found.seed
