"""A catalogue to be shown to others: a copy with some takes, and nothing that is the home's own business.

What goes: other takes, jobs without a take, events, workers, wishes, settings, refused files, fingerprints, errors;
notes; folders of this machine from wherever a path stands; the names of people, who become listeners by number.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundmill.catalog.connection import connect_reader, translated
from soundmill.faults import passing

# A path from the root, from somebody's home or of a drive; what is left of it is its last name.
FOLDERS = re.compile(r"(?:~|[A-Za-z]:)?[/\\](?:[^/\\\"]+[/\\])*(?=[^/\\\"]*$)")
JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
PUBLIC = """
SELECT o.id FROM outputs o JOIN jobs j ON j.id = o.job_id JOIN batches b ON b.id = o.batch_id
WHERE o.pruned_at IS NULL AND o.attempt IS j.final_attempt AND o.kept IS NOT 0 AND NOT o.quarantined
    AND NOT EXISTS (SELECT 1 FROM ratings r WHERE r.output_id = o.id AND r.rejected)
"""
PICKED = """
SELECT o.id FROM picks p JOIN shortlists s ON s.id = p.shortlist_id JOIN outputs o ON o.id = p.output_id
WHERE o.pruned_at IS NULL AND s.name = ? COLLATE NOCASE
"""
CHOSEN = """
SELECT o.id AS output_id, o.path AS path, o.sha256 AS sha256, o.format AS format, j.model <> last(j.model) AS telling,
       EXISTS (SELECT 1 FROM peaks WHERE output_id = o.id) AS drawn
FROM outputs o JOIN jobs j ON j.id = o.job_id WHERE o.id IN (SELECT id FROM chosen) ORDER BY o.id
"""
OF_OUTPUTS = ("measurements", "checks", "scores", "peaks", "ratings", "picks")
EMPTIED = (
    "events", "workers", "answers", "rejections", "fingerprints", "prunings", "moves", "selections_due",
    "label_totals", "model_totals", "asked_deliveries",
)  # fmt: skip
REDUCED = (
    *(f"DELETE FROM {table} WHERE output_id NOT IN (SELECT id FROM chosen)" for table in OF_OUTPUTS),
    "DELETE FROM comparisons WHERE first_output_id NOT IN (SELECT id FROM chosen)"
    " OR second_output_id NOT IN (SELECT id FROM chosen)",
    "DELETE FROM outputs WHERE id NOT IN (SELECT id FROM chosen)",
    "DELETE FROM attempts WHERE NOT EXISTS (SELECT 1 FROM outputs o WHERE o.job_id = attempts.job_id"
    " AND o.attempt = attempts.number)",
    "DELETE FROM jobs WHERE id NOT IN (SELECT job_id FROM outputs)",
    "DELETE FROM job_labels WHERE job_id NOT IN (SELECT id FROM jobs)",
    "DELETE FROM batches WHERE id NOT IN (SELECT batch_id FROM jobs)",
    "DELETE FROM shortlists WHERE id NOT IN (SELECT shortlist_id FROM picks)",
    *(f"DELETE FROM {table}" for table in EMPTIED),
    *(f"UPDATE {table} SET note = NULL" for table in ("ratings", "picks", "shortlists")),
    "DELETE FROM ratings WHERE stars IS NULL AND NOT rejected",
    "DELETE FROM settings WHERE key <> 'views'",
    "UPDATE attempts SET status = 'succeeded', error = NULL, error_kind = NULL",
    "UPDATE jobs SET status = 'succeeded', error = NULL, error_kind = NULL, held = 0, not_before = NULL,"
    " model = last(model), melody = last(melody), continue_from = last(continue_from), labels = inside(labels),"
    " condition = inside(condition)",
    "UPDATE attempts SET model = last(model)",
    "UPDATE job_labels SET value = last(value)",
    "UPDATE outputs SET versions = inside(versions)",
    "UPDATE batches SET experiment = inside(experiment), file_name = last(file_name), kept_as = NULL, deliver = NULL,"
    " delivered_at = NULL, reported_at = NULL, changed_at = NULL, paused = 0, modified_ns = NULL,"
    " extends = iif(extends IN (SELECT id FROM batches), extends, NULL),"
    " rest_of = iif(rest_of IN (SELECT id FROM batches), rest_of, NULL)",
    # The triggers have counted along; here is what is true now.
    "UPDATE batches SET n_queued = 0, n_running = 0, n_failed = 0, n_cancelled = 0,"
    " job_count = (SELECT count(*) FROM jobs WHERE batch_id = batches.id),"
    " n_succeeded = (SELECT count(*) FROM jobs WHERE batch_id = batches.id),"
    " n_outputs = (SELECT count(*) FROM outputs WHERE batch_id = batches.id),"
    " n_flagged = (SELECT count(*) FROM outputs WHERE batch_id = batches.id AND verdict = 'failed'),"
    " audio_s = (SELECT sum(duration_s) FROM outputs WHERE batch_id = batches.id),"
    " finished_at = coalesce(finished_at, ended_at, created_at)",
    "DELETE FROM selections_due",
    "INSERT INTO label_totals SELECT name, value, count(*) FROM job_labels GROUP BY 1, 2",
    "INSERT INTO model_totals (model, outputs, audio_s, generation_s, device_s, device_audio_s)"
    " SELECT j.model, count(*), sum(o.duration_s), sum(o.generation_s), coalesce(sum(o.device_s), 0),"
    " sum(iif(o.device_s IS NULL, 0, o.duration_s)) FROM outputs o JOIN jobs j ON j.id = o.job_id GROUP BY 1",
    "INSERT INTO jobs_fts (jobs_fts) VALUES ('rebuild')",
)
PEOPLE = (("ratings", "who"), ("picks", "who"), ("comparisons", "who"), ("shortlists", "created_by"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A take that is shown. `path` is that of its file below the home's outputs; `telling` where the file's own tags
    name a folder of this machine, as those of a model do that lies in one; `drawn` where it has peaks."""

    output_id: int
    path: str
    sha256: str
    format: str
    telling: bool
    drawn: bool


