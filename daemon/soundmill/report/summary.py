"""Report: a batch in numbers, for programs (summary.json) and for the page's head."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from soundmill.jobs import JobStatus
from soundmill.report.choice import Choice
from soundmill.report.cost import processing_s
from soundmill.report.listeners import Listeners
from soundmill.report.record import BatchRecord, TakeRecord
from soundmill.report.statistics.findings import Analysis, FactorEffect, Interaction, PassRate
from soundmill.words import iso

# What each key of summary.json means; docs/reports.md shows this table.
KEYS: Mapping[str, str] = {
    "batch": "its name",
    "kind": "list, template or experiment",
    "file_name": "the job file it came from",
    "goes_on_with": "earlier batches of its experiment: factors, conditions and sentences are of their takes too, all "
    "else of this batch alone",
    "goes_on_in": "later batches of its experiment",
    "finished": "whether every job had ended when this was written",
    "counts.jobs": "jobs asked for",
    "counts.queued": "of them waiting",
    "counts.running": "being generated",
    "counts.succeeded": "with a final take",
    "counts.failed": "failed for good",
    "counts.cancelled": "cancelled",
    "counts.takes": "audio files, also those that were tried again",
    "counts.passed": "final takes that passed every check",
    "counts.flagged": "final takes with a failed check",
    "counts.retried": "attempts beyond a job's first",
    "counts.tried_again": "jobs with more than one take, because an earlier one did not pass",
    "counts.kept": "final takes that best-of-n kept",
    "counts.set_aside": "final takes that it set aside",
    "rates.pass_rate": "share of the final takes that passed, 0 to 1",
    "rates.pass_rate_low": "lower end of its 95 % Wilson score interval",
    "rates.pass_rate_high": "upper end",
    "rates.success_rate": "share of the ended jobs that have a final take, 0 to 1",
    "rates.jobs_per_hour": "jobs that ended with a take, per hour between the first start and the last end",
    "rates.real_time_factor": "timing.processing_s per second of audio, all takes; below 1 is faster than real time",
    "timing.created_at": "when the job file was accepted (ISO 8601, UTC; so are the next two)",
    "timing.started_at": "when its first job started",
    "timing.finished_at": "when its last job ended; null while jobs wait",
    "timing.wall_s": "seconds from the first start to the last end of an attempt",
    "timing.audio_s": "seconds of audio in the final takes",
    "timing.processing_s": "seconds in which an attempt of it was running, however many ran beside each other",
    "timing.device_s": "seconds of its devices' time in the steps of all takes; null where it is not recorded",
    "timing.generation_s": "seconds from start to end, summed over all takes, which ran beside each other",
    "timing.generation_median_s": "median of a final take's seconds from start to end",
    "timing.generation_p95_s": "95th percentile of it",
    "quality.score_mean": "mean score of the final takes, 0 to 100",
    "quality.score_median": "median score",
    "quality.score_low": "lowest score",
    "quality.score_high": "highest score",
    "quality.rated": "final takes with a person's stars",
    "quality.stars_mean": "mean of the stars, 1 to 5",
    "quality.too_quiet": "final takes that are more than 1 LU under the target of loudness normalisation: their peaks "
    "allowed no more gain",
    "quality.failed_checks": "check name to number of final takes that failed it",
    "quality.measurements": "measurement name to its median over the final takes (units in the names)",
    "models": "model name to jobs, takes, audio_s, generation_s and device_s, as under timing",
    "errors": "kind of failure to number of failed jobs",
    "best": "audio files of the takes to use, relative to this folder, best first or in the order of the prompts",
    "prompts": "per prompt, where there are several: prompt, final takes, how many of them passed, and best: its audio "
    "files to use, best first, none where there is nothing to use",
    "factors": "per factor whether it matters, if only by a small difference, its p-value, and per level mean score, "
    "interval, takes and pass rate",
    "interactions": "per pair of factors whether they interact, if only by a small difference, the p-value, the "
    "clearest change of a lead with its interval, what no change exceeds (at_most), and mean and takes of each "
    "combination",
    "conditions": "every condition with rank (null without a take to compare), mean score, interval, takes, pass rate "
    "and whether it may be the best",
    "listeners": "takes that people compared with each other, best first: audio file, share of those with a preference "
    "who would rather have it than a middling one of them (0 to 1), its 95 % interval, and answers about it",
    "sentences": "the analysis in words",
    "licences": "licences of the takes",
}

NOTICED_LU = 1.0  # what a listener notices between two pieces
WITHOUT = frozenset({"sentence"})  # of a finding: sentences stand together under their own key


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptNumbers:
    """Under `prompts`."""

    prompt: str
    takes: int
    passed: int
    best: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNumbers:
    """Under `models`, by the model's name."""

    jobs: int
    takes: int
    audio_s: float
    generation_s: float
    device_s: float | None


