"""Which takes an address puts side by side: `?takes=NUMBER,NUMBER…`, `?files=batch/a.wav&files=…`, `?batch=NAME&row=N`,
`?batch=NAME` or `?list=SHORTLIST`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from soundmill.publish.reads import Row, ask
from soundmill.publish.review import questions
from soundmill.words import composed

MOST_TAKES = 60  # of a listening test; a page puts as many side by side as have keys
FARTHEST_DB = 20.0  # a take quieter than this below the middle one sets no measure for the others
OF_BATCH = """
SELECT output_id FROM takes WHERE batch = :batch AND is_final AND (:row IS NULL OR position = :row)
ORDER BY position, job_id LIMIT :most
"""


async def chosen(database: Any, args: Any) -> tuple[str, list[Row]]:
    """What the takes are called together, and the takes as the review shows them, MOST_TAKES at most."""
    if args.get("takes"):
        given = [int(each) for each in args.get("takes").split(",") if each.isascii() and each.isdigit()]
        title, ids = "these takes", [each for each in given if each < 2**63]
    elif args.get("files"):
        title, ids = (
            "these takes",
            [*await questions.of_files(database, [composed(each) for each in args.getlist("files")])],
        )
    elif args.get("list"):
        title, ids = args.get("list"), [*await questions.of_shortlist(database, args.get("list"))]
    else:
        batch, row = composed(args.get("batch") or ""), args.get("row") or ""
        number = int(row) if row.isascii() and row.isdigit() and len(row) < 19 else None
        title = batch if number is None else f"{batch}, row {number}"
        values = {"batch": batch, "row": number, "most": MOST_TAKES}
        ids = [int(one["output_id"]) for one in await ask(database, OF_BATCH, values)]
    return title, await questions.details(database, list(dict.fromkeys(ids))[:MOST_TAKES], "")


def gains_db(loudness_lufs: Sequence[float | None]) -> list[float]:
    """By how much each take is turned down, at most nought, so that all are as loud as the quietest.

    Nothing is turned up, which could clip. A take without a measured loudness, or FARTHEST_DB below the middle one, is
    left as it is and sets no measure.
    """
    known = [each for each in loudness_lufs if each is not None]
    if not known:
        return [0.0] * len(loudness_lufs)
    floor = statistics.median(known) - FARTHEST_DB
    quietest = min(each for each in known if each >= floor)
    return [0.0 if each is None else min(0.0, quietest - each) for each in loudness_lufs]
