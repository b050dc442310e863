"""What the review asks the catalogue: which takes stand in a line, page by page, and what is shown of each.

A line of takes is a batch, a shortlist, a search, the rows of a query or files that are named. Pages go on from a take,
never from a number of rows, so that the thousandth page costs what the first does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundmill.publish.reads import FILED, WHOLE, Ask, Row, ask, visit

MOST_COUNTED = 10_000
MOST_GIVEN = 2_000  # takes of a shortlist, a query or a list of files
# Each by its keys, all in one direction, the last of them unique; "file" wants a batch, "given" a line of ids.
ORDERS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "given": ("as given", ("place",), "ASC"),
    "file": ("as in the file", ("position", "job_id"), "ASC"),
    "best": ("best score first", (WHOLE, "output_id"), "DESC"),
    "worst": ("worst score first", (WHOLE, "output_id"), "ASC"),
    "new": ("newest first", ("output_id",), "DESC"),
}
MOST_FOUND = 20_000  # jobs that a search of the whole catalogue finds, the newest of them
WORDS = """
job_id IN (SELECT rowid FROM jobs_fts WHERE jobs_fts MATCH coalesce(nullif(escape_fts(:words), ''), '""')
           ORDER BY rowid DESC LIMIT :most_found)
"""
SAID = (
    "NOT EXISTS (SELECT 1 FROM ratings_list r"
    " WHERE r.output_id = takes.output_id AND (r.who = :who OR :who = '') AND {what})"
)
DETAILS = """
SELECT output_id, audio, batch, job, job_id, position, prompt, model, duration, temperature, top_k, top_p,
       cfg_coef, loop, bpm, tempo_bpm, key, loop_seam, seed, attempt, verdict, score, stars, rejected,
       loudness_lufs, duration_s, format, sample_rate, channels, labels, condition, replicate, kept,
       quarantined, is_final, licence, failed_checks, defects, sha256,
       EXISTS (SELECT 1 FROM take_peaks WHERE take_peaks.output_id = takes.output_id) AS drawn