def summarise(
    record: BatchRecord,
    earlier: Sequence[BatchRecord],
    later: Sequence[str],
    passed: PassRate,
    choice: Choice,
    analysis: Analysis | None,
    listeners: Listeners | None,
) -> dict[str, object]:
    """The content of summary.json: the keys of KEYS, dotted ones nested; null where there is nothing to say."""
    finals = [take for _, take in record.finals]
    takes = [take for _, take in record.takes]
    return {
        "batch": record.name,
        "kind": record.kind,
        "file_name": record.file_name,
        "goes_on_with": [batch.name for batch in earlier],
        "goes_on_in": list(later),
        "finished": record.finished_at is not None,
        "counts": _counts(record, finals, takes),
        "rates": _rates(record, passed, takes),
        "timing": _timing(record, finals, takes),
        "quality": _quality(finals),
        "models": {name: asdict(numbers) for name, numbers in _models(record).items()},
        "errors": dict(
            Counter(str(job.error_kind) for job in record.jobs if job.status is JobStatus.FAILED).most_common()
        ),
        "best": [take.file for _, take in choice.takes],
        "prompts": [
            asdict(
                PromptNumbers(
                    prompt=one.prompt,
                    takes=one.finals,
                    passed=one.passed,
                    best=[take.file for _, take in one.takes],
                )
            )
            for one in choice.prompts
        ],
        "factors": [_in_numbers(effect) for effect in analysis.factors] if analysis else [],
        "interactions": [_in_numbers(found) for found in analysis.interactions] if analysis else [],
        "conditions": [asdict(rank) for rank in analysis.conditions] if analysis else [],
        "listeners": [asdict(take) for take in listeners.takes] if listeners else [],
        "sentences": list(analysis.sentences) if analysis else [],
        "licences": licences(takes),
    }


def licences(takes: Iterable[TakeRecord]) -> list[str]:
    return sorted({take.licence for take in takes if take.licence})


def wall_s(record: BatchRecord) -> float | None:
    """Seconds from the first start to the last end of an attempt; None before one has ended."""
    ends = [attempt.finished_at for attempt in record.attempts if attempt.finished_at is not None]
    return max(ends) - min(attempt.started_at for attempt in record.attempts) if ends else None


def jobs_per_hour(record: BatchRecord) -> float | None:
    """Jobs that ended with a take; None before there is one, because failing takes no time."""
    wall, made = wall_s(record), record.count(JobStatus.SUCCEEDED)
    return made * 3600 / wall if wall and made else None


def device_s(takes: Iterable[TakeRecord]) -> float | None:
    """Seconds of the devices' time in the steps of takes; None where that is not recorded of each."""
    times = [take.device_s for take in takes]
    known = [time for time in times if time is not None]
    return sum(known) if times and len(known) == len(times) else None


