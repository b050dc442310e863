"""Report: report.html, README.md and the contact sheet, from their templates.

Everything that people wrote is escaped by the templates' engine; beyond that, the page's content security policy lets
no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from soundmill import __version__
from soundmill.jobs import LIMIT_SCORE, JobStatus
from soundmill.report.choice import EACH_KEPT, EACH_PROMPT, Choice
from soundmill.report.factors import PARAMETERS, Factors
from soundmill.report.family import Earlier, Later
from soundmill.report.page import head
from soundmill.report.page.rendering import TEMPLATES, environment, figure
from soundmill.report.pictures.drawing import Plot
from soundmill.report.record import BatchRecord, Found, JobRecord, TakeRecord
from soundmill.report.statistics.findings import Analysis, PassRate, Response
from soundmill.report.summary import failed_checks, licences
from soundmill.report.wording.naming import LONGEST_LEVEL, told_apart
from soundmill.words import count, have, number, one_decimal, span

ROWS_TOGETHER = 20  # takes that a browser lays out at once when they come into sight
RANKED = 30  # conditions in the page's ranking
MOST_PROMPTS = 500  # in the table of prompts
DEFECTS_NAMED = 3  # per take; the picture shows all
NAMES_LISTED = 12  # jobs that failed for the same reason
LEVELS_NAMED = 12
LONGEST_PROMPT = 120  # characters of one that is named in a line
REPLICATES_ABREAST = 6  # on a landscape page


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
    plots: Sequence[Plot]
    pictures: Mapping[str, str]
    shown: Sequence[Found]
    left_out: int
    files: Sequence[tuple[str, str]]
    made_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Jobs that ended without a take for one and the same reason."""

    status: str
    kind: str
    why: str
    jobs: tuple[str, ...]


def report_html(material: Material) -> str:
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _render("report.html", material, script=script, script_digest=digest)


def readme(material: Material) -> str:
    return re.sub(r"\n{3,}", "\n\n", _render("README.md", material, escape=False))


def contact_sheet(material: Material) -> str:
    """Conditions by replicates, for the jobs that have a condition, also those of earlier batches."""
    jobs = [job for job in material.compared if job.id in material.factors.conditions]
    rows: dict[tuple[tuple[str, str], ...], dict[int, list[JobRecord]]] = {}
    for job in jobs:
        condition = tuple(material.factors.conditions[job.id].items())
        rows.setdefault(condition, {}).setdefault(job.replicate, []).append(job)
    replicates = sorted({job.replicate for job in jobs})
    columns = [replicates[at : at + REPLICATES_ABREAST] for at in range(0, len(replicates), REPLICATES_ABREAST)]
    groups: dict[str | None, list[tuple[dict[str, str], dict[int, list[JobRecord]]]]] = {}
    for condition, of_condition in rows.items():
        settings = dict(condition)
        prompt = settings.pop("prompt", None) if len(settings) > 1 else None  # a heading over its conditions
        groups.setdefault(prompt, []).append((settings, of_condition))
    constants, _ = _settings(jobs, material.factors)
    return _render(
        "contact-sheet.html",
        material,
        groups=list(groups.items()),
        columns=columns,
        constants=constants,
        one_prompt=_one_prompt(jobs),
        all_pictures=dict(material.pictures) | {k: v for batch in material.earlier for k, v in batch.pictures.items()},
    )


# -- what the templates are handed -----------------------------------------------------------


