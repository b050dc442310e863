"""Report: writing into a batch's folder, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from soundmill.disk import sync_folder, write_whole
from soundmill.faults import passing


def write(path: Path, content: bytes) -> None:
    """Put `content` in place of whatever is at `path`; a reader sees the old file or the new one, never a part.

    What is there already is left alone, so that a report made again costs few writes. Raises OSError.
    """
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    passing("report.write")
    path.parent.mkdir(parents=True, exist_ok=True)
    # By process, because a person and the daemon may report on the same batch at the same time.
    write_whole(path, content, by=f"-{os.getpid()}")


def settle(folder: Path) -> None:
    """Make a report outlive a power cut: the catalogue is about to know that it is made, and nobody would make it
    again. Raises OSError."""
    for each in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        passing("report.settle")
        sync_folder(each)


def keep_only(folder: Path, suffix: str, wanted: Collection[Path]) -> None:
    """Remove from a folder that is the report's own every file of that suffix that is not `wanted`."""
    for path in sorted(folder.rglob(f"*{suffix}")):
        if path not in wanted and path.is_file():
            passing("report.remove")
            path.unlink(missing_ok=True)
