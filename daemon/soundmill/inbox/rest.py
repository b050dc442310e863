"""Inbox: of a file that grew after it was accepted, the jobs that its batch lacks.

What a row asks for tells it, not where it stands: rows may have been put in between. The same row twice is two jobs;
where some of several alike are missing, it is those whose seeds the batch has not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import compress

from soundmill.errors import InvalidJobFile, Problem
from soundmill.jobs import Batch, BatchSpec, Job, JobSpec


class _Lacking:
    """Those of the jobs whose flag is set; may be iterated any number of times."""

    def __init__(self, jobs: Iterable[JobSpec], flags: bytes) -> None:
        self._jobs = jobs
        self._flags = flags

    def __iter__(self) -> Iterator[JobSpec]:
        return compress(self._jobs, self._flags)


def rest(spec: BatchSpec, batch: Batch, tell_jobs: Callable[[int, Callable[[Job], None]], None]) -> BatchSpec:
    """What of `spec` the batch lacks. `spec` was read under the batch's ulid, so that each job has the seed that it
    would have had; `tell_jobs(id, tell)` tells all jobs of the batch. Raises InvalidJobFile where that is nothing."""
    had: Counter[bytes] = Counter()
    had_alike: Counter[bytes] = Counter()

    def note(job: Job) -> None:
        had[_digest(job, job.seed)] += 1
        had_alike[_digest(job)] += 1

    tell_jobs(batch.id, note)
    lacks = bytearray()
    for job in spec.jobs:
        same = _digest(job, job.seed)
        lacks.append(had[same] == 0)
        if not lacks[-1]:
            had[same] -= 1
            had_alike[_digest(job)] -= 1
    for number, job in enumerate(spec.jobs):
        alike = _digest(job)
        if lacks[number] and had_alike[alike]:
            lacks[number] = False
            had_alike[alike] -= 1
    if not any(lacks):
        raise InvalidJobFile([Problem(message=f"has no row that batch {batch.name} lacks; nothing is to be made")])
    return replace(
        spec,
        name=f"{batch.name}-rest",
        jobs=_Lacking(spec.jobs, bytes(lacks)),
        job_count=sum(lacks),
        extends=batch.name if spec.experiment is not None else None,
    )


def _digest(job: Job | JobSpec, seed: int | None = None) -> bytes:
    """Of all that a row asks for; its own name is none of it."""
    asked = (
        job.prompt, job.model, job.parameters, job.priority, job.format.value, str(job.melody), str(job.continue_from),
        sorted(job.labels.items()), sorted(job.condition.items()), job.replicate, job.quality, job.keep_best, seed,
    )  # fmt: skip
    return blake2b(repr(asked).encode("utf-8", "surrogatepass"), digest_size=16).digest()
