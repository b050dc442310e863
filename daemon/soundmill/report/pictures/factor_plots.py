"""Report: what one factor does, as a plot of its levels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from soundmill.report.factors import Factors
from soundmill.report.pictures.cost import device_times
from soundmill.report.pictures.drawing import BUSY, FAINT, GOOD, LONGEST_TICK, MANY, WARN, Plot, figure, finished
from soundmill.report.record import Found
from soundmill.report.statistics.findings import FactorEffect, Response
from soundmill.report.wording.naming import told_apart
from soundmill.words import number, one_decimal, percent

NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
BIN = re.compile(rf"{NUMBER}(?: to {NUMBER})?")  # one number: all its takes have the same value
NARROWEST = 0.03  # a bin's width, as a share of the axis


def by_factor(at: int, effect: FactorEffect, factors: Factors, takes: Sequence[Found], response: Response) -> Plot:
    """Response, pass rate and, where it is recorded, the device's time at each level of a factor, under each other."""
    places = _places(effect)
    times = _times(effect, factors, takes)
    rows = 3 if times else 2
    with figure(0.4 + 1.53 * rows, rows=rows, same_x=True) as (made, panels):
        for axes in panels:
            _level_axis(axes, effect, places, labelled=axes is panels[-1])
        _response_by_level(panels[0], effect, places, _values(effect, factors, takes, response), response)
        _pass_rate_by_level(panels[1], effect, places)
        if times:
            _time_by_level(panels[2], effect, places, times)
        panels[-1].set_xlabel(effect.name)
        means = [
            f"{level.level}: {one_decimal(level.mean)} ({one_decimal(level.low)} to {one_decimal(level.high)}), "
            f"{percent(level.pass_rate.passed / level.pass_rate.takes)} passed"
            for level in effect.levels
            if level.mean is not None and level.low is not None and level.high is not None
        ]
        alt = f"Mean {response} with 95 % interval and pass rate by {effect.name}. " + "; ".join(means)
        return finished(made, f"factor-{at}-{_file_word(effect.name)}", f"What {effect.name} does", alt)


def _places(effect: FactorEffect) -> dict[str, tuple[float, float]]:
    """Where each level stands on the axis, from and to: side by side, or a sampled factor's bins at their values."""
    bins = [BIN.fullmatch(level.level) for level in effect.levels]
    if effect.trend is not None and all(bins):
        ends = {match[0]: (float(match[1]), float(match[2] or match[1])) for match in bins if match}
        drawn = {level: (_on_axis(effect, low), _on_axis(effect, high)) for level, (low, high) in ends.items()}
        least = NARROWEST * (max(high for _, high in drawn.values()) - min(low for low, _ in drawn.values()))
        for level, (low, high) in drawn.items():
            if high - low < least:
                middle = (low + high) / 2
                ends[level] = (_off_axis(effect, middle - least / 2), _off_axis(effect, middle + least / 2))
        return ends
    return {level.level: (at - 0.36, at + 0.36) for at, level in enumerate(effect.levels)}


def _on_axis(effect: FactorEffect, value: float) -> float:
    """How far along the axis a value is drawn."""
    return math.log(value) if effect.trend is not None and effect.trend.log else value


def _off_axis(effect: FactorEffect, at: float) -> float:
    """The value drawn there."""
    return math.exp(at) if effect.trend is not None and effect.trend.log else at


def _middle(effect: FactorEffect, low: float, high: float) -> float:
    """Of a level's place, as it looks on the axis."""
    return _off_axis(effect, (_on_axis(effect, low) + _on_axis(effect, high)) / 2)


def _level_axis(axes: Axes, effect: FactorEffect, places: Mapping[str, tuple[float, float]], labelled: bool) -> None:
    if effect.trend is None:
        axes.set_xlim(-0.6, len(places) - 0.4)
        axes.set_xticks([(low + high) / 2 for low, high in places.values()])
        long = max((len(level) for level in places), default=0) * len(places) > 60
        names = told_apart(places, LONGEST_TICK)
        labels = [names[level] for level in places]
        axes.set_xticklabels(labels, rotation=30 if long else 0, ha="right" if long else "center")
        axes.grid(False, axis="x")
    elif effect.trend.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelbottom=labelled)


def _values(
    effect: FactorEffect, factors: Factors, takes: Sequence[Found], response: Response
) -> list[tuple[str, float]]:
    """(level, score or stars) of every take that has one."""
    found = []
    for job, take in takes:
        level = factors.conditions.get(job.id, {}).get(effect.name)
        value = take.stars if response is Response.STARS else take.score
        if level is not None and value is not None:
            found.append((level, float(value)))
    return found


def _times(effect: FactorEffect, factors: Factors, takes: Sequence[Found]) -> list[tuple[str, float]]:
    """(level, seconds of the device's time) of every take that has it recorded."""
    times = device_times(takes)
    levels = [(factors.conditions.get(job.id, {}).get(effect.name), (job.id, take.attempt)) for job, take in takes]
    return [(level, times[key]) for level, key in levels if level is not None and key in times]


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
    axes.set_ylabel("of 5" if response is Response.STARS else "of 100")


def _pass_rate_by_level(axes: Axes, effect: FactorEffect, places: Mapping[str, tuple[float, float]]) -> None:
    for level in effect.levels:
        low, high = places[level.level]
        middle = _middle(effect, low, high)
        rate = level.pass_rate
        if rate.rate is None:
            continue
        axes.plot([middle, middle], [100 * rate.low, 100 * rate.high], color=GOOD, linewidth=4, alpha=0.4)
        axes.plot([middle], [100 * rate.rate], "o", color=GOOD, markersize=5)
    axes.set_ylim(-4, 104)
    axes.set_title("Passed the checks")
    axes.set_ylabel("%")


def _time_by_level(
    axes: Axes,
    effect: FactorEffect,
    places: Mapping[str, tuple[float, float]],
    values: Sequence[tuple[str, float]],
) -> None:
    _dots(axes, places, values)
    by_place: dict[tuple[float, float], list[float]] = {}
    for level, value in values:
        if (place := _place_of(level, effect, places)) is not None:
            by_place.setdefault(place, []).append(value)
    for place, times in by_place.items():
        axes.plot(place, [float(np.median(times))] * 2, color=WARN, linewidth=1.8)
    axes.set_ylim(0, 1.1 * max((value for _, value in values), default=0) or 1)
    axes.set_title("Device time a take, median")
    axes.set_ylabel("s")


def _place_of(
    level: str, effect: FactorEffect, places: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    """Where a take of this level counts: the level's own place, or the bin that its value is in."""
    if level in places:
        return places[level]
    try:
        value = _on_axis(effect, float(level))
    except ValueError:
        return None
    # The nearest, because a bin's ends are rounded in its name.
    return min(
        places.values(),
        key=lambda place: max(_on_axis(effect, place[0]) - value, value - _on_axis(effect, place[1]), 0.0),
        default=None,
    )


def _file_word(name: str) -> str:
    """The name in letters that are safe in a file name, a URL and an element's id."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-") or "unnamed"
