"""Deliver, the archive: a delivery's folder as one zip file."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from soundmill.disk import gone_if_it_fails, part_file

STORED = {".wav", ".flac", ".ogg", ".opus", ".mp3"}  # what packing would not make much smaller, and take minutes
FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same delivery is the same bytes


def archive(folder: Path, files: Iterable[str], target: Path) -> None:
    """Write `target` with these files of the folder, below a folder of its name. Whole or not at all. Raises
    OSError."""
    with part_file(target) as (part, out), zipfile.ZipFile(out, "w") as packed:
        for name in sorted(files):
            info = zipfile.ZipInfo(f"{folder.name}/{name}", FIRST_MOMENT)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if Path(name).suffix in STORED else zipfile.ZIP_DEFLATED
            with (folder / name).open("rb") as source, packed.open(info, "w") as inside:
                shutil.copyfileobj(source, inside, 1 << 20)
    with gone_if_it_fails(part):
        part.replace(target)
