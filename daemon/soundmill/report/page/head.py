"""Report: the head of the page and of README.md: a batch in a sentence or two, and in tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from soundmill.jobs import JobStatus
from soundmill.report.family import Earlier
from soundmill.report.pictures.drawing import Plot
from soundmill.report.record import BatchRecord
from soundmill.report.statistics.findings import PassRate
from soundmill.report.summary import jobs_per_hour, too_quiet, wall_s
from soundmill.words import count, have, listed, moment, one_decimal, percent, percents, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    value: str
    label: str
    kind: str = ""  # good, warn or bad


def lead(record: BatchRecord, passed: PassRate) -> str:
    """The batch in one sentence, and more where jobs were tried again or the best takes kept."""
    made = record.count(JobStatus.SUCCEEDED)
    start = f"{made:,} of {count(len(record.jobs), 'job')} {have(made)} a take"
    failed = record.count(JobStatus.FAILED)
    if passed.takes:
        whole = f"{start}; {_verdict(passed)}"
    else:
        whole = f"{start}; {failed:,} failed." if failed else f"{start}."
    if again := record.tried_again:
        whole += f" {count(again, 'job')} {'was' if again == 1 else 'were'} tried again."
    if chosen := record.chosen:
        whole += f" The best {sum(chosen):,} of {len(chosen):,} takes are kept, the others set aside."
    if quiet := too_quiet([take for _, take in record.finals]):
        farthest = max(take.loudness_short_lu or 0.0 for take in quiet)
        whole += (
            f" {count(len(quiet), 'take')} {'is' if len(quiet) == 1 else 'are'} quieter than the target, by up to "
            f"{one_decimal(farthest)} LU: the peaks allow no more gain, and soundmill deliver has a limiter."
        )
    return whole


def together(earlier: Sequence[Earlier], passed: PassRate) -> str:
    """What a batch has with the earlier ones of its experiment; empty for one that stands alone."""
    if not earlier:
        return ""
    verdict = f"; {_verdict(passed)}" if passed.takes else "."
    return f"With {listed([batch.name for batch in earlier])}: {count(passed.takes, 'take')}{verdict}"


def of_all(files: Sequence[tuple[str, str]], plots: Sequence[Plot]) -> str:
    """What of the report is of the whole experiment; `files` are the report's own."""
    parts = ["What matters"]
    if any(name == "contact-sheet.html" for name, _ in files):
        parts.append("the contact sheet")
    if any(plot.name == "parallel-coordinates" for plot in plots):
        parts.append("the plot of settings and score")
    verb = "is" if len(parts) == 1 else "are"
    return f"{listed(parts)} {verb} of all of these; the rest is of this batch alone."


def _verdict(passed: PassRate) -> str:
    flagged = passed.takes - passed.passed
    verdict = f"{passed.passed:,} passed every check ({percent(passed.passed / passed.takes)}"
    if passed.takes > 1:
        verdict += f", 95 % interval {percents(passed.low, passed.high)}"
    return f"{verdict})" + (f" and {flagged:,} {'is' if flagged == 1 else 'are'} flagged." if flagged else ".")


def unfinished(record: BatchRecord, made_at: float) -> str:
    rest = record.count(JobStatus.QUEUED) + record.count(JobStatus.RUNNING)
    if not rest:
        return ""
    verb = "waits or runs" if rest == 1 else "wait or run"
    held = " The batch is paused." if record.paused else ""
    return f"{count(rest, 'job')} still {verb}: this is what there was on {moment(made_at)}.{held}"


def asked(record: BatchRecord) -> str:
    what = {"experiment": "an experiment", "template": "a template", "list": "a list"}.get(record.kind, record.kind)
    design = (record.experiment or {}).get("design")
    return f"{what} of {count(len(record.jobs), 'job')}" + (f" ({str(design).replace('_', ' ')})" if design else "")


def tiles(record: BatchRecord, passed: PassRate) -> Iterable[Tile]:
    yield Tile(value=f"{len(record.jobs):,}", label="jobs")
    if passed.takes:
        yield Tile(value=f"{passed.passed:,}", label="passed", kind="good")
    if flagged := passed.takes - passed.passed:
        yield Tile(value=f"{flagged:,}", label="flagged", kind="warn")
    if again := record.tried_again:
        yield Tile(value=f"{again:,}", label="tried again")
    if chosen := record.chosen:
        yield Tile(value=f"{sum(chosen):,}", label=f"kept of {len(chosen):,}", kind="good")
    for status, kind in (("failed", "bad"), ("cancelled", ""), ("running", ""), ("queued", "")):
        if number_of := record.count(JobStatus(status)):
            yield Tile(value=f"{number_of:,}", label=status, kind=kind)
    finals = [take for _, take in record.finals]
    if finals:
        yield Tile(value=span(sum(take.duration_s for take in finals)), label="of audio")
    wall, rate = wall_s(record), jobs_per_hour(record)
    if wall:
        label = "of work" if rate is None else f"at {float(f'{rate:.3g}'):,.0f} jobs per hour"
        yield Tile(value=span(wall), label=label)
    rated = sum(take.stars is not None for take in finals)
    if rated:
        yield Tile(value=f"{rated:,}", label="rated by a person")
