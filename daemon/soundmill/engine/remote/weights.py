"""The engine room, far away: a model's weights from this machine's cache of the hub to another's, file by file.

A repository in that cache is blobs, named for their content, and links to them. What a machine has already is not sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundmill.disk import PART

CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or, with a `target`, a link, by its path below the cache."""

    path: str
    size_bytes: int = 0
    target: str | None = None


def entries(repository: Path) -> list[Entry]:
    """What a repository of the cache holds, files before links. Raises OSError."""
    found = []
    for path in sorted(repository.rglob("*")):
        name = path.relative_to(repository.parent).as_posix()
        if path.is_symlink():
            found.append(Entry(path=name, target=str(path.readlink())))
        elif path.is_file() and not name.endswith((PART, ".lock", ".incomplete")):
            found.append(Entry(path=name, size_bytes=path.stat().st_size))
    return sorted(found, key=lambda entry: entry.target is not None)


def cache() -> Path:
    """The hub's cache of this machine."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def lacking(wanted: Sequence[Entry], below: Path) -> list[str]:
    """The paths of files that are not there whole."""

    def is_there(entry: Entry) -> bool:
        file = below / entry.path
        return file.is_file() and file.stat().st_size == entry.size_bytes

    return [entry.path for entry in wanted if entry.target is None and not is_there(entry)]


def chunks(file: Path) -> Iterator[bytes]:
    """An empty file is one empty piece. Raises OSError."""
    with file.open("rb") as stream:
        yield stream.read(CHUNK_BYTES)
        while data := stream.read(CHUNK_BYTES):
            yield data


def take(below: Path, path: str, data: bytes, offset: int, *, last: bool) -> None:
    """Put a piece of a file where it belongs; the file has its name once it is whole. Raises OSError, ValueError."""
    target = inside(below, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:200]}{PART}")
    with part.open("r+b" if offset else "wb") as stream:
        stream.seek(offset)
        stream.write(data)
        if last:
            stream.truncate()
    if last:
        part.replace(target)


def link(below: Path, wanted: Sequence[Entry]) -> None:
    """Make the links, once what they lead to is there. Raises OSError, ValueError."""
    for entry in wanted:
        if entry.target is None:
            continue
        place = inside(below, entry.path)
        inside(below, os.path.normpath(Path(entry.path).parent / entry.target))
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink() and str(place.readlink()) == entry.target:
            continue
        place.unlink(missing_ok=True)
        place.symlink_to(entry.target)


def inside(below: Path, path: str) -> Path:
    """A path below the cache. Raises ValueError for one that leads out of it."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"{path}: leads out of the cache")
    return below / path
