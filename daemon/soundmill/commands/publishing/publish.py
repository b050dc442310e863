"""`soundmill publish`: some takes as a site of their own, to be served elsewhere, or to be opened from a folder.

A copy is made beside its place under another name, and takes it when it is whole; the copy that stood there is gone
only then. What was made of a take before is taken over where nothing about it has changed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soundmill import __version__
from soundmill.catalog.keeping.freezing import freeze, refile
from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.commands.publishing import folder, site, sounds
from soundmill.commands.publishing.sounds import Shown
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home
from soundmill.jobs import OF_THE_CLIP, Parameters
from soundmill.words import count, have, size

MARK = "published.json"  # by which a folder is known as one of these
NEW, OLD = ".publishing", ".published-before"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be in a copy; every batch where none is named and no shortlist either."""

    batches: Sequence[str]
    shortlists: Sequence[str]
    format: str
    static: bool
    title: str | None


def publish(home: Home, to: Path, wanted: Wanted, *, now: float, say: Callable[[str], None]) -> None:
    """Bring the folder `to` to what is wanted. Raises UsageError for a folder that holds something else, SoundmillError
    where takes are missing or there are none, InvalidControl for a batch that there is not."""
    to = to.absolute()
    _must_be_ours(home, to)
    if not sounds.can_encode(wanted.format):
        raise SoundmillError(f"this machine's libsndfile writes no {wanted.format}; choose another --format")
    with Reader.open(home.catalog) as reader:
        batches = [str(reader.batch(name)["batch"]) for name in wanted.batches]
        for name in wanted.shortlists:
            reader.picks(name)
    new, old = to.with_name(f".{to.name}{NEW}"), to.with_name(f".{to.name}{OLD}")
    if (
        not to.exists() and old.exists()
    ):  # a run was cut short between taking the old one away and putting the new there
        old.rename(to)
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)
    try:
        new.mkdir(parents=True)
        with show.progress(str(to)) as progress:
            told = _make(home, new, to, wanted, batches, now, progress)
        if to.exists():
            to.rename(old)
        new.rename(to)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    for line in told:
        say(line)
    say(f"Open {to / 'index.html'}" if wanted.static else f"Serve it: {to / 'serve.sh'}, or docker build {to}")


def _must_be_ours(home: Home, to: Path) -> None:
    real = to.resolve()
    if real == home.root.resolve() or real in home.root.resolve().parents:
        raise UsageError(f"{to}: holds the home folder; publish into a folder of its own")
    for inside in (home.outputs, home.inbox, home.deliveries):
        if real.is_relative_to(inside.resolve()):
            raise UsageError(f"{to}: is a folder of the home's; publish elsewhere")
    if to.exists() and not (to / MARK).is_file() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to}: holds something else; publish into a new folder")


def _make(
    home: Home,
    new: Path,
    to: Path,
    wanted: Wanted,
    batches: Sequence[str],
    now: float,
    progress: Callable[[int, int], None],
) -> list[str]:
    catalog = new / "catalog.db"
    chosen = freeze(home.catalog, catalog, batches=batches, shortlists=wanted.shortlists)
    if not chosen:
        raise SoundmillError("there is no take to publish: none that counts, is kept and is not rejected")
    tags = {row["output_id"]: _tags(row) for row in _rows(catalog)}
    audio = "audio" if wanted.static else "outputs"
    former, former_folder = _former(to)
    made, stood = sounds.make(
        chosen,
        tags,
        home.outputs,
        new / audio,
        wanted.format,
        former=former,
        former_folder=former_folder,
        workers=_processors(),
        progress=progress,
    )
    drawings = {number: bytes.fromhex(shown.peaks) for number, shown in made.items() if shown.peaks}
    files = {number: (each.path, each.format, each.sha256, each.size_bytes) for number, each in made.items()}
    rows = refile(catalog, files, drawings)
    made_at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = wanted.title or ", ".join([*batches, *wanted.shortlists]) or "Soundmill"
    if wanted.static:
        folder.write(new, rows, _drawn(catalog), audio, title, made_at)
        catalog.unlink()
    else:
        site.write(new, rows, audio, title, made_at)
    mark = {"published": VERSION, "soundmill": __version__, "audio": audio, "files": sounds.as_list(made)}
    (new / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
    total = sum(each.size_bytes for each in made.values())
    taken_over = f"; {stood} {have(stood)} not changed" if stood else ""
    return [f"{count(len(made), 'take')}, {size(total)} of audio{taken_over}"]


def _rows(catalog: Path) -> list[dict[str, Any]]:
    with Reader.open(catalog) as reader:
        return reader.takes_shown()


def _drawn(catalog: Path) -> dict[int, bytes]:
    with Reader.open(catalog) as reader:
        return reader.peaks()


def _tags(row: dict[str, Any]) -> dict[str, str]:
    """What is written into a file that is encoded anew, as its take's has it."""
    names = [each.name for each in fields(Parameters)]
    settings = {name: f"{row[name]:g}" for name in names if row[name] or name not in OF_THE_CLIP}
    known = {name: str(row[name]) for name in ("batch", "job", "attempt", "prompt", "model", "seed", "licence")}
    return {**known, **settings, "software": f"Soundmill {__version__}"}


def _former(to: Path) -> tuple[dict[int, Shown], Path]:
    """What the copy that stands there has of each take, and the folder of its audio."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        mark = json.loads((to / MARK).read_text(encoding="utf-8"))
        if mark["published"] == VERSION:
            return {int(number): Shown(**each) for number, each in mark["files"].items()}, to / str(mark["audio"])
    return {}, to


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