def _render(template: str, material: Material, *, escape: bool = True, **more: object) -> str:
    record, factors = material.record, material.factors
    failures = _failures(record.jobs)
    takes = [take for _, take in record.takes]
    constants, varying = _settings(record.jobs, factors)
    typical = _typical(material)
    known = {name: getattr(material, name) for name in Material.__slots__}
    context: dict[str, object] = {
        **known,
        "version": __version__,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "lead": head.lead(record, material.passed),
        "together": head.together(material.earlier, material.passed_together),
        "of_all": head.of_all(material.files, material.plots),
        "typical": lambda condition: typical.get(frozenset(condition.items())),
        "unfinished": head.unfinished(record, material.made_at),
        "asked": head.asked(record),
        "tiles": list(head.tiles(record, material.passed)),
        "constants": constants,
        "settings": lambda job: _chips(job, varying, factors),
        "one_prompt": _one_prompt(record.jobs),
        "prompt_names": told_apart((job.prompt for job in record.jobs), LONGEST_PROMPT),
        "replicated": any(job.replicate > 1 for job in record.jobs),
        "timed": any(job.first is not None and job.first.row_steps for job in material.compared),
        "tried_again": any(job.tried_again for job in material.compared),
        "prompt_of": {one.takes[0][1].file: one for one in material.choice.prompts if one.takes},
        "rule_of_prompts": EACH_KEPT if any(take.kept for take in takes) else EACH_PROMPT,
        "each_prompt": _has_table(material.choice),
        "without_count": _without_count(material.choice),
        "limit_score": LIMIT_SCORE,
        "kept_some": any(take.kept is not None for take in takes),
        "others": sum(not take.final for _, take in material.shown),
        "levels_of": lambda job: json.dumps(
            [factors.conditions.get(job.id, {}).get(name, "") for name in factors.names], ensure_ascii=False
        ),
        "names": {name: told_apart(factors.levels(name), LONGEST_LEVEL) for name in factors.names},
        "figure": figure,
        "numbers": _numbers,
        "failed_checks": failed_checks(take for _, take in record.finals),
        "failures": failures,
        "failures_first": _all_failed(record),
        "chief_failure": _chief_failure(failures) if _all_failed(record) else "",
        "nothing_to_use": _nothing_to_use(record),
        "commands": _commands(record),
        "licences": licences(takes),
        "versions": _versions(takes),
        "rows_together": ROWS_TOGETHER,
        "ranked": RANKED,
        "most_prompts": MOST_PROMPTS,
        "defects_named": DEFECTS_NAMED,
        "names_listed": NAMES_LISTED,
        "levels_named": LEVELS_NAMED,
        **more,
    }
    return environment(escape).get_template(template).render(context)


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


def _one_prompt(jobs: Iterable[JobRecord]) -> str | None:
    prompts = {job.prompt for job in jobs}
    return prompts.pop() if len(prompts) == 1 else None


def _has_table(choice: Choice) -> bool:
    """Whether the prompts have a table of their own: there are too many for cards, or some have one take only."""
    return bool(choice.takes) and bool(choice.prompts) and choice.compete and not choice.per_prompt


def _without_count(choice: Choice) -> str:
    without = len(choice.without)
    return f"{without:,} of {count(len(choice.prompts), 'prompt')} {have(without)} nothing to use."


def _settings(jobs: Sequence[JobRecord], factors: Factors) -> tuple[list[tuple[str, str]], list[str]]:
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


def _chips(job: JobRecord, varying: Sequence[str], factors: Factors) -> list[tuple[str, str]]:
    """What sets this job apart: its condition, its other parameters that vary, its labels."""
    condition = factors.conditions.get(job.id, {})
    pairs = {name: level for name, level in condition.items() if name != "prompt"}
    pairs |= {name: _value(name, PARAMETERS[name](job)) for name in varying}
    pairs |= {name: value for name, value in job.labels.items() if name not in pairs}
    return list(pairs.items())


def _numbers(take: TakeRecord) -> list[str]:
    loudness, peak = take.measurements.get("loudness_lufs"), take.measurements.get("peak_dbfs")
    found = [f"{number(round(take.duration_s, 2))} s long", f"start to end {span(take.generation_s)}"]
    if loudness is not None:
        found.append(f"{one_decimal(loudness)} LUFS")
    if peak is not None:
        found.append(f"peak {one_decimal(peak)} dBFS")
    return found


def _failures(jobs: Iterable[JobRecord]) -> list[Failure]:
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
    return sorted(found, key=lambda failure: (failure.status == "cancelled", -len(failure.jobs)))


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


def _commands(record: BatchRecord) -> list[tuple[str, str]]:
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
            f"soundmill submit --again inbox/accepted/{record.file_name}",
        )
    )
    if any(job.status in (JobStatus.FAILED, JobStatus.CANCELLED) for job in record.jobs):
        commands.append(("what failed or was cancelled", f"soundmill retry {record.name}"))
    return commands


def _versions(takes: Iterable[TakeRecord]) -> list[str]:
    """What made the takes, as `audiocraft 1.3.0`; several where they differ."""
    found = {f"{name} {version}" for take in takes for name, version in take.versions.items() if name != "soundmill"}
    return sorted(found)
