"""`soundmill picks`: the shortlists, what is on one of them, and the rows of a batch that have no pick yet."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence

from soundmill.catalog.reader import Reader, Row
from soundmill.commands import terminal as show
from soundmill.home import Home
from soundmill.words import count, have, safe_cell

SHORTLISTS = {"shortlist": "shortlist", "picks": "picks", "note": "note", "archived_at": "archived"}
PICKS = {
    "audio": "take", "stars": "stars", "score": "score", "who": "picked by", "note": "note", "prompt": "prompt",
}  # fmt: skip
ROWS = {"name": "row", "takes": "takes", "prompt": "prompt"}


def picks(home: Home, shortlist: str | None, missing: str | None, *, as_json: bool, as_csv: bool) -> None:
    """Print the shortlists; or the picks of one; or which rows of the batch `missing` have none on it, or on any.

    Raises CatalogError where there is no catalogue yet, InvalidControl where there is no such shortlist or batch.
    """
    with Reader.open(home.catalog) as reader:
        if missing is not None:
            total, rows = reader.rows_without_pick(missing, shortlist)
            columns, empty = ROWS, f"All {count(total, 'row')} of {missing} {have(total)} a pick."
        elif shortlist is not None:
            rows, columns, empty = reader.picks(shortlist), PICKS, f"Nothing is on the shortlist {shortlist}."
        else:
            rows, columns, empty = (
                reader.shortlists(),
                SHORTLISTS,
                "No shortlist yet; begin one with: soundmill pick TAKE",
            )
    if as_csv and not as_json:
        _write_csv(rows)
        return
    if missing is not None and rows and not as_json:
        print(f"{total - len(rows):,} of {count(total, 'row')} {have(total - len(rows))} a pick; these do not:")
    show.table(rows, columns, empty, as_json=as_json)


def _write_csv(rows: Sequence[Row]) -> None:
    """Every column, with no cell that a spreadsheet would run."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    writer.writerows([safe_cell(value) for value in row.values()] for row in rows)
