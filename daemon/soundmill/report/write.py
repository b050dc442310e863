"""Report: everything that goes into a batch's folder beside its takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundmill.report import tables
from soundmill.report.analysis import analyse
from soundmill.report.choice import choose, order
from soundmill.report.factors import Factors, find_factors, response_of, takes_of
from soundmill.report.family import going_on, seen_from
from soundmill.report.folder import keep_only, settle, write
from soundmill.report.listeners import listeners_of
from soundmill.report.page import page
from soundmill.report.page.views import Material
from soundmill.report.pictures import plots
from soundmill.report.pictures.drawing import Plot
from soundmill.report.pictures.takes import draw_all
from soundmill.report.record import BatchRecord, Found, JobRecord
from soundmill.report.statistics.findings import Analysis, PassRate
from soundmill.report.statistics.intervals import pass_rate
from soundmill.report.summary import summarise

PAGE_TAKES = 2000  # more on one page is more than a browser or a person takes in
CONFIDENCE = 0.95  # of every interval on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a report is: pictures drawn of those due, and what is being made."""

    done: int
    due: int
    doing: str


def write_report(
    record: BatchRecord,
    folder: Path,
    *,
    earlier: Sequence[BatchRecord],
    later: Sequence[str],
    made_at: float,
    processes: int,
    progress: Callable[[Progress], None],
) -> Path:
    """Write the whole report into the batch's folder and return the path of report.html.

    Every file is replaced whole; the same record gives the same bytes. `earlier` are the batches of the same experiment
    that this one goes on with: their takes are compared with its own; `later` are the names of those that go on with
    this one. `made_at` (Unix seconds) is shown only while
    the batch is unfinished. Raises OSError when the folder cannot be written.
    """
    shown = shown_takes(record)
    pictures = _pictures(shown, folder, processes, progress)
    progress(Progress(done=len(shown), due=len(shown), doing="analysis"))
    before = seen_from(folder, earlier)
    compared = tuple(job for jobs in (*(batch.jobs for batch in before), record.jobs) for job in jobs)
    factors = find_factors(compared, [batch.experiment for batch in (*earlier, record)])
    analysis = analysed(compared, factors)
    progress(Progress(done=len(shown), due=len(shown), doing="plots"))
    drawn = list(plots.plots(record, compared, factors, analysis))
    _write_plots(drawn, folder)
    progress(Progress(done=len(shown), due=len(shown), doing="pages"))
    choice = choose(record)
    listeners = listeners_of(record)
    passed = passed_of(record.jobs)
    sheet = bool(factors.names) and factors.designed and bool(record.finals) and len(compared) <= PAGE_TAKES
    material = Material(
        record=record,
        factors=factors,
        earlier=before,
        compared=compared,
        later=going_on(folder, later),
        passed=passed,
        passed_together=passed_of(compared),
        choice=choice,
        analysis=analysis,
        listeners=listeners,
        plots=drawn,
        pictures=pictures,
        shown=shown,
        left_out=len(record.takes) - len(shown),
        files=_files(sheet, bool(pictures), bool(drawn)),
        made_at=made_at,
    )
    numbers = summarise(record, earlier, later, passed, choice, analysis, listeners)
    texts = {
        "README.md": page.readme(material),
        "jobs.csv": tables.jobs_csv(record, pictures),
        "takes.jsonl": tables.takes_jsonl(record.takes, pictures),
        "summary.json": json.dumps(numbers, ensure_ascii=False, indent=2) + "\n",
    }
    if sheet:
        texts["contact-sheet.html"] = page.contact_sheet(material)
    else:
        (folder / "contact-sheet.html").unlink(missing_ok=True)
    for name, text in texts.items():
        write(folder / name, text.encode())
    write(folder / "report.html", page.report_html(material).encode())  # last: it links to the others
    settle(folder)
    return folder / "report.html"


def shown_takes(record: BatchRecord) -> list[Found]:
    """The takes on the page, in the order of the file: all of them, or of very many the best."""
    takes = list(record.takes)
    if len(takes) <= PAGE_TAKES:
        return takes
    best = sorted(takes, key=lambda found: (not found[1].final, *order(found)))[:PAGE_TAKES]
    return sorted(best, key=lambda found: (found[0].position, found[0].id, found[1].attempt))


def analysed(jobs: Sequence[JobRecord], factors: Factors) -> Analysis | None:
    """What the takes say about the factors; None where there is nothing to compare."""
    takes = takes_of(jobs, factors)
    if not factors.names or sum(take.score is not None for take in takes) < 2:
        return None
    return analyse(
        takes,
        confidence=CONFIDENCE,
        seeds_shared=factors.designed,
        log=factors.log,
        response=response_of(takes),
    )


def passed_of(jobs: Iterable[JobRecord]) -> PassRate:
    """How many of the final takes passed their checks, with a 95 % interval."""
    finals = [job.final for job in jobs if job.final is not None]
    return pass_rate(sum(take.passed for take in finals), len(finals), CONFIDENCE)


def _pictures(shown: list[Found], folder: Path, processes: int, progress: Callable[[Progress], None]) -> dict[str, str]:
    """Draw every take's picture; maps the take's file to the picture's, both relative to the folder."""
    present = [take.file for _, take in shown if take.present]
    jobs = [(folder / file, folder / "pictures" / f"{file}.png") for file in present]
    done = 0

    def advance(number_of: int) -> None:
        nonlocal done
        done += number_of
        progress(Progress(done=done, due=len(jobs), doing="pictures"))

    drawn = draw_all(jobs, processes, advance)
    pictures = {file: f"pictures/{file}.png" for file, there in zip(present, drawn, strict=True) if there}
    keep_only(folder / "pictures", ".png", {folder / picture for picture in pictures.values()})
    return pictures


def _write_plots(drawn: list[Plot], folder: Path) -> None:
    paths = {folder / "plots" / f"{plot.name}.svg": plot for plot in drawn}
    for path, plot in paths.items():
        write(path, f'<?xml version="1.0" encoding="utf-8"?>\n{plot.svg}\n'.encode())
    keep_only(folder / "plots", ".svg", set(paths))


def _files(sheet: bool, pictures: bool, drawn: bool) -> list[tuple[str, str]]:
    found = [
        ("report.html", "this batch to look through and listen to, in a browser"),
        ("jobs.csv", "a row per job of this batch with its final take, for a spreadsheet"),
        ("takes.jsonl", "everything known of every take, one JSON object a line"),
        ("summary.json", "counts, rates, timing, quality and the analysis, for programs"),
        ("README.md", "what was asked and what came of it, in short"),
    ]
    if sheet:
        found.append(("contact-sheet.html", "conditions by replicates on paper"))
    if pictures:
        found.append(("pictures/", "waveform and spectrogram of each take"))
    if drawn:
        found.append(("plots/", "the plots, as SVG"))
    return found