FROM takes WHERE output_id IN (SELECT value FROM json_each(:ids))
"""
MESSAGES = "SELECT output_id, message FROM failed_checks WHERE output_id IN (SELECT value FROM json_each(:ids))"
MINE = """
SELECT output_id, stars, rejected, note FROM ratings_list
WHERE who = :who AND output_id IN (SELECT value FROM json_each(:ids))
"""
PICKS = """
SELECT output_id, shortlist FROM picks_list
WHERE archived_at IS NULL AND output_id IN (SELECT value FROM json_each(:ids))
"""
DATA = ("labels", "condition", "defects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Which takes, and in which order. `ids` are those that were given, None where the catalogue is searched; `unrated`
    and `unrejected` go by the ratings of `who`, or of all people for "", whom nobody knows."""

    batch: str = ""
    words: str = ""
    ids: tuple[int, ...] | None = None
    who: str = ""
    verdict: str = ""
    filed: str = ""
    unrated: bool = False
    unrejected: bool = False
    label: tuple[str, str] | None = None
    order: str = "new"

    @property
    def source(self) -> tuple[str, list[str], dict[str, Any]]:
        """What stands after FROM, the conditions, and their parameters."""
        tables, where, values = "takes", list[str](), dict[str, Any]()
        if self.ids is not None:
            tables = "json_each(:given) g CROSS JOIN takes ON output_id = g.value"
            values["given"] = json.dumps(self.ids)
        else:
            where.append("is_final")
        if self.batch:
            where.append("batch = :batch")
            values["batch"] = self.batch
        if self.words:
            where.append(WORDS)
            values["words"] = self.words
            values["most_found"] = -1 if self.batch or self.ids is not None else MOST_FOUND
        if self.verdict:
            where.append("verdict = :verdict")
            values["verdict"] = self.verdict
        if self.filed:
            where.append(FILED[self.filed])
        if self.unrated:
            where.append(SAID.format(what="(r.stars IS NOT NULL OR r.rejected)"))
        if self.unrejected:
            where.append(SAID.format(what="r.rejected"))
        if self.label:
            where.append("job_id IN (SELECT job_id FROM labelled_jobs WHERE name = :label AND value = :level)")
            values["label"], values["level"] = self.label
        if self.unrated or self.unrejected:
            values["who"] = self.who
        return tables, where, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Takes that follow each other in a line, and whether more come in the direction that was asked for."""

    takes: list[Row]
    more: bool


async def page(
    database: Any, line: Line, *, limit: int, after: int | None = None, before: int | None = None, at: int | None = None
) -> Page:
    """Up to `limit` takes after or before the take of that number, or from it on; without any, the line's first ones.

    A number that the catalogue does not know, or that was not given, begins at the start.
    """
    return await visit(database, lambda ask: _page(ask, line, limit, after, before, at))


def _page(ask: Ask, line: Line, limit: int, after: int | None, before: int | None, at: int | None) -> Page:
    keys = [_key(key) for key in ORDERS[line.order][1]]
    downwards = ORDERS[line.order][2] == "DESC"
    mark = next((number for number in (after, before, at) if number is not None), None)
    bounds = None if mark is None else _keys_of(ask, line, mark)
    tables, where, values = line.source
    backwards = before is not None and bounds is not None
    if bounds is not None:
        sign = "<" if downwards is not backwards else ">"
        where.append(f"({', '.join(keys)}) {sign}{'=' if at is not None else ''} ({_marks(bounds)})")
        values |= _named(bounds)
    direction = "DESC" if downwards is not backwards else "ASC"
    rows = ask(
        f"SELECT output_id FROM {tables}{_all(where)} ORDER BY {', '.join(f'{key} {direction}' for key in keys)}"
        " LIMIT :limit",
        values | {"limit": limit + 1},
    )
    ids = [int(row["output_id"]) for row in rows[:limit]]
    if backwards:
        ids.reverse()
    return Page(takes=_details(ask, ids, line.who), more=len(rows) > limit)


async def place(database: Any, line: Line, at: int | None) -> int:
    """How many takes of the line stand before that one; 0 for one that is not known. At most MOST_COUNTED."""
    return 0 if at is None else await visit(database, lambda ask: _place(ask, line, at))


def _place(ask: Ask, line: Line, at: int) -> int:
    bounds = _keys_of(ask, line, at)
    if bounds is None:
        return 0
    tables, where, values = line.source
    keys = [_key(key) for key in ORDERS[line.order][1]]
    sign = ">" if ORDERS[line.order][2] == "DESC" else "<"
    where.append(f"({', '.join(keys)}) {sign} ({_marks(bounds)})")
    return _count(ask, f"SELECT 1 FROM {tables}{_all(where)}", values | _named(bounds))


async def total(database: Any, line: Line) -> int:
    """How many takes stand in the line, counted up to one more than MOST_COUNTED."""
    tables, where, values = line.source
    return await visit(database, lambda ask: _count(ask, f"SELECT 1 FROM {tables}{_all(where)}", values))


def _count(ask: Ask, sql: str, values: Mapping[str, Any]) -> int:
    (row,) = ask(f"SELECT count(*) AS n FROM ({sql} LIMIT {MOST_COUNTED + 1})", values)
    return int(row["n"])


def _keys_of(ask: Ask, line: Line, number: int) -> list[Any] | None:
    """Where in the line a take stands or, if it is filtered out by now, would stand."""
    keys = [_key(key) for key in ORDERS[line.order][1]]
    bare = Line(ids=line.ids, order=line.order)
    tables, _, values = bare.source
    rows = ask(
        f"SELECT {', '.join(f'{key} AS k{n}' for n, key in enumerate(keys))} FROM {tables} WHERE output_id = :number"
        " LIMIT 1",
        values | {"number": number},
    )
    return [rows[0][f"k{n}"] for n in range(len(keys))] if rows else None


def _key(key: str) -> str:
    return "g.key" if key == "place" else key


def _marks(bounds: Sequence[Any]) -> str:
    return ", ".join(f":k{n}" for n in range(len(bounds)))


def _named(bounds: Sequence[Any]) -> dict[str, Any]:
    return {f"k{n}": value for n, value in enumerate(bounds)}


def _all(where: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(where)}" if where else ""


async def details(database: Any, ids: Sequence[int], who: str) -> list[Row]:
    """What is shown of these takes, in this order, with the sentences of their failed checks and what `who` said of
    them; unknown ones are left out. Labels, condition, defects and picks are data, not text."""
    return await visit(database, lambda ask: _details(ask, ids, who))


def _details(ask: Ask, ids: Sequence[int], who: str) -> list[Row]:
    given = {"ids": json.dumps(list(ids))}
    found = {row["output_id"]: row for row in ask(DETAILS, given)}
    for row in found.values():
        row |= {name: json.loads(str(row[name])) for name in DATA} | {"problems": [], "mine": {}, "picks": []}
    for said in ask(MESSAGES, given):
        found[said["output_id"]]["problems"].append(said["message"])
    for mine in ask(MINE, given | {"who": who}):
        found[mine["output_id"]]["mine"] = {key: mine[key] for key in ("stars", "rejected", "note")}
    for pick in ask(PICKS, given):
        found[pick["output_id"]]["picks"].append(pick["shortlist"])
    return [found[number] for number in ids if number in found]


async def peaks(database: Any, number: int) -> bytes | None:
    """What audio/peaks.py packed of a take; None for one from before there were any."""
    rows = await ask(database, "SELECT data FROM take_peaks WHERE output_id = :number", {"number": number})
    return bytes(rows[0]["data"]) if rows else None


async def of_files(database: Any, files: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the takes in these files, in their order; what is none is left out."""
    rows = await ask(
        database,
        "SELECT output_id FROM json_each(:files) f CROSS JOIN takes ON audio = f.value ORDER BY f.key",
        {"files": json.dumps(list(files)[:MOST_GIVEN])},
    )
    return tuple(int(row["output_id"]) for row in rows)


async def of_jobs(database: Any, jobs: Sequence[int]) -> tuple[int, ...]:
    """The numbers of these jobs' final takes, in their order."""
    rows = await ask(
        database,
        "SELECT output_id FROM json_each(:jobs) f CROSS JOIN takes ON job_id = f.value WHERE is_final ORDER BY f.key",
        {"jobs": json.dumps(list(jobs)[:MOST_GIVEN])},
    )
    return tuple(int(row["output_id"]) for row in rows)


async def of_shortlist(database: Any, name: str) -> tuple[int, ...]:
    """The takes that were picked into a shortlist, in the order of picking."""
    rows = await ask(
        database,
        "SELECT output_id FROM picks_list WHERE shortlist = :name ORDER BY picked_at, output_id LIMIT :most",
        {"name": name, "most": MOST_GIVEN},
    )
    return tuple(int(row["output_id"]) for row in rows)
