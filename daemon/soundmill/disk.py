"""The ground, disk: files written whole or not at all, and files read that somebody else put there.

A part file is hidden, ends in PART and lies in the folder of the file it becomes, so that a rename is all that is left
to do; the daemon sweeps away what a killed process left under that name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from soundmill.errors import StorageUnavailable
from soundmill.faults import passing

PART = ".part"
# What a file system answers that has no hard links, or has run out of them.
NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
MENDS = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk quota is used up: make room or raise it",
    errno.EROFS: "the disk is mounted read-only: remount it for writing",
    errno.EACCES: "this user may not write there: fix the folder's owner or mode",
    errno.EPERM: "this user may not write there: fix the folder's owner or mode",
    errno.ENOENT: "the folder is gone: mount its disk or make it again",
    errno.ENOTDIR: "a file stands where a folder should be: move it away",
    errno.EISDIR: "a folder stands where a file should be: move it away",
    errno.EIO: "the disk failed: check it (dmesg) and its mount",
    errno.ESTALE: "the network folder was taken away: mount it again",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n, LimitNOFILE)",
    errno.ENFILE: "too many files are open on this machine: close some programs",
    errno.ENOMEM: "there is no memory left: close some programs",
}


class NotPlain(OSError):
    """A link, pipe, folder or device stands where a file should be."""


class TooLarge(OSError):
    """The file is larger than it may be."""


# -- writing ---------------------------------------------------------------------------------


def part_of(target: Path, by: str = "") -> Path:
    """The part file of `target`. Of writers that may be at it at the same time each gives a name of its own in `by`."""
    # Named by digest, because the name itself may already be as long as a name can be.
    digest = hashlib.blake2b(target.name.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    return target.with_name(f".{digest}{by}{PART}")


@contextmanager
def part_file(target: Path, *, by: str = "", durable: bool = True) -> Iterator[tuple[Path, IO[bytes]]]:
    """A part file of `target` to write into; renaming it is the caller's. Gone again if the body fails.

    With `durable` its content is on the disk when this ends.
    """
    passing("part.make")
    with gone_if_it_fails(part_of(target, by)) as part, part.open("wb") as file:
        yield part, file
        if durable:
            passing("part.sync")
            file.flush()
            os.fsync(file.fileno())


def write_part(target: Path, content: bytes, *, by: str = "", durable: bool = True) -> Path:
    """The whole content of `target` under its part name, which is returned. Raises OSError."""
    with part_file(target, by=by, durable=durable) as (part, file):
        passing("part.write")
        file.write(content)
    return part


@contextmanager
def gone_if_it_fails(part: Path) -> Iterator[Path]:
    """Removes a part file whose renaming, in the body, fails."""
    try:
        yield part
    except BaseException:
        with suppress(OSError):
            passing("part.remove")
            part.unlink(missing_ok=True)
        raise


def write_whole(target: Path, content: bytes, *, by: str = "", durable: bool = True) -> None:
    """Put `content` in place of whatever is at `target`: a reader sees the old file or the new one, never a part.

    With `durable` the content outlives a power cut; that its name does too takes sync_folder. Raises OSError.
    """
    with gone_if_it_fails(write_part(target, content, by=by, durable=durable)) as part:
        passing("part.name")
        part.replace(target)


def copy_whole(source: Path, target: Path) -> None:
    """As write_whole, durably, with the content of another file. Raises OSError."""
    with source.open("rb") as old, part_file(target) as (part, new):
        passing("copy.write")
        shutil.copyfileobj(old, new)
    with gone_if_it_fails(part):
        passing("copy.name")
        part.replace(target)


def sync_file(path: Path) -> None:
    """Make the content of a regular file that somebody else wrote outlive a power cut. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        passing("file.sync")
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut. Raises OSError."""
    passing("folder.sync")
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unavailable(path: Path, error: OSError) -> StorageUnavailable:
    """What went wrong with the disk, and the mend."""
    mend = MENDS.get(error.errno or 0, "check the disk and its mount")
    return StorageUnavailable(f"{path}: {error.strerror or error}: {mend}")


# -- reading ---------------------------------------------------------------------------------


def open_plain(path: Path | str, *, folder: int | None = None) -> tuple[int, os.stat_result]:
    """The descriptor and status of a regular file, opened without following a link or waiting for a pipe's writer.

    `path` is relative to the descriptor of a `folder` where one is given. Raises NotPlain, OSError.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise NotPlain(error.errno, error.strerror, str(path)) from error
        raise
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise NotPlain(errno.EINVAL, "is not a plain file", str(path))
    return handle, status


def is_below(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path leads into one of the folders, whatever links there are on the way."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def open_below(root: Path, names: Sequence[str]) -> int:
    """The descriptor of a regular file below `root`.

    Every name is opened relative to the folder before it and without following links, so no link, however it is raced
    into place, leads outside. Raises NotPlain, OSError.
    """
    through = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY  # a folder need not be listed to be gone through
    folder = os.open(root, through)
    try:
        for name in names[:-1]:
            inner = os.open(name, through | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return open_plain(names[-1], folder=folder)[0]
    finally:
        os.close(folder)


def sha256_of(path: Path) -> str:
    """Of a regular file's content. Raises NotPlain, OSError."""
    handle, _ = open_plain(path)
    with os.fdopen(handle, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file below a folder by its path from there, each folder's in the order of their names; no part
    files, and no link is followed. What goes meanwhile is left out. Raises OSError where a folder cannot be read."""
    folders = [""]
    while folders:
        inside = folders.pop()
        try:
            with os.scandir(root / inside) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(PART):
                    yield path, entry.stat(follow_symlinks=False)


def read_plain(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file. Raises NotPlain, TooLarge, BlockingIOError if it changes meanwhile, OSError."""
    handle, before = open_plain(path)
    try:
        if before.st_size > max_bytes:
            raise TooLarge(errno.EFBIG, "is too large", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
        after = os.fstat(handle)
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or len(data) != after.st_size:
            raise BlockingIOError(errno.EAGAIN, "is still being written", str(path))
        return data
    finally:
        os.close(handle)
