"""Report: what each section of the pages says beyond what it is made from, for the templates to put in their places.

A template is handed the fields of `Material` and of its sections under their own names, which all differ.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from soundmill.jobs import JobStatus
from soundmill.report.choice import ALIKE_POINTS, EACH_KEPT, EACH_PROMPT, Choice, PromptChoice
from soundmill.report.factors import Factors
from soundmill.report.family import Earlier, Later
from soundmill.report.listeners import Listeners
from soundmill.report.page import head
from soundmill.report.page.settings import Pairs, one_prompt, sets_apart, settings_of
from soundmill.report.pictures.drawing import Plot
from soundmill.report.record import BatchRecord, Found, JobRecord, TakeRecord
from soundmill.report.statistics.findings import Analysis, ConditionRank, PassRate, Response
from soundmill.report.summary import failed_checks, licences
from soundmill.report.wording.level_names import LONGEST_LEVEL, told_apart
from soundmill.words import count, have

ROWS_TOGETHER = 20  # takes that a browser lays out at once when they come into sight
RANKED = 30  # conditions in the page's ranking
MOST_PROMPTS = 500  # in the table of prompts
DEFECTS_NAMED = 3  # per take; the picture shows all
NAMES_LISTED = 12  # jobs that failed for the same reason
LEVELS_NAMED = 12
LONGEST_PROMPT = 120  # characters of one that is named in a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that the pages are made from.

    `earlier` are the batches whose takes are compared too; `compared` are their jobs and the batch's own, and
    `passed_together` counts their takes. `later` are the batches that go on with this one. `shown` are the takes on the
    page, in the order of the file, and `left_out` counts the others; `pictures` maps a take's file to its picture's;
    `files` are the report's own, each with what it is for; `made_at` is when the catalogue was read (Unix seconds).
    """

    record: BatchRecord
    factors: Factors
    earlier: Sequence[Earlier]
    compared: Sequence[JobRecord]
    later: Sequence[Later]
    passed: PassRate
    passed_together: PassRate
    choice: Choice
    analysis: Analysis | None
    listeners: Listeners | None
    plots: Sequence[Plot]
    pictures: Mapping[str, str]
    shown: Sequence[Found]
    left_out: int
    files: Sequence[tuple[str, str]]
    made_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The batch in short. `constants` are the settings that all takes have, `one_prompt` their prompt where all have
    the same; sentences that do not apply are empty."""

    lead: str
    together: str
    of_all: str
    unfinished: str
    chief_failure: str
    asked: str
    tiles: tuple[head.Tile, ...]
    constants: Pairs
    one_prompt: str | None
    levels_named: int = LEVELS_NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The takes to use. `prompt_of` maps the file of a prompt's best take to the prompt's choice; `each_prompt` says
    that prompts have a table of their own."""

    prompt_names: Mapping[str, str]
    prompt_of: Mapping[str, PromptChoice]
    rule_of_prompts: str
    each_prompt: bool
    without_count: str
    nothing_to_use: str
    most_prompts: int = MOST_PROMPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Matters:
    """What matters among the settings. `names`: of each factor's levels; `typical` is a condition's take to listen to;
    `timed` says that the plots show the device's time. `conditions` are in their order, or, where they are
    `unranked`, because nothing tells them apart, in that of the design."""

    names: Mapping[str, Mapping[str, str]]
    typical: Callable[[Mapping[str, str]], TakeRecord | None]
    timed: bool
    tried_again: bool
    conditions: Sequence[ConditionRank]
    unranked: bool
    ranked: int = RANKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """The table of takes: `settings` are what sets a job apart, `levels_of` its levels as JSON, `others` counts the
    takes that are no final ones."""

    settings: Callable[[JobRecord], Pairs]
    levels_of: Callable[[JobRecord], str]
    replicated: bool
    kept_some: bool
    others: int
    rows_together: int = ROWS_TOGETHER
    defects_named: int = DEFECTS_NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Jobs that ended without a take for one and the same reason."""

    status: str
    kind: str
    why: str
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What went wrong, what can be done next, and what the takes were made by. `failures_first`: there is nothing
    else to see."""

    failures: tuple[Failure, ...]
    failures_first: bool
    failed_checks: Mapping[str, int]
    commands: Pairs
    licences: Sequence[str]
    versions: Sequence[str]
    names_listed: int = NAMES_LISTED


