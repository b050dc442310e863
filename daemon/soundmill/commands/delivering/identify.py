"""`soundmill identify`: which row of the catalogue a delivered file came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.deliver import manifest
from soundmill.deliver.work import digest
from soundmill.errors import CatalogError, InvalidControl, SoundmillError
from soundmill.home import Home

MOST_PARENTS = 20  # folders above a file in which its manifest is looked for

# Looks for a file's take and answers with its row of `takes`, or None. Asked in the order of FINDERS: the surest first.
Finder = Callable[[Reader, Path, str], Mapping[str, object] | None]


def identify(home: Home, file: Path, *, as_json: bool) -> None:
    """Print the take that a file is or was made from. Raises SoundmillError where it is none of this catalogue."""
    sha256 = digest(file)
    if sha256 is None:
        raise SoundmillError(f"{file}: cannot be read")
    with Reader.open(home.catalog) as reader:
        found = next(((how, row) for how, find in FINDERS.items() if (row := find(reader, file, sha256))), None)
    if found is None:
        raise SoundmillError(f"{file}: is no take of this catalogue, nor made from one by soundmill deliver")
    how, row = found
    entry = _in_manifest(file, sha256)
    told = {
        "file": str(file),
        "take": f"{row['batch']}/{row['job']}",
        "audio": row["audio"],
        "attempt": row["attempt"],
        "prompt": row["prompt"],
        "model": row["model"],
        "seed": row["seed"],
        "licence": row["licence"],
        "output_id": row["output_id"],
        "found_by": how,
        "delivered_as": None if entry is None else entry["file"],
    }
    if as_json:
        show.print_json(told)
        return
    width = max(map(len, told))
    for name, value in told.items():
        if value is not None:
            print(f"{name.replace('_', ' '):<{width}}  {value}")
    print(f"{'again':<{width}}  soundmill rerun {told['take']}")


def _by_content(reader: Reader, file: Path, sha256: str) -> Mapping[str, object] | None:
    """The file is a take as it lies in the outputs folder."""
    ids = reader.takes_of_query(f"SELECT id AS output_id FROM outputs WHERE sha256 = '{sha256}'")
    return next(iter(reader.deliverable(output_ids=ids[:1])), None) if ids else None


def _by_tags(reader: Reader, file: Path, sha256: str) -> Mapping[str, object] | None:
    """The file says from which batch, job and attempt it came. The batch's ulid decides, where there is one: its name
    may be another batch's in another catalogue."""
    from soundmill.audio.tags import read_tags

    try:
        tags = read_tags(file)
        batch = str(reader.batch(tags.get("batch_ulid") or tags.get("batch", ""))["batch"])
    except (OSError, InvalidControl, CatalogError):
        return None
    rows = [row for row in reader.deliverable(batch=batch) if row["job"] == tags.get("job")]
    by_attempt = [row for row in rows if str(row["attempt"]) == tags.get("attempt")]
    return next(iter(by_attempt or [row for row in rows if str(row["seed"]) == tags.get("seed")]), None)


FINDERS: Mapping[str, Finder] = {"content": _by_content, "tags": _by_tags}


def _in_manifest(file: Path, sha256: str) -> manifest.Entry | None:
    """What the manifest beside or above the file says of it; None where it stands in none, or was changed since."""
    for folder in list(file.absolute().parents)[:MOST_PARENTS]:
        try:
            found = manifest.read(folder)
        except SoundmillError:
            continue
        if found is not None:
            return next((entry for entry in found["files"] if entry["sha256"] == sha256), None)
    return None
