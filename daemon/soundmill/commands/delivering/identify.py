"""`soundmill identify`: which row of the catalogue a delivered file came from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.commands.rerun import rerun
from soundmill.deliver import manifest
from soundmill.deliver.work import digest
from soundmill.errors import CatalogError, InvalidControl, MissingInput, SoundmillError, UsageError
from soundmill.home import Home
from soundmill.words import listed

MOST_PARENTS = 20  # folders above a file in which its manifest is looked for

# Looks for the take of a file, whose hash it is told, among those of a home; answers with its row of `takes`, or None.
# Asked in the order of FINDERS: the surest and quickest first.
Finder = Callable[[Reader, Home, Path, str], Mapping[str, object] | None]


def identify(home: Home, file: Path, *, as_json: bool, again: bool) -> None:
    """Print the take that a file is or was made from; with `again` it is generated again and compared.

    Raises SoundmillError where it is none of this catalogue, and with `again` as `soundmill rerun` does.
    """
    if as_json and again:
        raise UsageError("--json with --rerun: take one of them, and soundmill rerun JOB --json for the other")
    sha256 = digest(file)
    if sha256 is None:
        raise SoundmillError(f"{file}: cannot be read")
    with Reader.open(home.catalog) as reader:
        found = next(((how, row) for how, find in FINDERS.items() if (row := find(reader, home, file, sha256))), None)
    if found is None:
        raise SoundmillError(
            f"{file}: is no take of this catalogue, nor made from one; neither its metadata nor its sound"
        )
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
        "coherence": row.get("coherence"),
        "begins_s": row.get("begins_s"),
        "sounds_as": row.get("sounds_as"),
        "delivered_as": None if entry is None else entry["file"],
    }
    if as_json:
        show.print_json(told)
        return
    width = max(map(len, told))
    for name, value in told.items():
        if value is not None and value != []:
            value = listed(value) if isinstance(value, list) else value
            print(f"{name.replace('_', ' '):<{width}}  {value}")
    if again:
        rerun(home, f"{row['batch']}/{row['job']}", None, as_json=False)
    else:
        print(f"{'again':<{width}}  soundmill rerun {told['take']}")


def _by_content(reader: Reader, home: Home, file: Path, sha256: str) -> Mapping[str, object] | None:
    """The file is a take as it lies in the outputs folder."""
    ids = reader.takes_of_query(f"SELECT id AS output_id FROM outputs WHERE sha256 = '{sha256}'")
    return next(iter(reader.deliverable(output_ids=ids[:1])), None) if ids else None


def _by_tags(reader: Reader, home: Home, file: Path, sha256: str) -> Mapping[str, object] | None:
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


def _by_sound(reader: Reader, home: Home, file: Path, sha256: str) -> Mapping[str, object] | None:
    """The file sounds as a take does or a piece of one, whatever became of its metadata. Other takes that are the same
    sound are named beside the surest."""
    from soundmill.commands.delivering.recognizing import recognize

    try:
        found = recognize(reader, home.outputs, file, lambda line: print(line, file=sys.stderr))
    except MissingInput:
        return None
    rows = {row["output_id"]: row for row in reader.deliverable(output_ids=[each.output_id for each in found])}
    if not found:
        return None
    first = found[0]
    return rows[first.output_id] | {
        "coherence": None if first.coherence is None else round(first.coherence, 3),
        "begins_s": round(first.begins_s, 2),
        "sounds_as": [f"{rows[each.output_id]['batch']}/{rows[each.output_id]['job']}" for each in found[1:]],
    }


FINDERS: Mapping[str, Finder] = {"content": _by_content, "tags": _by_tags, "fingerprint": _by_sound}


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
