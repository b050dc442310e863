"""What is read of, and done to, a catalogue in which something of everything has happened (tests/data/catalogue.sql).

tests/data/views.txt has every view whole, a line for each column and in it the rows side by side; tests/data/asked.txt
what comes of calls, as Python's prompt would show them: what the last of a case gives, and which rows it changes.
`PYTHONPATH=tests python -m catalog.test_everything` writes both anew: read what it has changed, for it is what people
will read.
"""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from soundmill import jobs
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.keeping import freezing
from soundmill.catalog.reader import Reader
from soundmill.errors import Problem, SoundmillError
from support.catalogues import put_empty
from support.outputs import make_output

DATA = Path(__file__).parents[1] / "data"
VIEWS, ASKED = DATA / "views.txt", DATA / "asked.txt"
MODULES = (
    "asking.answers asking.comparisons asking.deliveries asking.ratings asking.shortlists claims experiments ingest"
    " keeping.freezing keeping.retention keeping.snapshot migrations outputs reports rows scores selection state wishes"
)
NAMES = {each.rpartition(".")[2]: import_module(f"soundmill.catalog.{each}") for each in MODULES.split()} | {
    "jobs": jobs, "make_output": make_output, "Problem": Problem, "Path": Path, "json": json,
    "good": jobs.Judgement(checks=(), verdict=jobs.Verdict.PASSED, score=77.5, ruleset="r9"),
    "bad": jobs.Judgement(
        checks=(
            jobs.Check(name="hum", passed=False, value=float("nan"), threshold=2.0, unit="s", message="hums"),
            jobs.Check(name="pops", passed=True, value=1.5, threshold=3.0, unit="pops", message="fine"),
            jobs.Check(name="buzz", passed=False, value=9.0, threshold=float("inf"), unit="s", message="buzzes"),
        ),
        verdict=jobs.Verdict.FAILED, score=33.0, ruleset="r9",
    ),
}  # fmt: skip
LONG = 100  # characters: a list of more stands line by line
SHADOWS = re.compile(r"jobs_fts|sqlite_|_sqlite_")  # what others keep for themselves
PLAIN = re.compile(r"(?=.*[^\W\d])[^|'\"\n\[{]+")  # text that cannot be taken for anything else


