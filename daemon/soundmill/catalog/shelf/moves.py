"""Moving a take in the outputs folder so that, killed at any point, it is there under the name the catalogue has.

    1. the catalogue notes where the take is to go                       (selection.order_move)
    2. sidecar and audio get their new names beside the old ones         (put)
    3. the catalogue's path becomes the new name, the old one a leftover (selection.arrived)
    4. the old names are removed                                         (clear)
    5. the catalogue forgets the move                                    (selection.settled)

Each step may be repeated, so a restart goes on with whatever is noted. Nothing is ever overwritten: a file that stands
where a take belongs, and is not that take, makes it take the next free name.
"""

from __future__ import annotations

import filecmp
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from soundmill.catalog.shelf.files import open_folder, relative_parts
from soundmill.disk import NO_LINKS, copy_whole, sync_folder, unavailable
from soundmill.faults import passing


def put(outputs: Path, path: str, target: str, *, attempt: int, is_taken: Callable[[str], bool]) -> str | None:
    """Give the take at `path` its name at `target`, or the next free one; the name it got, None when it has no file.

    `is_taken(name)` says whether the catalogue has another take under a name. Raises StorageUnavailable.
    """
    source = outputs.joinpath(*relative_parts(path))
    try:
        folder = open_folder(outputs, relative_parts(target)[:-1])
        if not source.is_file():
            return None
        # The audio is named last, so an audio file always has its sidecar.
        name, place = next(
            (name, place)
            for name in names_for(target, attempt)
            if not is_taken(name)
            and _is_free(source, place := folder / PurePosixPath(name).name)
            and _add_name(_sidecar(source), _sidecar(place))
        )
        _add_name(source, place)
        passing("move.sync")
        sync_folder(folder)
        return name
    except OSError as error:
        raise unavailable(outputs / target, error) from error


def clear(outputs: Path, leftover: str, path: str) -> None:
    """Remove the former name of the take that lies at `path` now; nothing there, or another file, is left alone.

    Raises StorageUnavailable.
    """
    source, place = (outputs.joinpath(*relative_parts(name)) for name in (leftover, path))
    try:
        for old, new in ((source, place), (_sidecar(source), _sidecar(place))):
            if new.is_file() and _is_free(new, old):
                passing("move.clear")
                old.unlink(missing_ok=True)
        passing("move.clear.sync")
        sync_folder(source.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unavailable(source, error) from error


def names_for(target: str, attempt: int) -> Iterator[str]:
    """`a/b.wav`, then `a/b.take2.wav`, `a/b.take2-2.wav`, `a/b.take2-3.wav` …"""
    path = PurePosixPath(target)
    yield target
    yield str(path.with_name(f"{path.stem}.take{attempt}{path.suffix}"))
    for number in itertools.count(2):
        yield str(path.with_name(f"{path.stem}.take{attempt}-{number}{path.suffix}"))


def _sidecar(audio: Path) -> Path:
    return audio.with_name(f"{audio.name}.json")


def _is_free(source: Path, place: Path) -> bool:
    """Whether nothing stands at `place`, or `source` itself: another name of it, or a copy made before a crash."""
    if not os.path.lexists(place):
        return True
    return place.is_file() and not place.is_symlink() and filecmp.cmp(source, place, shallow=False)


def _add_name(source: Path, place: Path) -> bool:
    """Make `place` another name of `source`, if there is one; False when something else stands there."""
    if not source.is_file():
        return True  # somebody has taken the sidecar away
    if not _is_free(source, place):
        return False
    if os.path.lexists(place):
        return True
    try:
        passing("move.name")
        os.link(source, place, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        passing("move.copy")
        copy_whole(source, place)  # only the daemon files takes here, so nothing has come to stand there meanwhile
    return True
