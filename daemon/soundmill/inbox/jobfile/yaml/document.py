"""Inbox: understands a YAML job file — its sections, their keys, and the rows they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from soundmill.inbox.jobfile.cells import FILE_FIELDS, JOB_FIELDS, KNOWN, Wrong
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.naming.pattern import Naming, Pattern
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.rows import Row, RowReader
from soundmill.inbox.jobfile.written import Defaults, Experiment, JobFile
from soundmill.inbox.jobfile.yaml.delivery import read_delivery
from soundmill.inbox.jobfile.yaml.experiment import ExperimentSection, read_experiment
from soundmill.inbox.jobfile.yaml.nodes import Items, Node, Pairs, read_yaml
from soundmill.inbox.jobfile.yaml.sections import JobList, TemplateSection
from soundmill.inbox.jobfile.yaml.values import cell, is_told, items, pairs, unknown_key, value, words
from soundmill.jobs import DeliveryAsked, QcAction

WORK = frozenset({"jobs", "template", "variables", "experiment"})  # what makes jobs


class Document:
    """The rows of a YAML job file: its list of jobs, then its template's, then its experiment's."""

    def __init__(self, data: bytes, rules: Rules, problems: Problems) -> None:
        self.name: str | None = None
        self.naming = rules.naming
        self.columns: tuple[str, ...] = ()
        self.on_qc_fail: QcAction | None = None
        self.priority = 0
        self.kind = "list"
        self.experiment: Mapping[str, object] | None = None
        self.extends: str | None = None
        self.deliver: DeliveryAsked | None = None
        self._sections: list[JobList | TemplateSection | ExperimentSection] = []
        root = read_yaml(data, problems)
        if isinstance(root, Pairs):
            self._understand({k: v for k, v in root.entries.items() if k != "<<"}, rules, problems)
        elif root is None:
            if not problems:
                problems.add("the file holds nothing but comments", None)
        else:
            what = "a list: put it under a key" if isinstance(root, Items) else "one text: it needs a key"
            problems.add(f"the file is {what}, as in jobs: [calm piano, storm at sea]", root.line)

    def rows(self, problems: Problems) -> Iterator[Row]:
        """The good rows; what is wrong with the others goes to `problems`."""
        before = 0
        for section in self._sections:
            yield from section.rows(before, problems)
            before += section.rows_due

    def _understand(self, entries: Mapping[str, tuple[int, Node]], rules: Rules, problems: Problems) -> None:
        works = not WORK.isdisjoint(entries)
        listed = None if works else _list_of_jobs(entries)
        for key, (line, node) in entries.items():
            if node is listed:
                problems.add("is not known at the top of the file; did you mean jobs?", line, key)
            elif key == "prompt" and not works:
                problems.add("has no place at the top of the file; write jobs: [calm piano]", line, key)
            elif key in Experiment.model_fields and key not in KNOWN:
                problems.add("has no place at the top of the file; put it under experiment", line, key)
            elif key not in JobFile.model_fields:
                unknown_key(key, line, "at the top of the file", JobFile.model_fields, problems)
        if listed is not None:
            entries = {**entries, "jobs": (listed.line, listed)}  # so that its rows are looked at, too
        self._understand_names(entries, problems)
        if "on_qc_fail" in entries:
            self.on_qc_fail = value(entries["on_qc_fail"][1], FILE_FIELDS["on_qc_fail"], problems)
        if "priority" in entries:
            self.priority = value(entries["priority"][1], FILE_FIELDS["priority"], problems) or 0
        if "deliver" in entries:
            self.deliver = read_delivery(*entries["deliver"], rules, problems)
        base, prompt = _defaults(entries, problems)
        reader = RowReader(rules, self.priority)
        self._add_jobs(entries, base, reader, problems)
        prompt = self._add_template(entries, base, prompt, reader, problems)
        if "experiment" in entries:
            section = read_experiment(entries["experiment"][1], prompt, base, reader, rules, problems)
            if section is not None:
                self.kind, self.experiment, self.extends = "experiment", section.as_written, section.extends
                self._sections.append(section)
        if not self._sections and not problems:
            problems.add("there is no job in it: give jobs, template with variables, or experiment", 1)
        due = sum(section.jobs_due for section in self._sections)
        if due > rules.max_jobs:
            problems.add(f"asks for {due:,} jobs; one file may ask for {rules.max_jobs:,}", 1)
            self._sections = []  # not to be expanded

    def _understand_names(self, entries: Mapping[str, tuple[int, Node]], problems: Problems) -> None:
        """`name` is the batch's or, with {fields} in it, the pattern of its clips' names, as `clip_name` always is."""
        for key in ("name", "clip_name"):
            text = words(entries[key][1], key, problems) if key in entries else None
            if not text:
                continue
            line = entries[key][0]
            if len(text) > 200:
                problems.add("must have at most 200 characters", line, key, text)
            elif key == "name" and not ("{" in text or "}" in text):
                self.name = text
            elif key == "clip_name" and self.naming and self.naming.line:
                problems.add("name is a pattern of the clips' names already; give one of them", line, key, text)
            else:
                try:
                    self.naming = Naming(pattern=Pattern(text), key=key, line=line)
                except Wrong as wrong:
                    problems.add(str(wrong), line, key, text)

    def _add_jobs(
        self, entries: Mapping[str, tuple[int, Node]], base: Mapping[str, str], reader: RowReader, problems: Problems
    ) -> None:
        if "jobs" not in entries:
            return
        line, node = entries["jobs"]
        told = len(problems)
        jobs = items(node, "jobs", "[calm piano, storm at sea]", problems)
        if jobs:
            self._sections.append(JobList(jobs, base, reader))
        elif len(problems) == told and not is_told(node):
            problems.add("the list is empty: there is no job in it", line, "jobs")

    def _add_template(
        self,
        entries: Mapping[str, tuple[int, Node]],
        base: Mapping[str, str],
        prompt: tuple[str, int] | None,
        reader: RowReader,
        problems: Problems,
    ) -> tuple[str, int] | None:
        """Adds the template's section; without variables the template is the experiment's prompt, which it returns."""
        text = words(entries["template"][1], "template", problems) if "template" in entries else None
        if "variables" in entries:
            line, node = entries["variables"]
            told = len(problems)
            variables = pairs(node, "variables", "{style: [jazz, metal]}", problems)
            if "template" not in entries:
                problems.add('needs a template that uses them, as in template: "{style} piece"', line, "variables")
            elif not variables and len(problems) == told and not is_told(node):
                problems.add(
                    "there are none: give each a list of values, as in {style: [jazz, metal]}", line, "variables"
                )
            elif text:
                self.kind = "template"
                section = TemplateSection(text, entries["template"][0], variables, base, reader, problems)
                if len(problems) == told:  # else its rows would lack what could not be read
                    self._sections.append(section)
        elif text and "experiment" in entries:
            return text, entries["template"][0]
        elif text:
            line = entries["template"][0]
            problems.add("needs variables: what its placeholders stand for", line, "template", text)
        if text == "":
            problems.add("is blank", entries["template"][0], "template")
        return prompt


def _list_of_jobs(entries: Mapping[str, tuple[int, Node]]) -> Items | None:
    """A list under a name of somebody's own, such as clips or prompts."""
    known = {*JobFile.model_fields, *Experiment.model_fields, *KNOWN}
    lists = (node for key, (_, node) in entries.items() if key not in known and isinstance(node, Items) and node.items)
    return next(lists, None)


def _defaults(
    entries: Mapping[str, tuple[int, Node]], problems: Problems
) -> tuple[dict[str, str], tuple[str, int] | None]:
    """The texts under `defaults`, those that can be read; and its prompt with its line."""
    base: dict[str, str] = {}
    prompt: tuple[str, int] | None = None
    if "defaults" not in entries:
        return base, prompt
    for key, (line, node) in pairs(entries["defaults"][1], "defaults", "{duration: 10}", problems).items():
        if key == "id":
            problems.add("cannot be a default: every job needs an id of its own", line, key)
            continue
        if key not in Defaults.model_fields:
            unknown_key(key, line, "defaults", Defaults.model_fields, problems)
            continue
        text = cell(node, key, problems)
        if not text:
            continue
        try:
            if key == "prompt":
                prompt = text, line
            else:
                JOB_FIELDS[key].read(text)
            base[key] = text
        except Wrong as wrong:
            problems.add(str(wrong), node.line, key, text)
    return base, prompt
