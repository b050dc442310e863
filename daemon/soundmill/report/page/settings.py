"""Report: what settings jobs have, those that are the same in all and those that set one apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from soundmill.report.factors import PARAMETERS, Factors
from soundmill.report.record import JobRecord
from soundmill.words import number

Pairs = list[tuple[str, str]]  # names of settings with their values


def one_prompt(jobs: Iterable[JobRecord]) -> str | None:
    prompts = {job.prompt for job in jobs}
    return prompts.pop() if len(prompts) == 1 else None


def settings_of(jobs: Sequence[JobRecord], factors: Factors) -> tuple[Pairs, list[str]]:
    """Parameters and factors that are the same in all jobs, with their value; and the names of parameters that are not
    factors and differ."""
    constants, varying = [], []
    for name, value_of in PARAMETERS.items():
        values = {_value(name, value_of(job)) for job in jobs}
        if name in factors.varied:
            continue
        if len(values) == 1:
            constants.append((name, values.pop()))
        else:
            varying.append(name)
    known = {*factors.varied, *PARAMETERS, "prompt"}  # a prompt that is the same in all jobs stands by itself
    constants += [(name, factors.levels(name)[0]) for name in factors.names if name not in known]
    return constants, varying


def _value(name: str, value: object) -> str:
    text = number(value) if isinstance(value, int | float) else str(value)
    return f"{text} s" if name == "duration" else text


def sets_apart(job: JobRecord, varying: Sequence[str], factors: Factors) -> Pairs:
    """What a job has and others have not: its condition, its other parameters that vary, its labels."""
    condition = factors.conditions.get(job.id, {})
    pairs = {name: level for name, level in condition.items() if name != "prompt"}
    pairs |= {name: _value(name, PARAMETERS[name](job)) for name in varying}
    pairs |= {name: value for name, value in job.labels.items() if name not in pairs}
    return list(pairs.items())
