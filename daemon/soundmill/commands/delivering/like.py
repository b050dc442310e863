"""`soundmill like`: takes that sound like this one."""

from __future__ import annotations

import sys
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.errors import InvalidControl, MissingInput, SoundmillError
from soundmill.home import Home

SHOWN = {"take": "take", "distance": "distance", "verdict": "verdict", "score": "score", "prompt": "prompt"}


def like(home: Home, target: str, most: int, *, as_json: bool) -> None:
    """Print the takes that sound most like a take, or like an audio file, nearest first.

    Raises InvalidControl with a suggestion where `target` is neither, SoundmillError where there is no audio to hear.
    """
    from soundmill.commands.delivering import recognizing

    with Reader.open(home.catalog) as reader:
        try:
            file = home.outputs / reader.find_take(target)
        except InvalidControl:
            file = Path(target)
            if not file.is_file():
                raise
        own = {str(file.relative_to(home.outputs))} if file.is_relative_to(home.outputs) else set[str]()
        try:
            found = recognizing.like(
                reader, home.outputs, file, most + len(own), lambda line: print(line, file=sys.stderr)
            )
        except MissingInput as error:
            raise SoundmillError(f"{target}: {error}") from error
        rows = {row["output_id"]: row for row in reader.deliverable(output_ids=[one for one, _ in found])}
    told = [
        {"take": f"{row['batch']}/{row['job']}", "distance": round(distance, 2)}
        | {name: row[name] for name in ("audio", "attempt", "verdict", "score", "prompt", "output_id")}
        for one, distance in found
        if (row := rows[one])["audio"] not in own
    ][:most]
    if as_json:
        show.print_json(told)
    else:
        show.table(told, SHOWN, "There is no other take.")
