"""`soundmill report`: read a batch from the catalogue and write its report, with a bar that shows how far it is."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.errors import StorageUnavailable
from soundmill.home import Home
from soundmill.quality.registry import looked_at_by
from soundmill.report.record import read_record
from soundmill.report.write import Progress, write_report


def make_report(home: Home, batch: str, progress: Callable[[Progress], None]) -> Path:
    """Write the report of a batch, finished or not, into its folder; the path of its page.

    Raises InvalidControl when there is no such batch and StorageUnavailable when its folder cannot be written.
    """
    made_at = time.time()
    with Reader.open(home.catalog) as reader:
        name = str(reader.batch(batch)["batch"])
        rows = {one: reader.everything_of(one) for one in (*reader.goes_on_with(name), name)}
        later = reader.goes_on_in(name)
    if not home.outputs.is_dir():  # not made here: where its disk is not mounted, files would vanish under the mount
        raise StorageUnavailable(f"{home.outputs}: the folder is gone: mount its disk or make it again")
    *earlier, record = (read_record(of_batch, home.outputs / one, looked_at_by()) for one, of_batch in rows.items())
    folder = home.outputs / name
    try:
        return write_report(
            record, folder, earlier=earlier, later=later, made_at=made_at, processes=_processors(), progress=progress
        )
    except OSError as error:
        where = error.filename or folder
        raise StorageUnavailable(
            f"{where}: {error.strerror or error}: mend that, then: soundmill report {name}"
        ) from error


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def progress_bar(batch: str) -> Iterator[Callable[[Progress], None]]:
    """Shows how far a report is, on a terminal; elsewhere nothing."""
    if not show.is_terminal():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[doing]}"),
        transient=True,
    ) as bar:
        task = bar.add_task(f"report of {batch}", total=None, doing="reading")
        yield lambda now: bar.update(task, completed=now.done, total=now.due, doing=now.doing)