def sections(material: Material) -> tuple[Head, Use, Matters, Takes, Ends]:
    """Every section of the page, and of README.md."""
    record, factors, choice = material.record, material.factors, material.choice
    takes = [take for _, take in record.takes]
    constants, varying = settings_of(record.jobs, factors)
    typical = _typical(material)
    failures = _failures(record.jobs)
    conditions = () if material.analysis is None else material.analysis.conditions
    unranked = material.analysis is not None and _unranked(material.analysis)
    if unranked:
        conditions = _by_design(conditions, factors)
    return (
        Head(
            lead=head.lead(record, material.passed),
            together=head.together(material.earlier, material.passed_together),
            of_all=head.of_all(material.files, material.plots),
            unfinished=head.unfinished(record, material.made_at),
            chief_failure=_chief_failure(failures) if _all_failed(record) else "",
            asked=head.asked(record),
            tiles=tuple(head.tiles(record, material.passed)),
            constants=constants,
            one_prompt=one_prompt(record.jobs),
        ),
        Use(
            prompt_names=told_apart((job.prompt for job in record.jobs), LONGEST_PROMPT),
            prompt_of={one.takes[0][1].file: one for one in choice.prompts if one.takes},
            rule_of_prompts=EACH_KEPT if any(take.kept for take in takes) else EACH_PROMPT,
            each_prompt=_has_table(choice),
            without_count=_without_count(choice),
            nothing_to_use=_nothing_to_use(record),
        ),
        Matters(
            names={name: told_apart(factors.levels(name), LONGEST_LEVEL) for name in factors.names},
            typical=lambda condition: typical.get(frozenset(condition.items())),
            timed=any(job.first is not None and job.first.row_steps for job in material.compared),
            tried_again=any(job.tried_again for job in material.compared),
            conditions=conditions,
            unranked=unranked,
        ),
        Takes(
            settings=lambda job: sets_apart(job, varying, factors),
            levels_of=lambda job: json.dumps(
                [factors.conditions.get(job.id, {}).get(name, "") for name in factors.names], ensure_ascii=False
            ),
            replicated=any(job.replicate > 1 for job in record.jobs),
            kept_some=any(take.kept is not None for take in takes),
            others=sum(not take.final for _, take in material.shown),
        ),
        Ends(
            failures=failures,
            failures_first=_all_failed(record),
            failed_checks=failed_checks(take for _, take in record.finals),
            commands=_commands(record),
            licences=licences(takes),
            versions=_versions(takes),
        ),
    )


def _unranked(analysis: Analysis) -> bool:
    """Whether the conditions differ by decimals of the score alone, which is no order. All the same share a rank."""
    means = [one.mean for one in analysis.conditions if one.mean is not None]
    if analysis.response is not Response.SCORE or any(effect.matters for effect in analysis.factors):
        return False
    return bool(means) and 0 < max(means) - min(means) < ALIKE_POINTS


def _by_design(conditions: Sequence[ConditionRank], factors: Factors) -> tuple[ConditionRank, ...]:
    """In the order of the levels; conditions without a mean last."""
    at = {name: {level: place for place, level in enumerate(factors.levels(name))} for name in factors.names}
    return tuple(
        sorted(
            conditions,
            key=lambda one: (one.mean is None, [at[name].get(one.condition.get(name, ""), -1) for name in at]),
        )
    )


