"""Report: the plots of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from soundmill.jobs import AttemptStatus
from soundmill.report.factors import Factors
from soundmill.report.pictures.drawing import (
    BAD,
    BUSY,
    FAINT,
    GOOD,
    LONGEST_TICK,
    MANY,
    PANEL,
    WARN,
    Plot,
    figure,
    finished,
)
from soundmill.report.pictures.factor_plots import by_factor
from soundmill.report.record import AttemptRecord, BatchRecord, Found, JobRecord
from soundmill.report.statistics.findings import Analysis, clearest_first
from soundmill.report.wording.level_names import told_apart
from soundmill.words import count, number, one_decimal, shortened, span

MOST_FACTORS = 12  # each has a plot of its own
MOST_AXES = 8  # of the parallel coordinates
FEWEST = 3  # takes: of fewer the table says all, and a year has many such batches
LEAST_SPREAD = 0.1  # of a histogram's axis, as a share of its largest value: what differs less looks alike
# From low to high, of middling lightness so that both ends show on a light and on a dark ground.
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low-to-high", ["#c8791e", "#9a8f8a", "#2b86c5"])


def plots(
    record: BatchRecord, compared: Sequence[JobRecord], factors: Factors, analysis: Analysis | None
) -> Iterator[Plot]:
    """Every plot that this batch has something to show in, in the order of the page. `compared` are the jobs that the
    analysis is of: the batch's own and those of earlier batches of its experiment. Settings are shown by first takes,
    as they are compared; the rest is of final ones."""
    finals = record.finals
    takes = [(job, job.first) for job in compared if job.first is not None]
    if analysis is not None:
        for at, effect in enumerate(clearest_first(analysis.factors)[:MOST_FACTORS], 1):
            yield by_factor(at, effect, factors, takes, analysis.response)
    if len(factors.names) >= 2 and takes:
        yield parallel_coordinates(factors, takes)
    if len(finals) >= FEWEST:
        yield score_histogram(finals)
        yield duration_histogram(finals)
    ended = [attempt for attempt in record.attempts if attempt.finished_at is not None]
    if len(ended) >= FEWEST:
        yield timeline(ended)


def parallel_coordinates(factors: Factors, takes: Sequence[Found]) -> Plot:
    """A line per take through its level of each factor to its score, coloured by the score."""
    names = factors.names[:MOST_AXES]
    scales = [_scale(factors.levels(name), log=name in factors.log) for name in names]
    scores = [take.score for _, take in takes if take.score is not None]
    lowest, highest = (min(scores), max(scores)) if scores else (0.0, 100.0)
    reach = highest - lowest or 1.0
    lines, colours = [], []
    for job, take in takes:
        condition = factors.conditions.get(job.id, {})
        if take.score is None or not all(name in condition for name in names):
            continue
        nudge = 0.03 * ((job.id * 0.618034) % 1 - 0.5)  # lets lines of the same levels be told apart
        ys = [scale[condition[name]] + nudge for scale, name in zip(scales, names, strict=True)]
        lines.append(list(enumerate([*ys, (take.score - lowest) / reach])))
        colours.append(take.score)
    with figure(3.4, wide=True) as (made, (axes,)):
        axes.add_collection(
            LineCollection(
                lines, array=np.array(colours), cmap=LOW_TO_HIGH, norm=Normalize(lowest, highest), linewidths=1.0,
                alpha=0.7 if len(lines) < 100 else 0.35, rasterized=len(lines) > MANY,
            )
        )  # fmt: skip
        for at, scale in enumerate(scales):
            axes.axvline(at, color=FAINT, linewidth=0.8)
            words = told_apart(scale, LONGEST_TICK)
            shown = (
                list(scale.items())
                if len(scale) <= 12
                else [min(scale.items(), key=_second), max(scale.items(), key=_second)]
            )
            for level, y in shown:
                _beside(axes, at, y, words[level])
        last = len(names)
        axes.axvline(last, color=FAINT, linewidth=0.8)
        for share in (0.0, 0.5, 1.0):
            _beside(axes, last, share, number(round(lowest + share * reach, 1)))
        axes.set_xlim(-0.08, last + 0.12)
        axes.set_ylim(-0.06, 1.06)
        axes.set_xticks(range(last + 1), [*(shortened(name, LONGEST_TICK) for name in names), "score"])
        axes.set_yticks([])
        axes.grid(False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(axis="x", length=0)
        alt = (
            f"One line per take through {', '.join(names)} to its score, "
            f"{one_decimal(lowest)} (orange) to {one_decimal(highest)} (blue)."
        )
        return finished(made, "parallel-coordinates", "Settings and score, take by take", alt)


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    """A word to the right of a point, readable over whatever runs through it."""
    ground = {"boxstyle": "square,pad=0.1", "facecolor": PANEL, "edgecolor": "none", "alpha": 0.75}
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", fontsize=8.5, bbox=ground)


def _scale(levels: Sequence[str], *, log: bool) -> dict[str, float]:
    """Each level's height, 0 to 1: numbers by value or its logarithm where there are many, otherwise evenly."""
    if len(levels) > 12:
        try:
            values = [math.log(float(level)) if log else float(level) for level in levels]
        except ValueError:
            pass
        else:
            reach = max(values) - min(values) or 1.0
            return {level: (value - min(values)) / reach for level, value in zip(levels, values, strict=True)}
    return {level: at / max(1, len(levels) - 1) for at, level in enumerate(levels)}


