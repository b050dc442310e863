"""Inbox: reads a file that somebody else put there without trusting it, and writes one whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotPlain(OSError):
    """A link, pipe, folder or device stands where a file should be."""


class TooLarge(OSError):
    """The file is larger than it may be."""


def read_plain(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file. Raises NotPlain, TooLarge, BlockingIOError if it changes meanwhile, OSError."""
    try:
        # O_NONBLOCK: opening a pipe for reading would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise NotPlain(error.errno, error.strerror, str(path)) from error
        raise
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise NotPlain(errno.EINVAL, "is not a plain file", str(path))
        if before.st_size > max_bytes:
            raise TooLarge(errno.EFBIG, "is too large", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
        after = os.fstat(descriptor)
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or len(data) != after.st_size:
            raise BlockingIOError(errno.EAGAIN, "is still being written", str(path))
        return data
    finally:
        os.close(descriptor)


def write_atomically(target: Path, data: bytes) -> None:
    """Write a whole file or none of it."""
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
