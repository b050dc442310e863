"""What the commands print: tables on a terminal, plain tab-separated lines elsewhere, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from soundmill.words import span

if TYPE_CHECKING:
    from rich.progress import Progress

Row = Mapping[str, object]
PLAIN_INTERVAL_S = 10.0  # between progress lines where there is no terminal


def is_terminal() -> bool:
    return sys.stdout.isatty()


def as_json(data: object) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def table(rows: Sequence[Row], columns: Mapping[str, str], empty: str, *, names: int = 1) -> None:
    """Print the given columns (key to heading) of the rows; the first `names` of them say which row it is."""
    if not rows:
        print(empty)
        return
    texts = [{key: _text(row.get(key)).replace("\t", " ").replace("\n", " ") for key in columns} for row in rows]
    if not is_terminal():
        print("\t".join(columns.values()))
        for row in texts:
            print("\t".join(row.values()))
        return
    from soundmill.commands.columns import draw

    numeric = [key for key in columns if all(isinstance(row.get(key), int | float | type(None)) for row in rows)]
    draw(texts, columns, numeric, list(columns)[:names])


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


class BatchBars:
    """A progress bar per unfinished batch on a terminal; a line now and then elsewhere.

    `update` is handed the rows of the view batch_progress. Rate and time left come from what was
    done since the bar appeared, so a daemon that restarts does not count the time it was down.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: dict[str, tuple[float, int]] = {}
        self._tasks: dict[str, int] = {}
        self._said: dict[str, tuple[float, int]] = {}
        self._progress: Progress | None = None
        if is_terminal():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._progress = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[note]}"),
                refresh_per_second=4,
            )
            self._progress.start()

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, batches: Iterable[Row]) -> None:
        now = self._clock()
        for row in batches:
            name, done, total = str(row["batch"]), _int(row["done"]), _int(row["job_count"])
            if name not in self._first:
                if row["status"] == "finished":
                    continue
                self._first[name] = (now, done)
            rate, note = self._rate(name, row, now, done, total)
            if self._progress is None:
                self._say(name, done, total, rate, note, now)
            else:
                if name not in self._tasks:
                    self._tasks[name] = self._progress.add_task(name, total=total, rate="", note="")
                from rich.progress import TaskID

                self._progress.update(TaskID(self._tasks[name]), completed=done, rate=rate, note=note)

    def _rate(self, name: str, row: Row, now: float, done: int, total: int) -> tuple[str, str]:
        began, done_then = self._first[name]
        per_s = (done - done_then) / (now - began) if now > began else 0.0
        notes = []
        if row["status"] == "paused":
            notes.append("paused")
        elif done < total and per_s > 0:
            notes.append(f"{span(round((total - done) / per_s))} left")
        for key, word in (("n_failed", "failed"), ("flagged", "flagged"), ("n_cancelled", "cancelled")):
            if row.get(key):
                notes.append(f"{row[key]} {word}")
        return (f"{per_s * 60:.1f}/min" if per_s > 0 else ""), ", ".join(notes)

    def _say(self, name: str, done: int, total: int, rate: str, note: str, now: float) -> None:
        said_at, said_done = self._said.get(name, (0.0, -1))
        if done != said_done and (done == total or now - said_at >= PLAIN_INTERVAL_S):
            self._said[name] = (now, done)
            print(f"{name}: {done} of {total}" + "".join(f", {part}" for part in (rate, note) if part), flush=True)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
