"""Inbox: from a row to its jobs."""

from __future__ import annotations

from collections.abc import Iterator

from soundmill.inbox.jobfile.naming import replicate_name
from soundmill.inbox.jobfile.rows import Row
from soundmill.jobs import JobSpec, derive_seed


def takes(row: Row, ulid: str) -> Iterator[JobSpec]:
    """The jobs of one row: its replicates, which differ in name and seed alone."""
    name, position, prompt, seed = row.full_name, row.position, row.prompt, row.seed
    choice, labels, condition = row.choice, row.labels, row.condition
    parameters, model, priority, file_format = choice.parameters, choice.model, choice.priority, choice.format
    for replicate in row.replicates:
        if seed is not None:
            chosen = seed + replicate - 1
        elif row.seeds_of is not None:
            chosen = derive_seed(row.seeds_of, "replicate", replicate)
        else:
            chosen = derive_seed(ulid, position, replicate)
        yield JobSpec(
            position=position,
            name=replicate_name(name, replicate),
            prompt=prompt,
            model=model,
            parameters=parameters,
            seed=chosen,
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