def freeze(catalog: Path, target: Path, *, batches: Collection[str], shortlists: Collection[str]) -> list[Chosen]:
    """Write the copy to `target`, with the takes that count of these batches and all of these shortlists; of every
    batch where neither is named. Raises StorageUnavailable, CatalogError."""
    passing("freeze.clear")
    target.unlink(missing_ok=True)
    with translated(catalog), closing(connect_reader(catalog)) as source:
        passing("freeze.copy")
        source.execute("VACUUM INTO ?", (str(target),))
    with translated(target), closing(sqlite3.connect(target, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.create_function("last", 1, last_name, deterministic=True)
        db.create_function("inside", 1, last_names_in, deterministic=True)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "secure_delete = OFF"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY)")
        for sql, values in _choices(batches, shortlists):
            db.execute(f"INSERT OR IGNORE INTO chosen {sql}", values)
        _keep_lists(db, shortlists)
        rows = db.execute(CHOSEN).fetchall()
        for statement in REDUCED:
            db.execute(statement)
        _rename_people(db)
    return [Chosen(**dict(row) | {name: bool(row[name]) for name in ("telling", "drawn")}) for row in rows]


def _choices(batches: Collection[str], shortlists: Collection[str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    if not batches and not shortlists:
        yield PUBLIC, ()
    for batch in batches:
        yield f"{PUBLIC} AND b.name = ?", (batch,)
    for name in shortlists:
        yield PICKED, (name,)


def _keep_lists(db: sqlite3.Connection, shortlists: Collection[str]) -> None:
    """Where lists are named, no other is shown."""
    if not shortlists:
        return
    marks = ", ".join("?" * len(shortlists))
    named = f"SELECT id FROM shortlists WHERE name COLLATE NOCASE IN ({marks})"
    db.execute(f"DELETE FROM picks WHERE shortlist_id NOT IN ({named})", tuple(shortlists))


def _rename_people(db: sqlite3.Connection) -> None:
    named = " UNION ".join(f"SELECT {column} AS who FROM {table}" for table, column in PEOPLE)
    names = [str(row["who"]) for row in db.execute(f"{named} ORDER BY 1")]
    for number, name in enumerate(names, 1):
        # A byte that no name holds keeps a person who is called as a number from being taken for another.
        for table, column in PEOPLE:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (f"\x01{number}", name))
    for table, column in PEOPLE:
        db.execute(f"UPDATE {table} SET {column} = 'listener ' || substr({column}, 2)")


def refile(
    catalog: Path, changes: Mapping[int, tuple[str, str, str, int]], drawings: Mapping[int, bytes]
) -> list[dict[str, Any]]:
    """Have the copy say where each take's file is now, by its number: path, format, SHA-256 and bytes; with what
    players draw of those that had nothing. Leaves one file that nobody has to write to. What the view takes has of
    each. Raises StorageUnavailable, CatalogError."""
    with translated(catalog), closing(sqlite3.connect(catalog, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = OFF")
        for number, (path, format_name, digest, size) in changes.items():
            db.execute(
                "UPDATE outputs SET path = ?, format = ?, sha256 = ?, size_bytes = ? WHERE id = ?",
                (path, format_name, digest, size, number),
            )
            db.execute(
                "UPDATE jobs SET format = ? WHERE id = (SELECT job_id FROM outputs WHERE id = ?)", (format_name, number)
            )
        for number, data in drawings.items():
            db.execute("INSERT OR REPLACE INTO peaks (output_id, data) VALUES (?, ?)", (number, data))
        db.execute("VACUUM")  # nothing of what was taken out is left between the pages
        return [dict(row) for row in db.execute("SELECT * FROM takes ORDER BY output_id")]


def last_name(text: str | None) -> str | None:
    """What is left of a path from the root; any other text as it is."""
    return None if text is None else FOLDERS.sub("", text) if FOLDERS.match(text) else text


def last_names_in(text: str | None) -> str | None:
    """The same of every text in a JSON text."""

    def shortened(found: re.Match[str]) -> str:
        told = json.loads(found[0])
        left = last_name(told)
        return found[0] if left == told else json.dumps(left, ensure_ascii=False)

    return None if text is None else JSON_TEXT.sub(shortened, text)
