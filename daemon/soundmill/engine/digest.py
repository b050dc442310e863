"""Names the weights a model was loaded with, so that a rerun can say they were trained anew in the meantime."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

LENGTH = 16  # hex digits: enough to tell any two trainings apart, short enough to read out

_SHA256 = re.compile(r"[0-9a-f]{64}")


def digest_of(files: Sequence[Path]) -> str:
    """LENGTH hex digits of a SHA-256 over the name and the whole content of each file, in the order given.

    Neither the folder nor a date counts, so a copied or downloaded checkpoint keeps its digest. Reading all of a file
    costs about a second per GB and happens once per process for a file that has not changed. A large file of the hub's
    cache is not read: it is named after the SHA-256 that the hub gave for it, which is taken at its word.

    Raises OSError.
    """
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name}\0{_content(file)}\n".encode())
    return whole.hexdigest()[:LENGTH]


def _content(file: Path) -> str:
    target = file.resolve()
    if (
        target.parent.name == "blobs"
        and target.parents[1].name.startswith("models--")
        and _SHA256.fullmatch(target.name)
    ):
        return target.name
    found = target.stat()
    return _read(target, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(target: Path, *_changes_with_the_content: int) -> str:
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