def _typical(material: Material) -> dict[frozenset[tuple[str, str]], TakeRecord]:
    """Of each condition the take in the middle by what is compared: it sounds as the condition does, the best one as
    luck does."""
    if material.analysis is None:
        return {}
    found: dict[frozenset[tuple[str, str]], list[tuple[float, int, TakeRecord]]] = {}
    for job in material.compared:
        take, condition = job.first, material.factors.conditions.get(job.id)
        if take is None or condition is None or not take.present:
            continue
        value = take.stars if material.analysis.response is Response.STARS else take.score
        if value is not None:
            found.setdefault(frozenset(condition.items()), []).append((value, job.id, take))
    return {condition: sorted(takes)[(len(takes) - 1) // 2][2] for condition, takes in found.items()}


def _has_table(choice: Choice) -> bool:
    """Whether the prompts have a table of their own: there are too many for cards, or some have one take only."""
    return bool(choice.takes) and bool(choice.prompts) and choice.compete and not choice.per_prompt


def _without_count(choice: Choice) -> str:
    without = len(choice.without)
    return f"{without:,} of {count(len(choice.prompts), 'prompt')} {have(without)} nothing to use."


def _failures(jobs: Iterable[JobRecord]) -> tuple[Failure, ...]:
    """Failed and cancelled jobs by reason, the most frequent first."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for job in jobs:
        if job.status is JobStatus.FAILED:
            key = ("failed", str(job.error_kind).replace("_", " "), job.error or "")
        elif job.status is JobStatus.CANCELLED:
            key = ("cancelled", "cancelled", "")
        else:
            continue
        reasons.setdefault(key, []).append(job.name)
    found = [Failure(status=s, kind=k, why=w, jobs=tuple(names)) for (s, k, w), names in reasons.items()]
    return tuple(sorted(found, key=lambda failure: (failure.status == "cancelled", -len(failure.jobs))))


def _all_failed(record: BatchRecord) -> bool:
    """Whether there is no take because jobs failed."""
    return not record.finals and record.count(JobStatus.FAILED) > 0


def _chief_failure(failures: Sequence[Failure]) -> str:
    first, *others = failures
    often = f"The most frequent reason, of {count(len(first.jobs), 'job')}" if others else "The reason"
    return f"{often}: {first.kind}: {first.why}"


def _nothing_to_use(record: BatchRecord) -> str:
    """Why no take of a batch is proposed, where none is."""
    if record.finals:
        return "No take of this batch can be proposed: none passed every check, and none has four or five stars."
    if failed := record.count(JobStatus.FAILED):
        return f"There is no take: {failed:,} of {count(len(record.jobs), 'job')} failed, for the reasons above."
    cancelled = record.count(JobStatus.CANCELLED) == len(record.jobs)
    return "There is no take: every job was cancelled." if cancelled else "There is no take yet."


def _commands(record: BatchRecord) -> Pairs:
    first = next((job.name for job, _ in record.finals), None)
    commands = [("this report, of what is known now", f"soundmill report {record.name}")]
    if first:
        commands.append(("one take, sample for sample, from its row", f"soundmill rerun {record.name}/{first}"))
        commands.append(
            ("stars for a take, which then count before its score", f"soundmill rate {record.name}/{first} 5")
        )
    commands.append(
        (
            "the whole batch with new seeds, in the home folder",
            f"soundmill submit --again {shlex.quote(f'inbox/accepted/{record.kept_as}')}",
        )
    )
    if any(job.status in (JobStatus.FAILED, JobStatus.CANCELLED) for job in record.jobs):
        commands.append(("what failed or was cancelled", f"soundmill retry {record.name}"))
    return commands


def _versions(takes: Iterable[TakeRecord]) -> list[str]:
    """What made the takes, as `audiocraft 1.3.0`; several where they differ."""
    found = {f"{name} {version}" for take in takes for name, version in take.versions.items() if name != "soundmill"}
    return sorted(found)
