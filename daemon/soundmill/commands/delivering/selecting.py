"""Which takes a delivery is made of: a batch, a shortlist, an SQL query, or takes by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from soundmill.catalog.reader import Reader, Row
from soundmill.deliver.takes import Take, choose, take_of
from soundmill.errors import InvalidControl, SoundmillError, UsageError
from soundmill.words import shortened

Found = TypeVar("Found")

QUERY = re.compile(r"\s*(select|with|values)\b", re.IGNORECASE)
LONGEST_SHOWN = 200  # characters of a query in a manifest's head


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`asked` names it as it was asked for, `chosen` says why these of a batch's takes."""

    takes: Sequence[Take]
    asked: str
    chosen: str


def select(reader: Reader, targets: Sequence[str]) -> Selection:
    """The takes that `targets` name. Raises UsageError where one means two things, SoundmillError where there are none,
    InvalidControl with a suggestion where one means nothing."""
    rows: Sequence[Mapping[str, object]]
    asked = shortened(", ".join(targets), LONGEST_SHOWN)
    if len(targets) == 1 and QUERY.match(targets[0]):
        rows, why = reader.deliverable(output_ids=reader.takes_of_query(targets[0])), "found by the query"
    elif len(targets) == 1 and (picks := _found(reader.picks, targets[0])) is not None:
        if _found(reader.batch, targets[0]) is not None:
            raise UsageError(
                f"{targets[0]}: is a batch and a shortlist; name the batch by its ulid, or rename the shortlist"
            )
        rows, why = reader.deliverable(output_ids=_ids(picks)), "picked"
    elif len(targets) == 1 and (named := _found(reader.batch, targets[0])) is not None:
        batch = str(named["batch"])
        picked = _ids([pick for pick in reader.picks() if pick["batch"] == batch])
        rows, why = choose(reader.deliverable(batch=batch), picked)
        asked = batch  # however it was named, it is the same delivery
    else:
        files = [reader.find_take(target) for target in targets]
        rows, why = reader.deliverable(output_ids=_outputs(reader, files)), "named"
    return _selection(reader, rows, asked, why)


def select_picks(reader: Reader, targets: Sequence[str]) -> Selection:
    """The takes of one shortlist, whatever else its name may mean. Raises as `select` does."""
    if len(targets) != 1:
        raise UsageError(f"{', '.join(targets)}: --list takes the name of one shortlist")
    rows = reader.deliverable(output_ids=_ids(reader.picks(targets[0])))
    return _selection(reader, rows, shortened(targets[0], LONGEST_SHOWN), "picked")


def _selection(reader: Reader, rows: Sequence[Mapping[str, object]], asked: str, why: str) -> Selection:
    if not rows:
        raise SoundmillError(f"{asked}: there is no take to deliver; soundmill jobs shows what there is")
    ulids = {str(row["batch"]): "" for row in rows}
    ulids = {name: str(reader.batch(name)["ulid"]) for name in ulids}
    lists = _lists(reader.picks())
    takes = [take_of(row, ulids[str(row["batch"])], lists.get(int(str(row["output_id"])), "")) for row in rows]
    return Selection(takes=takes, asked=asked, chosen=why)


def _found(find: Callable[[str], Found], name: str) -> Found | None:
    """What `find` finds under the name; None where there is no such thing."""
    try:
        return find(name)
    except InvalidControl:
        return None


def _ids(rows: Sequence[Row]) -> list[int]:
    return [int(str(row["output_id"])) for row in rows]


def _outputs(reader: Reader, files: Sequence[str]) -> list[int]:
    quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return reader.takes_of_query(f"SELECT path AS audio FROM outputs WHERE path IN ({quoted})")


def _lists(picks: Sequence[Row]) -> dict[int, str]:
    """By output id the shortlists that a take is on."""
    found = dict[int, list[str]]()
    for pick in picks:
        found.setdefault(int(str(pick["output_id"])), []).append(str(pick["shortlist"]))
    return {output: ", ".join(sorted(names)) for output, names in found.items()}
