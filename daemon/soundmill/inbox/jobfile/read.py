"""Inbox: a job file's bytes → BatchSpec, or every problem at once.

Pass 1 checks each row and keeps only problems and ids; pass 2, whenever `BatchSpec.jobs` is iterated,
reads the same bytes again and yields the jobs. So memory is the file's size, however many jobs it makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Protocol

from soundmill.inbox.jobfile.clips import ClipNames
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.naming.safe import batch_name
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.recognize import JOB_SUFFIXES, SHEET_SUFFIXES, TABLE_SUFFIXES, check_text
from soundmill.inbox.jobfile.rows import Row
from soundmill.inbox.jobfile.table.csv_text import CsvText
from soundmill.inbox.jobfile.table.rows import Table
from soundmill.inbox.jobfile.table.sheet import Sheet
from soundmill.inbox.jobfile.takes import takes
from soundmill.inbox.jobfile.yaml.document import Document
from soundmill.jobs import BatchSpec, JobSpec


class _Source(Protocol):
    """A readable file: gives its rows any number of times."""

    def rows(self, problems: Problems) -> Iterator[Row]: ...


class Jobs:
    """The jobs of a checked file. Iterating raises InvalidJobFile if an audio file it names has gone since."""

    def __init__(self, source: _Source, ulid: str, names: ClipNames) -> None:
        self._source = source
        self._ulid = ulid
        self._names = names

    def __iter__(self) -> Iterator[JobSpec]:
        problems = Problems()
        for row in self._source.rows(problems):
            yield from takes(row, self._ulid, self._names)
        problems.raise_if_any()


def read_jobs(data: bytes, file_name: str, rules: Rules) -> BatchSpec:
    """What the file asks for. Raises InvalidJobFile with everything that is wrong with it."""
    problems = Problems()
    suffix = PurePath(file_name).suffix.lower()
    if suffix not in JOB_SUFFIXES:
        problems.add(f"is not a job file: its name must end in {', '.join(JOB_SUFFIXES)}", None, None, file_name)
    elif suffix not in SHEET_SUFFIXES:
        check_text(data, problems)
    problems.raise_if_any()
    source: Table | Document
    if suffix in SHEET_SUFFIXES:
        sheet = Sheet(data, problems)
        problems.raise_if_any()
        source = Table(sheet, rules, problems)
    else:
        source = Table(CsvText(data), rules, problems) if suffix in TABLE_SUFFIXES else Document(data, rules, problems)
    labels: dict[str, None] = {}
    batch = batch_name(source.name, file_name)
    names = ClipNames(
        source.naming, columns=source.columns, numbered=isinstance(source, Document), batch=batch, ulid=rules.ulid
    )
    job_count = _check_rows(source, rules.max_jobs, names, labels, problems)
    problems.raise_if_any()
    return BatchSpec(
        name=batch,
        jobs=Jobs(source, rules.ulid, names),
        job_count=job_count,
        on_qc_fail=source.on_qc_fail or rules.default_on_qc_fail,
        priority=source.priority,
        kind=source.kind,
        experiment=source.experiment,
        extends=source.extends,
        deliver=source.deliver if isinstance(source, Document) else None,
        labels=tuple(labels),
    )


def _check_rows(source: _Source, max_jobs: int, names: ClipNames, labels: dict[str, None], problems: Problems) -> int:
    """Pass 1: reads every row, compares the names, notes the labels, counts the jobs."""
    count = 0
    for row in source.rows(problems):
        count += len(row.replicates)
        if row.labels and not row.labels.keys() <= labels.keys():
            labels.update(dict.fromkeys(row.labels))
        if count > max_jobs:
            problems.add(f"asks for more than {max_jobs:,} jobs; share them among several files", row.line)
            return count
        names.note(row, problems)
    names.check(lambda: source.rows(Problems()), problems)
    return count