def _counts(record: BatchRecord, finals: Sequence[TakeRecord], takes: Sequence[TakeRecord]) -> dict[str, int]:
    return {
        "jobs": len(record.jobs),
        **{str(status): record.count(status) for status in JobStatus},
        "takes": len(takes),
        "passed": sum(take.passed for take in finals),
        "flagged": sum(not take.passed for take in finals),
        "retried": sum(attempt.number > 1 for attempt in record.attempts),
        "tried_again": record.tried_again,
        "kept": record.chosen.count(True),
        "set_aside": record.chosen.count(False),
    }


def _rates(record: BatchRecord, passed: PassRate, takes: Sequence[TakeRecord]) -> dict[str, float | None]:
    succeeded, failed = record.count(JobStatus.SUCCEEDED), record.count(JobStatus.FAILED)
    audio = sum(take.duration_s for take in takes)
    return {
        "pass_rate": passed.rate,
        "pass_rate_low": passed.low if passed.takes else None,
        "pass_rate_high": passed.high if passed.takes else None,
        "success_rate": succeeded / (succeeded + failed) if succeeded + failed else None,
        "jobs_per_hour": jobs_per_hour(record),
        "real_time_factor": processing_s(record.attempts) / audio if audio else None,
    }


def _timing(
    record: BatchRecord, finals: Sequence[TakeRecord], takes: Sequence[TakeRecord]
) -> dict[str, float | str | None]:
    generation = sorted(take.generation_s for take in finals)
    return {
        "created_at": iso(record.created_at),
        "started_at": iso(record.started_at),
        "finished_at": iso(record.finished_at),
        "wall_s": wall_s(record),
        "audio_s": sum(take.duration_s for take in finals),
        "processing_s": processing_s(record.attempts),
        "device_s": device_s(takes),
        "generation_s": sum(take.generation_s for take in takes),
        "generation_median_s": statistics.median(generation) if generation else None,
        "generation_p95_s": generation[-(-len(generation) * 95 // 100) - 1] if generation else None,
    }


def _quality(finals: Sequence[TakeRecord]) -> dict[str, object]:
    scores = [take.score for take in finals if take.score is not None]
    stars = [take.stars for take in finals if take.stars is not None]
    measured: dict[str, list[float]] = {}
    for take in finals:
        for name, value in take.measurements.items():
            if value is not None:
                measured.setdefault(name, []).append(value)
    return {
        "score_mean": statistics.fmean(scores) if scores else None,
        "score_median": statistics.median(scores) if scores else None,
        "score_low": min(scores, default=None),
        "score_high": max(scores, default=None),
        "rated": len(stars),
        "stars_mean": statistics.fmean(stars) if stars else None,
        "too_quiet": len(too_quiet(finals)),
        "failed_checks": failed_checks(finals),
        "measurements": {name: statistics.median(values) for name, values in measured.items()},
    }


def too_quiet(finals: Iterable[TakeRecord]) -> list[TakeRecord]:
    """The takes that normalisation left noticeably under its target."""
    return [take for take in finals if (take.loudness_short_lu or 0.0) > NOTICED_LU]


def failed_checks(finals: Iterable[TakeRecord]) -> dict[str, int]:
    """Check name to the takes that failed it, most first."""
    names = Counter(check.name for take in finals for check in take.checks if not check.passed)
    return dict(sorted(names.items(), key=lambda item: (-item[1], item[0])))


def _models(record: BatchRecord) -> dict[str, ModelNumbers]:
    models: dict[str, ModelNumbers] = {}
    for model in dict.fromkeys(job.model for job in record.jobs):
        jobs = [job for job in record.jobs if job.model == model]
        takes = [take for job in jobs for take in job.takes]
        models[model] = ModelNumbers(
            jobs=len(jobs),
            takes=len(takes),
            audio_s=sum(take.duration_s for take in takes),
            generation_s=sum(take.generation_s for take in takes),
            device_s=device_s(takes),
        )
    return models


def _in_numbers(found: FactorEffect | Interaction) -> dict[str, object]:
    return {name: value for name, value in asdict(found).items() if name not in WITHOUT}