def _second(item: tuple[str, float]) -> float:
    return item[1]


def score_histogram(finals: Sequence[Found]) -> Plot:
    good = [take.score for _, take in finals if take.score is not None and take.passed]
    flagged = [take.score for _, take in finals if take.score is not None and not take.passed]
    with figure(2.3) as (made, (axes,)):
        parts = [(good, GOOD, "passed"), (flagged, WARN, "flagged")]
        scores, colours, words = zip(*(part for part in parts if part[0] or part[2] == "passed"), strict=True)
        labels = [f"{word} ({len(values)})" for values, word in zip(scores, words, strict=True)]
        bins = list(range(0, 101, 5))
        axes.hist(scores, bins=bins, stacked=True, color=colours, alpha=0.85, label=labels)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)  # above the bars
        axes.set_xlim(0, 100)
        axes.set_xlabel("score")
        axes.set_ylabel("takes")
        axes.grid(False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        alt = f"Histogram of scores: {count(len(good), 'take')} passed, {len(flagged)} flagged."
        return finished(made, "scores", "Scores", alt)


def duration_histogram(finals: Sequence[Found]) -> Plot:
    """How long clips took from start to end and, where that varies, how long they are."""
    times = [take.generation_s for _, take in finals]
    lengths = [take.duration_s for _, take in finals]
    varied = max(lengths) - min(lengths) > 0.2
    with figure(4.0 if varied else 2.3, rows=2 if varied else 1) as (made, rows):
        _histogram(rows[0], times, "start to end of a take, among others, s")
        if varied:
            _histogram(rows[1], lengths, "length of a take, s")
        alt = (
            f"Histogram of the times from start to end of takes: median {span(float(np.median(times)))}, "
            f"longest {span(max(times))}. Takes are {span(min(lengths))} to {span(max(lengths))} long."
        )
        return finished(made, "durations", "Durations", alt)


def _histogram(axes: Axes, values: Sequence[float], label: str) -> None:
    low, high = min(values), max(values)
    more = max(0.0, LEAST_SPREAD * high - (high - low)) / 2
    bins = min(30, max(5, round(len(values) ** 0.5) * 2))
    axes.hist(values, bins=bins, range=(low - more, high + more), color=BUSY, alpha=0.85)
    axes.set_xlabel(label)
    axes.set_ylabel("takes")
    axes.grid(False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def timeline(ended: Sequence[AttemptRecord]) -> Plot:
    """A bar per attempt in its worker's lane; attempts that ran side by side in one engine lie under each other."""
    start = min(attempt.started_at for attempt in ended)
    unit_s, unit = _time_unit(max(attempt.finished_at or start for attempt in ended) - start)
    colours = {AttemptStatus.SUCCEEDED: BUSY, AttemptStatus.FAILED: BAD}
    bars: dict[str, list[list[tuple[float, float]]]] = {}
    middles: dict[str, float] = {}
    top = 0.0
    for worker in sorted({attempt.worker for attempt in ended}):
        lanes: list[float] = []
        for attempt in sorted((a for a in ended if a.worker == worker), key=lambda a: (a.started_at, a.job)):
            finish = attempt.finished_at or attempt.started_at
            lane = next((at for at, free in enumerate(lanes) if free <= attempt.started_at), len(lanes))
            lanes[lane : lane + 1] = [finish]
            left, right = (attempt.started_at - start) / unit_s, (finish - start) / unit_s
            low, high = top + lane + 0.08, top + lane + 0.92
            corners = [(left, low), (right, low), (right, high), (left, high)]
            bars.setdefault(colours.get(attempt.status, WARN), []).append(corners)
        middles[worker] = top + len(lanes) / 2
        top += len(lanes) + 0.6
    with figure(min(6.0, 1.0 + 0.13 * top + 0.25 * len(middles)), wide=True) as (made, (axes,)):
        for colour, polygons in bars.items():
            axes.add_collection(
                PolyCollection(polygons, facecolors=colour, alpha=0.8, linewidths=0, rasterized=len(ended) > MANY)
            )
        axes.set_ylim(top, 0)
        axes.autoscale_view(scaley=False)
        axes.set_xlim(left=0)
        axes.set_yticks(list(middles.values()), [shortened(worker, LONGEST_TICK) for worker in middles])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"{unit} since the first start")
        axes.grid(False, axis="y")
        failed = sum(attempt.status is AttemptStatus.FAILED for attempt in ended)
        alt = (
            f"{count(len(ended), 'attempt')} of {count(len(middles), 'worker')} over time, {failed} of them failed. "
            "Bars above each other ran side by side in one engine; failed attempts are red, interrupted ones brown."
        )
        return finished(made, "timeline", "Workers over time", alt)


def _time_unit(seconds: float) -> tuple[float, str]:
    for size, name in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds > 3 * size:
            return size, name
    return 1.0, "seconds"
