"""What the commands print: tables and bars on a terminal, plain tab-separated lines elsewhere, JSON on request.

A table that is too wide for the terminal gives way in its widest column: a sentence wraps while there is room to read
it, anything else stands below its row. So short columns (a verdict, a score) are never touched, and nothing is cut,
which the tables of rich cannot promise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from soundmill.words import span

if TYPE_CHECKING:
    from rich.progress import Progress

Row = Mapping[str, object]
PLAIN_INTERVAL_S = 10.0  # between progress lines where there is no terminal
GAP = 2  # columns between those of a table
LEAST = 24  # columns in which a sentence can still be read
INDENT = 4  # of what stands below its row


def is_terminal() -> bool:
    return sys.stdout.isatty()


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many of how many are done, on a terminal; elsewhere nothing."""
    if not is_terminal():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_json(data: object) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def table(
    rows: Sequence[Row], columns: Mapping[str, str], empty: str, *, names: int = 1, as_json: bool = False
) -> None:
    """Print the given columns (key to heading) of the rows; the first `names` of them say which row it is.

    As JSON, the rows are printed whole.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(empty)
        return
    texts = [{key: _text(row.get(key)).replace("\t", " ").replace("\n", " ") for key in columns} for row in rows]
    if not is_terminal():
        print("\t".join(columns.values()))
        for row in texts:
            print("\t".join(row.values()))
        return
    numeric = [key for key in columns if all(isinstance(row.get(key), int | float | type(None)) for row in rows)]
    _draw(texts, columns, numeric, list(columns)[:names])


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def _layout(natural: Mapping[str, int], width: int, names: Collection[str], wraps: Collection[str]) -> dict[str, int]:
    """How wide each column is in a terminal of `width`; those left out stand below the row.

    `natural` is how wide each would be if it had all the room. `names` say which row it is: they wrap rather than leave
    the row. `wraps` hold sentences.
    """
    widths = dict(natural)
    while (excess := _total(widths) - width) > 0:
        widest = max(widths, key=lambda key: widths[key])
        others = [key for key in widths if key not in names]
        if (widths[widest] - excess >= LEAST and (widest in names or widest in wraps)) or not others:
            widths[widest] = max(1, widths[widest] - excess)
            break
        del widths[max(others, key=lambda key: widths[key])]
    return widths


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _draw(
    rows: Sequence[Mapping[str, str]], columns: Mapping[str, str], numeric: Collection[str], names: Collection[str]
) -> None:
    """Print the given columns (key to heading) of the rows to the terminal; numbers stand at the right, and columns
    that are blank in every row are left out."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    longest = {key: max((row[key] for row in rows), key=cell_len) for key in columns}
    shown = [key for key in columns if longest[key]]
    natural = {key: max(cell_len(longest[key]), cell_len(columns[key])) for key in shown}
    if _total(natural) > console.width:  # headings wrap before anything else does
        natural = {key: max(map(cell_len, (longest[key], *columns[key].split()))) for key in shown}
    widths = _layout(natural, console.width, names, {key for key in shown if " " in longest[key]})
    below = [key for key in shown if key not in widths]

    def line(texts: Mapping[str, str], style: str) -> None:
        grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        for key, width in widths.items():
            grid.add_column(width=width, justify="right" if key in numeric else "left", overflow="fold")
        grid.add_row(*(Text(texts[key], style) for key in widths))
        console.print(grid)

    line(columns, "bold")
    for row in rows:
        line(row, "")
        for key in below:
            if row[key]:
                console.print(Padding(Text(f"{columns[key]}: {row[key]}"), (0, 0, 0, INDENT)))


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
