"""Inbox: from a row to its jobs."""

from __future__ import annotations

from collections.abc import Iterator

from soundmill.inbox.jobfile.clips import ClipNames, seed_of
from soundmill.inbox.jobfile.naming.book import replicate_name
from soundmill.inbox.jobfile.rows import Row
from soundmill.jobs import JobSpec


def takes(row: Row, ulid: str, names: ClipNames) -> Iterator[JobSpec]:
    """The jobs of one row: its replicates, which differ in name and seed alone."""
    name, position, prompt = names.of_row(row), row.position, row.prompt
    choice, labels, condition = row.choice, row.labels, row.condition
    parameters, model, priority, file_format = choice.parameters, choice.model, choice.priority, choice.format
    for replicate in row.replicates:
        yield JobSpec(
            position=position,
            name=names.of_take(row, replicate) if name is None else replicate_name(name, replicate),
            prompt=prompt,
            model=model,
            parameters=parameters,
            seed=seed_of(row, replicate, ulid),
            priority=priority,
            format=file_format,
            melody=choice.melody,
            continue_from=choice.continue_from,
            labels=labels,
            condition=condition,
            replicate=replicate,
            quality=choice.quality,
            keep_best=choice.keep_best,
        )
