"""The trainer's bookkeeping: progress lines, loss curves as CSV and SVG, checkpoints that survive a kill."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

Point = tuple[int, float]
Curves = dict[str, list[Point]]


class Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, what: str, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._first, self._start, self._shown = done, clock(), -1e9
        self._tty = sys.stderr.isatty()

    def show(self, done: int, note: str = "") -> None:
        now = self._clock()
        if done < self._total and now - self._shown < (0.2 if self._tty else 15.0):
            return
        self._shown = now
        pace = (now - self._start) / max(1, done - self._first)
        filled = 30 * done // max(1, self._total)
        bar = f"[{'#' * filled}{'.' * (30 - filled)}]"
        left_min = pace * (self._total - done) / 60
        line = f"{self._what} {bar} {done}/{self._total} {pace:.2f} s each, {left_min:.0f} min left {note}"
        print(
            "\r" + line if self._tty else line,
            end="" if self._tty and done < self._total else "\n",
            file=sys.stderr,
            flush=True,
        )


def save(file: Path, package: dict[str, Any]) -> None:
    """Write by rename: a kill at any moment leaves the old checkpoint or the new one."""
    part = file.with_suffix(".part")
    torch.save(package, part)
    part.replace(file)


def read(file: Path) -> dict[str, Any] | None:
    return torch.load(file, map_location="cpu", weights_only=True) if file.exists() else None


def learning_rate(step: int, steps: int, peak: float, warmup: int = 50, cooldown: float = 0.35) -> float:
    """Warm up, stay, then fall linearly to 2 % over the last `cooldown` share of the steps.

    So a run can be lengthened after the fact: before the cool-down the rate does not depend on `steps`.
    """
    left = (steps - step) / max(1.0, cooldown * steps)
    return peak * min(1.0, (step + 1) / warmup, max(0.02, left))


def write_curve(folder: Path, name: str, curves: Mapping[str, Sequence[Point]]) -> None:
    """`name`.csv with one row per point and `name`.svg with one line per curve."""
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["curve", "step", "value"])
        writer.writerows((label, step, f"{value:.5f}") for label, points in curves.items() for step, value in points)
    (folder / f"{name}.svg").write_text(_svg(name, curves), encoding="utf-8")


def _svg(title: str, curves: Mapping[str, Sequence[Point]]) -> str:
    width, height, edge = 640, 320, 48
    everything = [point for points in curves.values() for point in points] or [(0, 0.0)]
    right = max(step for step, _ in everything) or 1
    low, high = min(v for _, v in everything), max(v for _, v in everything)
    spread = (high - low) or 1.0

    def at(step: float, value: float) -> str:
        x = edge + step / right * (width - 2 * edge)
        return f"{x:.1f},{height - edge - (value - low) / spread * (height - 2 * edge):.1f}"

    font = 'font-family="sans-serif" font-size="12"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {font}>']
    lines.append(f'<rect width="{width}" height="{height}" fill="white"/><text x="{edge}" y="24">{title}</text>')
    lines.append(f'<path d="M{at(0, high)} L{at(0, low)} L{at(right, low)}" fill="none" stroke="#888"/>')
    lines.append(f'<text x="4" y="{edge + 4}">{high:.2f}</text><text x="4" y="{height - edge}">{low:.2f}</text>')
    lines.append(f'<text x="{width - edge - 40}" y="{height - 28}">{right} steps</text>')
    for colour, (label, points), row in zip(("#1f5fbf", "#c2571a", "#3a8f3a"), curves.items(), range(3), strict=False):
        path = " ".join(at(*point) for point in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        lines.append(f'<text x="{width - 150}" y="{24 + 16 * row}" fill="{colour}">{label}</text>')
    return "\n".join([*lines, "</svg>", ""])
