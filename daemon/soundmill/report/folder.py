"""Report: writing into a batch's folder, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PART = ".part"  # the daemon removes what a killed report left under this suffix


def write(path: Path, content: bytes) -> None:
    """Put `content` in place of whatever is at `path`; a reader sees the old file or the new one, never a part.

    What is there already is left alone, so that a report made again costs few writes. Not fsynced: a report that a
    power cut loses is made again from the catalogue. Raises OSError.
    """
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Named by digest, because the name itself may already be as long as a name can be, and by process, because a
    # person and the daemon may report on the same batch at the same time.
    digest = hashlib.blake2b(path.name.encode(), digest_size=12).hexdigest()
    part = path.with_name(f".{digest}-{os.getpid()}{PART}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def keep_only(folder: Path, suffix: str, wanted: Collection[Path]) -> None:
    """Remove from a folder that is the report's own every file of that suffix that is not `wanted`."""
    for path in sorted(folder.rglob(f"*{suffix}")):
        if path not in wanted and path.is_file():
            path.unlink(missing_ok=True)
