"""The page of a batch as a grid."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from datasette.database import QueryInterrupted
from datasette.utils.asgi import Response

from soundmill.publish import pages, reads
from soundmill.publish.desk import common
from soundmill.publish.grid import axes
from soundmill.publish.reads import Ask, Row
from soundmill.publish.served import served_by, visible_catalog
from soundmill.words import composed

MOST_TAKES = 1500  # so that the page stays under 300 kB
FIXED = "only."  # what begins the name of a filter in an address
FAMILY = "SELECT family FROM experiment_family WHERE batch = :batch"
MEMBERS = "SELECT batch FROM experiment_family WHERE family = :family LIMIT 200"
TAKES = """
SELECT audio, batch, job, position, condition, labels, replicate, seed, verdict, score, stars, output_id
FROM takes WHERE batch IN (SELECT value FROM json_each(:batches)) AND is_final AND pruned_at IS NULL
ORDER BY output_id LIMIT :limit
"""


async def grid_page(datasette: Any, request: Any) -> Response:
    """`?across=FACTOR&down=FACTOR&only.FACTOR=LEVEL`."""
    database = await visible_catalog(datasette, request)
    source = datasette.databases[database]
    name = composed(urllib.parse.unquote(request.url_vars["batch"]))
    batch, rows, slow = await reads.visit(source, lambda ask: _read(ask, name))
    if batch is None:
        return await pages.not_there(datasette, request, "No such batch", f"There is no batch named {name}")
    problem = "This batch is too large to be laid out in the time a page may take." if slow else None
    known = axes.factors(rows)
    by_name = {each.name: each for each in known}
    args = request.args
    across, down = _chosen(known, args.get("across"), args.get("down"))
    fixed = {
        name: level
        for each in args
        if each.startswith(FIXED) and (level := args.get(each))
        for name in [each.removeprefix(FIXED)]
        if name in by_name and level in by_name[name].levels and by_name[name] not in (across, down)
    }
    if not known and problem is None:
        problem = "Nothing can stand on the axes: no factor and no column of its takes has two values."
    found = axes.cells(rows, across, down, fixed, known) if across else {}
    context = {
        **common.frame(datasette, database, "grid"),
        "grid_style": datasette.urls.path(
            f"/-/soundmill/static/grid.css?{served_by(datasette).assets['grid.css'].digest}"
        ),
        "batch": batch,
        "problem": problem,
        "factors": known,
        "across": across,
        "down": down,
        "others": [each for each in known if each not in (across, down)],
        "fixed": fixed,
        "prefix": FIXED,
        "columns": _shown(across),
        "lines": _shown(down) if down else [""],
        "left_out": max([len(each.levels) - axes.MOST_LEVELS for each in (across, down) if each], default=0) > 0,
        "cells": found,
        "cut": len(rows) >= MOST_TAKES,
        "most": MOST_TAKES,
        "told": {"batch": batch["batch"]},
        "sql": SHOWN.format(common.quoted(str(batch["batch"]))),
    }
    if request.args.get("live") == "1":
        return await common.parts(datasette, context, {"grid": "soundmill_grid_table"})
    return await pages.page(datasette, request, "soundmill_grid", context)


SHOWN = "SELECT condition, labels, avg(score), count(*), batch FROM takes WHERE batch = {} AND is_final GROUP BY 1, 2"


def _read(ask: Ask, name: str) -> tuple[Row | None, list[Row], bool]:
    """A batch, its takes, and whether finding these took too long."""
    batch = reads.batch(ask, name)
    if batch is None:
        return None, [], False
    try:
        return batch, _takes(ask, str(batch["batch"])), False
    except QueryInterrupted:
        return batch, [], True


def _takes(ask: Ask, batch: str) -> list[Row]:
    """The takes that count, of a batch and of those that its experiment is spread over, with their settings."""
    family = ask(FAMILY, {"batch": batch})[0]["family"]
    members = [row["batch"] for row in ask(MEMBERS, {"family": family})]
    rows = ask(TAKES, {"batches": json.dumps(members or [batch]), "limit": MOST_TAKES})
    rows.sort(key=lambda row: row["position"])  # whichever was made first: factors stand as in the file
    conditions = [json.loads(row["condition"] or "{}") for row in rows]
    is_experiment = any(conditions)
    for row, condition in zip(rows, conditions, strict=True):
        row["settings"] = _as_text(condition if is_experiment else json.loads(row["labels"] or "{}"))
    return rows if is_experiment else _of_few_values(rows)


def _as_text(settings: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}


def _of_few_values(rows: Sequence[Row]) -> list[Row]:
    """The rows without those columns of the file in which nearly each has a value of its own."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row["settings"].items():
            values.setdefault(name, set()).add(value)
    few = {name for name, found in values.items() if 2 * len(found) <= len(rows) and len(found) <= axes.MOST_LEVELS}
    return [
        row | {"settings": {name: row["settings"][name] for name in row["settings"] if name in few}} for row in rows
    ]


def _chosen(
    known: Sequence[axes.Factor], across: str | None, down: str | None
) -> tuple[axes.Factor | None, axes.Factor | None]:
    """The factors on the axes: those that are asked for, else the first two; `down` may be empty on purpose."""
    by_name = {each.name: each for each in known}
    x = by_name.get(across or "") or next((each for each in known if each.name != down), None)
    y = by_name.get(down or "")
    if down is None or y is x:
        y = next((each for each in known if each is not x), None) if down != "" else None
    return x, y


def _shown(factor: axes.Factor | None) -> Sequence[str]:
    return factor.levels[: axes.MOST_LEVELS] if factor else []
