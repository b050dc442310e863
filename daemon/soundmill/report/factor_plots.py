"""Report: what one factor does, as a plot of its levels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from soundmill.report.drawing import BUSY, FAINT, GOOD, LONGEST_TICK, MANY, WARN, Plot, figure, finished
from soundmill.report.factors import Factors
from soundmill.report.findings import FactorEffect, Response
from soundmill.report.record import JobRecord, TakeRecord
from soundmill.report.words import number, one_decimal, percent, shortened

BIN = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?) to (-?[\d.]+(?:e[+-]?\d+)?)")

Found = tuple[JobRecord, TakeRecord]


def by_factor(at: int, effect: FactorEffect, factors: Factors, finals: Sequence[Found], response: Response) -> Plot:
    """Response, pass rate and generation time at each level of a factor, under each other."""
    places = _places(effect)
    with figure(5.0, rows=3) as (made, (upper, middle, lower)):
        for axes in (upper, middle, lower):
            _level_axis(axes, effect, places, labelled=axes is lower)
        _response_by_level(upper, effect, places, _values(effect, factors, finals, response), response)
        _pass_rate_by_level(middle, effect, places)
        _time_by_level(lower, places, _values(effect, factors, finals, None))
        lower.set_xlabel(effect.name)
        means = [
            f"{level.level}: {one_decimal(level.mean)} ({one_decimal(level.low)} to {one_decimal(level.high)}), "
            f"{percent(level.pass_rate.rate)} passed"
            for level in effect.levels
            if level.mean is not None and level.low is not None and level.high is not None
        ]
        alt = f"Mean {response} with 95 % interval and pass rate by {effect.name}. " + "; ".join(means)
        return finished(made, f"factor-{at}-{_file_word(effect.name)}", f"What {effect.name} does", alt)


def _places(effect: FactorEffect) -> dict[str, tuple[float, float]]:
    """Where each level stands on the axis, from and to: side by side, or a sampled factor's bins at their values."""
    bins = [BIN.fullmatch(level.level) for level in effect.levels]
    if effect.trend is not None and all(bins):
        return {match[0]: (float(match[1]), float(match[2])) for match in bins if match}
    return {level.level: (at - 0.36, at + 0.36) for at, level in enumerate(effect.levels)}


def _middle(effect: FactorEffect, low: float, high: float) -> float:
    """Of a level's place, as it looks on the axis."""
    return math.sqrt(low * high) if effect.trend is not None and effect.trend.log else (low + high) / 2


def _level_axis(axes: Axes, effect: FactorEffect, places: Mapping[str, tuple[float, float]], labelled: bool) -> None:
    if effect.trend is None:
        axes.set_xlim(-0.6, len(places) - 0.4)
        axes.set_xticks([(low + high) / 2 for low, high in places.values()])
        long = max((len(level) for level in places), default=0) * len(places) > 60
        labels = [shortened(level, LONGEST_TICK) for level in places]
        axes.set_xticklabels(labels, rotation=30 if long else 0, ha="right" if long else "center")
        axes.grid(False, axis="x")
    elif effect.trend.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelbottom=labelled)


def _values(
    effect: FactorEffect, factors: Factors, finals: Sequence[Found], response: Response | None
) -> list[tuple[str, float]]:
    """(level, value) of every final take: its score or stars, or with None its generation time."""
    found = []
    for job, take in finals:
        level = factors.conditions.get(job.id, {}).get(effect.name)
        value = take.generation_s if response is None else take.stars if response is Response.STARS else take.score
        if level is not None and value is not None:
            found.append((level, float(value)))
    return found


def _dots(axes: Axes, places: Mapping[str, tuple[float, float]], values: Sequence[tuple[str, float]]) -> None:
    """One faint dot per take, spread over its level's width by its order: chance would move them at every drawing."""
    seen: dict[str, int] = {}
    xs, ys = [], []
    for level, value in values:
        turn = seen[level] = seen.get(level, 0) + 1
        if level in places:
            low, high = places[level]
            xs.append(low + (high - low) * (0.1 + 0.8 * (turn * 0.618034 % 1)))
        else:
            try:
                xs.append(float(level))  # a sampled factor: every take has a value of its own
            except ValueError:
                continue
        ys.append(value)
    axes.scatter(xs, ys, s=7, color=FAINT, alpha=0.45, linewidths=0, rasterized=len(xs) > MANY)


def _response_by_level(
    axes: Axes,
    effect: FactorEffect,
    places: Mapping[str, tuple[float, float]],
    values: Sequence[tuple[str, float]],
    response: Response,
) -> None:
    _dots(axes, places, values)
    for level in effect.levels:
        if level.mean is None:
            continue
        low, high = places[level.level]
        axes.plot([low, high], [level.mean, level.mean], color=BUSY, linewidth=1.8, solid_capstyle="butt")
        if level.low is not None and level.high is not None:
            middle = _middle(effect, low, high)
            axes.plot([middle, middle], [level.low, level.high], color=BUSY, linewidth=4, alpha=0.45)
    if response is Response.SCORE:
        axes.set_ylim(max(axes.get_ylim()[0], -2), min(axes.get_ylim()[1], 102))
    axes.set_title("Stars" if response is Response.STARS else "Score")
    axes.set_ylabel("1 to 5" if response is Response.STARS else "0 to 100")


def _pass_rate_by_level(axes: Axes, effect: FactorEffect, places: Mapping[str, tuple[float, float]]) -> None:
    for level in effect.levels:
        low, high = places[level.level]
        middle = _middle(effect, low, high)
        rate = level.pass_rate
        axes.plot([middle, middle], [100 * rate.low, 100 * rate.high], color=GOOD, linewidth=4, alpha=0.4)
        axes.plot([middle], [100 * rate.rate], "o", color=GOOD, markersize=5)
    axes.set_ylim(-4, 104)
    axes.set_title("Passed the checks")
    axes.set_ylabel("%")


def _time_by_level(axes: Axes, places: Mapping[str, tuple[float, float]], values: Sequence[tuple[str, float]]) -> None:
    _dots(axes, places, values)
    by_level: dict[str, list[float]] = {}
    for level, value in values:
        by_level.setdefault(level, []).append(value)
    for level, times in by_level.items():
        if level in places:
            axes.plot(places[level], [float(np.median(times))] * 2, color=WARN, linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.set_title("Generation time, median")
    axes.set_ylabel("s")


def _file_word(name: str) -> str:
    """The name in letters that are safe in a file name, a URL and an element's id."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-") or "unnamed"