@cache
def filled() -> bytes:
    with tempfile.TemporaryDirectory() as folder, closing(connect_writer(put_empty(Path(folder, "it.db")))) as db:
        db.executescript((DATA / "catalogue.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = DELETE")
        return bytes(db.serialize())


def opened() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.deserialize(filled())
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    return db


@cache
def parts(file: Path) -> dict[str, str]:
    """What stands below each line that begins with #."""
    _, *found = re.split(r"^# (.*)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(set(found[::2])) == len(found[::2]), "two of one name"
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("view", parts(VIEWS))
def test_a_view_shows_all_that_is_there(view: str) -> None:
    with closing(opened()) as db:
        assert shown(db, view) == parts(VIEWS)[view]


def test_every_view_is_compared_whole() -> None:
    with closing(opened()) as db:
        assert list(parts(VIEWS)) == views(db)


@pytest.mark.parametrize("case", parts(ASKED))
def test_what_is_asked_comes_to_what_it_should(case: str) -> None:
    text = parts(ASKED)[case]
    assert played(text) == text


@pytest.mark.parametrize("view", parts(VIEWS))
def test_nothing_is_seen_of_an_empty_catalogue(mill: Any, view: str) -> None:
    """But totals of nought."""
    rows = mill.rows(f"SELECT * FROM {view}")
    assert bool(rows) == (view in {"overview", "row_totals", "upkeep"})
    assert {value for row in rows for name, value in row.items() if name != "view"} <= {0}


def lean(value: Any) -> Any:
    """Without what is unknown."""
    if isinstance(value, dict):
        return {name: lean(each) for name, each in value.items() if each is not None}
    return [lean(each) for each in value] if isinstance(value, list) else value


def views(db: sqlite3.Connection) -> list[str]:
    return [row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name")]


def shown(db: sqlite3.Connection, view: str) -> str:
    cursor = db.execute(f"SELECT * FROM {view}")
    found = [tuple(map(told, row)) for row in cursor]
    if view != "queue":  # the only one that has an order of its own
        found.sort()
    return (
        "".join(
            f"{column[0]:<16} {' | '.join(values)}\n"
            for column, values in zip(cursor.description, zip(*found, strict=True), strict=True)
        )
        + "\n"
    )


def told(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else repr(value)


def played(text: str) -> str:
    """The lines of a case that begin with >>>, and what comes of the last of them."""
    lines = [line.removeprefix(">>> ") for line in text.splitlines() if line.startswith(">>> ")]
    with tempfile.TemporaryDirectory() as folder, closing(opened()) as db:

        def saved() -> Path:
            path = Path(folder, "catalog.db")
            path.write_bytes(db.serialize())
            return path

        def frozen(**chosen: Any) -> list[object]:
            """What freezing gives, and in what the copy differs."""
            shown = freezing.freeze(saved(), Path(folder, "copy.db"), **{"batches": (), "shortlists": ()} | chosen)
            return [*shown, *copied()]

        def copied() -> list[str]:
            with closing(sqlite3.connect(Path(folder, "copy.db"))) as copy:
                copy.row_factory = sqlite3.Row
                return list(changes(content(db), content(copy)))

        reader = Reader(db, Path("catalog.db"))
        known: dict[str, Any] = {
            **NAMES, "lean": lean, "db": db, "now": 9000.0, "reader": reader, "saved": saved, "frozen": frozen,
            "copied": copied, "folder": Path(folder),
        }  # fmt: skip
        for line in lines[:-1]:
            exec(line, known)
        before = content(db)
        try:
            given = eval(lines[-1], known)
        except SoundmillError as error:
            given = error
        after = content(db)
    found = [*answer(given), *changes(before, after)]
    return "".join(f">>> {line}\n" for line in lines) + "".join(f"{line}\n" for line in found).replace(f"{folder}/", "")


def answer(given: object) -> Iterator[str]:
    if isinstance(given, SoundmillError):
        yield f"{type(given).__name__}: {given}"
    elif isinstance(given, list | tuple) and len(repr(given)) > LONG:
        yield from (each if isinstance(each, str) else repr(each) for each in given)
    elif given is not None:
        yield repr(given)


Content = dict[str, dict[str, dict[str, Any]]]  # by table and key


def content(db: sqlite3.Connection) -> Content:
    found: Content = {}
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        if SHADOWS.match(table):
            continue
        columns = db.execute(f"PRAGMA table_info({table})").fetchall()
        key = [column["name"] for column in columns if column["pk"]]
        found[table] = {
            "/".join(str(row[name]) for name in key): dict(row) for row in db.execute(f"SELECT * FROM {table}")
        }
    return found


def changes(before: Content, after: Content) -> Iterator[str]:
    for table, rows_after in after.items():
        rows_before = before[table]
        if gone := [key for key in rows_before if key not in rows_after]:
            yield f"- {table} {', '.join(gone)}"
        for key, new in rows_after.items():
            old = rows_before.get(key)
            if old is None:
                yield f"+ {table} {key}: {', '.join(f'{n} {told(v)}' for n, v in new.items() if v is not None)}"
            elif different := [f"{n} {told(old.get(n))} -> {told(new[n])}" for n in new if old.get(n) != new[n]]:
                yield f"~ {table} {key}: {', '.join(different)}"


if __name__ == "__main__":
    with closing(opened()) as found:
        VIEWS.write_text("".join(f"# {view}\n{shown(found, view)}" for view in views(found)), encoding="utf-8")
    ASKED.write_text("".join(f"# {name}\n{played(text)}" for name, text in parts(ASKED).items()), encoding="utf-8")
