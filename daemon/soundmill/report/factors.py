"""Report: which factors a batch has, and each take as the analysis wants it.

An experiment says its factors. In any other batch a parameter or label that takes a few values is treated as one, so
that a CSV with temperatures 0.7 and 1.0 is answered as a sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

from soundmill.jobs import JobStatus, Parameters
from soundmill.report.record import JobRecord
from soundmill.report.statistics.findings import Response, Take
from soundmill.words import number

MOST_LEVELS = 12  # beyond, a column names things rather than settings
MOST_FACTORS = 6  # found ones, beyond which a table of conditions says nothing
LEAST_JOBS = 12  # of a batch nobody designed: below, a list of songs is a list of songs
LEAST_PER_LEVEL = 3  # on average
RATED_SHARE = 0.8  # of the takes: from here on stars are compared instead of scores

PARAMETERS: Mapping[str, Callable[[JobRecord], object]] = {
    "model": lambda job: job.model,
    **{each.name: attrgetter(each.name) for each in fields(Parameters)},
    "format": lambda job: job.format,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """`conditions` maps a job's id to its level of each factor; `designed` says that an experiment asked for them, and
    `log` which of them it sampled on a logarithmic scale."""

    names: tuple[str, ...]
    conditions: Mapping[int, Mapping[str, str]]
    designed: bool
    log: frozenset[str] = frozenset()

    @property
    def varied(self) -> tuple[str, ...]:
        """Those that have several levels."""
        return tuple(name for name in self.names if len(self.levels(name)) > 1)

    def levels(self, name: str) -> tuple[str, ...]:
        """The levels that occur, numbers by value, other words in the order of the file."""
        found = dict.fromkeys(condition[name] for condition in self.conditions.values() if name in condition)
        try:
            return tuple(sorted(found, key=float))
        except ValueError:
            return tuple(found)


def find_factors(jobs: Sequence[JobRecord], experiments: Iterable[Mapping[str, object] | None] = ()) -> Factors:
    """The factors of these jobs. `experiments` are the sections that asked for them, see `BatchRecord`."""
    designed = [job for job in jobs if job.condition]
    if designed:
        names = dict.fromkeys(name for job in designed for name in job.condition)
        return Factors(
            names=tuple(names),
            conditions={job.id: job.condition for job in designed},
            designed=True,
            log=frozenset(name for experiment in experiments for name in _log_ranges(experiment)),
        )
    columns = list(_varying(jobs))[:MOST_FACTORS] if len(jobs) >= LEAST_JOBS else []
    conditions = {job.id: {name: levels[at] for name, levels in columns} for at, job in enumerate(jobs)}
    return Factors(names=tuple(name for name, _ in columns), conditions=conditions if columns else {}, designed=False)


def _log_ranges(experiment: Mapping[str, object] | None) -> Iterator[str]:
    """Names of the factors whose range was written with `scale: log`."""
    factors = (experiment or {}).get("factors")
    for name, levels in factors.items() if isinstance(factors, Mapping) else ():
        if isinstance(levels, Mapping) and levels.get("scale") == "log":
            yield name


def _varying(jobs: Sequence[JobRecord]) -> Iterator[tuple[str, list[str]]]:
    """Columns of 2 to 12 levels with at least three jobs each on average: parameters, then labels, then the prompt.

    Of columns that say the same (a style that sets the prompt), the first stands for all.
    """
    columns: dict[str, list[str]] = {
        name: [_level(value_of(job)) for job in jobs] for name, value_of in PARAMETERS.items()
    }
    for name in dict.fromkeys(name for job in jobs for name in job.labels):
        if all(name in job.labels for job in jobs):
            columns.setdefault(name, [_level(job.labels[name]) for job in jobs])
    columns.setdefault("prompt", [_level(job.prompt) for job in jobs])
    seen: set[tuple[int, ...]] = set()
    for name, levels in columns.items():
        distinct = {level: place for place, level in enumerate(dict.fromkeys(levels))}
        if not 2 <= len(distinct) <= min(MOST_LEVELS, len(jobs) // LEAST_PER_LEVEL):
            continue
        partition = tuple(distinct[level] for level in levels)
        if partition not in seen:
            seen.add(partition)
            yield name, levels


def _level(value: object) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def takes_of(jobs: Sequence[JobRecord], factors: Factors) -> list[Take]:
    """The first take of each job, or none of it where the job failed without one."""
    takes = []
    for job in jobs:
        condition, first = factors.conditions.get(job.id), job.first
        if condition is None or (first is None and job.status is not JobStatus.FAILED):
            continue
        takes.append(
            Take(
                condition=condition,
                replicate=job.replicate,
                score=first.score if first else None,
                passed=first.passed if first else None,
                stars=first.stars if first else None,
                tried_again=job.tried_again,
                kind=first.kind if first else None,
            )
        )
    return takes


def response_of(takes: Sequence[Take]) -> Response:
    """Stars once nearly all takes have them: a person's ears are what the score stands in for."""
    scored = sum(take.score is not None for take in takes)
    rated = sum(take.stars is not None for take in takes)
    return Response.STARS if scored and rated >= RATED_SHARE * scored else Response.SCORE
