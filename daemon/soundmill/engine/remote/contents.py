"""The engine room, far away: the files that a clip begins with, known by what is in them and not by where they lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from soundmill.disk import is_below, open_below, write_whole
from soundmill.errors import MissingInput

Result = TypeVar("Result")
MOST_KNOWN = 1000
_known: dict[tuple[int, ...], str] = {}  # hashes of files as they were: one melody may begin hundreds of clips


def name_of(file: Path, folders: tuple[Path, ...] | None) -> str:
    """The name a file goes by: SHA-256 of its content, a slash, its own name. Raises MissingInput."""
    return f"{_opened(file, folders, _hash)}/{file.name}"


def read(file: Path, folders: tuple[Path, ...] | None, name: str) -> bytes:
    """What is in it. Raises MissingInput, also where that is no longer what `name` says."""
    data = _opened(file, folders, _all_of)
    if hashlib.sha256(data).hexdigest() != name.partition("/")[0]:
        raise MissingInput(f"{file}: was changed while a clip was to begin with it; retry the job")
    return data


def _opened(file: Path, folders: tuple[Path, ...] | None, use: Callable[[int], Result]) -> Result:
    if folders is not None and not is_below(file, folders):
        raise MissingInput(f"{file}: is in no folder that audio may be taken from (inbox.input_folders)")
    try:
        handle = open_below(Path("/"), Path(os.path.realpath(file)).parts[1:])
        try:
            return use(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise MissingInput(f"{file}: cannot be read as audio ({error.strerror or error})") from error


def _hash(handle: int) -> str:
    found = os.fstat(handle)
    as_it_is = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if as_it_is not in _known:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[as_it_is] = hashlib.sha256(_all_of(handle)).hexdigest()
    return _known[as_it_is]


def _all_of(handle: int) -> bytes:
    with os.fdopen(os.dup(handle), "rb") as stream:
        stream.seek(0)
        return stream.read()


class Store:
    """The contents that a node has: files by their names, in a folder that engines of one node share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where a content is or would be."""
        digest, _, own = name.partition("/")
        if len(digest) != 64 or not digest.isalnum() or Path(own).name != own or own in ("", ".", ".."):
            raise ValueError(f"{name}: is no name of a content")
        return self.folder / digest / own

    def has(self, name: str) -> bool:
        return self.path(name).is_file()

    def put(self, name: str, data: bytes) -> None:
        """Raises OSError."""
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(target, data, by=str(os.getpid()), durable=False)
