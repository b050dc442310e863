"""Which take somebody means who has just heard it: by its job, or by the file that was played."""

from __future__ import annotations

from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.errors import InvalidControl


def take_meant(reader: Reader, outputs: Path, named: str) -> str:
    """What the daemon is to be told where a person says `named`.

    A job (its number or `batch/job`) and a file as it stands in the outputs folder (`batch/job.wav`) are passed on as
    they are; a path to a file that is there, from anywhere, becomes the latter. Raises InvalidControl when there is no
    such take.
    """
    try:
        reader.find_take(named)
        return named
    except InvalidControl as unknown:
        try:
            file = Path(named).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle
            raise unknown from None
        if not file.is_file():
            raise
    try:
        path = file.relative_to(outputs.resolve()).as_posix()
    except ValueError:
        raise InvalidControl(f"{named}: is not in {outputs}; name its home with --home") from None
    try:
        reader.find_take(path)
    except InvalidControl:
        raise InvalidControl(f"{named}: belongs to no take; name an audio file that `soundmill jobs` lists") from None
    return path
