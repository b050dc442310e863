"""What is known of an output: its row, measurements, checks and scores; and judging it anew."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import cast

from soundmill.catalog.reports import changed
from soundmill.catalog.rows import finite, to_json
from soundmill.errors import InvalidControl
from soundmill.jobs import Attempt, Judge, Judgement, Output, QualityKind, Verdict

SCORER = "soundmill"


def add_output(
    db: sqlite3.Connection,
    now: float,
    attempt: Attempt,
    output: Output,
    judgement: Judgement,
) -> None:
    """Insert the output of an attempt with all that was measured and judged."""
    clip = output.clip
    cursor = db.execute(
        "INSERT INTO outputs (job_id, batch_id, attempt, path, format, sample_rate, channels, duration_s, size_bytes,"
        " sha256, generation_s, device_s, row_steps, normalization, normalization_target, fade_s, licence, versions,"
        " defects, verdict, score, ruleset, quarantined, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            attempt.job.id,
            attempt.job.batch_id,
            attempt.number,
            output.path,
            clip.format.value,
            clip.sample_rate,
            clip.channels,
            finite(clip.duration_s) or 0.0,
            output.size_bytes,
            output.sha256,
            finite(clip.generation_s) or 0.0,
            finite(clip.device_s),
            clip.row_steps,
            output.normalization.value,
            output.normalization_target,
            output.fade_s,
            clip.licence,
            to_json(clip.versions),
            to_json(clip.defects),
            judgement.verdict.value,
            finite(judgement.score),
            judgement.ruleset,
            int(output.quarantined),
            now,
        ),
    )
    output_id = cast("int", cursor.lastrowid)
    if clip.peaks:
        db.execute("INSERT INTO peaks (output_id, data) VALUES (?, ?)", (output_id, clip.peaks))
    if clip.fingerprint:
        db.execute("INSERT INTO fingerprints (output_id, data) VALUES (?, ?)", (output_id, clip.fingerprint))
    _write_measurements(db, output_id, clip.measurements)
    _write_judgement(db, now, output_id, judgement)


def add_fingerprint(db: sqlite3.Connection, path: str, data: bytes) -> None:
    """By what a take from before there were fingerprints is known; one that has one keeps it. Raises InvalidControl."""
    row = db.execute("SELECT id FROM outputs WHERE path = ?", (path,)).fetchone()
    if row is None:
        raise InvalidControl(f"{path}: there is no such take")
    db.execute("INSERT OR IGNORE INTO fingerprints (output_id, data) VALUES (?, ?)", (row[0], data))


def _write_measurements(db: sqlite3.Connection, output_id: int, measurements: Mapping[str, float | None]) -> None:
    """What has no column yet gets one: a quality check that is new needs no migration."""
    names = "".join(f", {_quoted(name)}" for name in measurements)
    insert = f"INSERT INTO measurements (output_id{names}) VALUES (?{', ?' * len(measurements)})"
    values = (output_id, *map(finite, measurements.values()))
    try:
        db.execute(insert, values)
    except sqlite3.OperationalError:
        lacking = sorted(measurements.keys() - set(_measured(db)))
        if not lacking:
            raise
        for name in lacking:
            db.execute(f"ALTER TABLE measurements ADD COLUMN {_quoted(name)} REAL")
        db.execute(insert, values)


def _measured(db: sqlite3.Connection) -> list[str]:
    """The names of all that was ever measured: the table's own columns."""
    return [row["name"] for row in db.execute("PRAGMA table_info(measurements)") if row["name"] != "output_id"]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _write_judgement(db: sqlite3.Connection, now: float, output_id: int, judgement: Judgement) -> None:
    db.executemany(
        "INSERT INTO checks (output_id, name, passed, value, threshold, unit, message) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (output_id, c.name, int(c.passed), finite(c.value), finite(c.threshold), c.unit, c.message)
            for c in judgement.checks
        ),
    )
    db.execute(
        "INSERT INTO scores (output_id, scorer, score, scored_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (output_id, scorer) DO UPDATE SET score = excluded.score, scored_at = excluded.scored_at",
        (output_id, SCORER, finite(judgement.score), now),
    )


def batches_of(db: sqlite3.Connection, output_ids: Iterable[int]) -> set[int]:
    """The batches that these outputs are takes of."""
    found = (db.execute("SELECT batch_id FROM outputs WHERE id = ?", (one,)).fetchone() for one in output_ids)
    return {int(row["batch_id"]) for row in found}


def rejudge(
    db: sqlite3.Connection,
    now: float,
    judge: Judge,
    rulesets: Collection[str],
    limit: int,
) -> int:
    """Judge up to `limit` outputs again that were judged by none of `rulesets`, those that `judge` goes by; how many.

    From the measurements on record: no audio is touched, and no job runs again.
    """
    known = sorted(set(rulesets))
    # The ranges between the names, because an index answers < and > but not NOT IN.
    between = ["ruleset < ?", *["ruleset > ? AND ruleset < ?"] * (len(known) - 1), "ruleset > ?"]
    bounds = [known[0], *(name for pair in pairwise(known) for name in pair), known[-1]]
    rows = db.execute(
        "SELECT o.id, o.batch_id, o.verdict, o.defects, o.attempt IS j.final_attempt AS is_final, j.model, j.quality,"
        " m.*"
        f" FROM ({' UNION ALL '.join(f'SELECT id FROM outputs WHERE {each}' for each in between)} LIMIT ?) old"
        " JOIN outputs o ON o.id = old.id JOIN jobs j ON j.id = o.job_id JOIN measurements m ON m.output_id = o.id",
        (*bounds, limit),
    ).fetchall()
    names = _measured(db)
    for row in rows:
        kind = None if row["quality"] is None else QualityKind(row["quality"])
        measurements = {name: row[name] for name in names}
        judgement = judge(row["model"], kind, measurements, json.loads(row["defects"]))
        db.execute(
            "UPDATE outputs SET verdict = ?, score = ?, ruleset = ? WHERE id = ?",
            (judgement.verdict.value, finite(judgement.score), judgement.ruleset, row["id"]),
        )
        db.execute("DELETE FROM checks WHERE output_id = ?", (row["id"],))
        _write_judgement(db, now, row["id"], judgement)
        change = (judgement.verdict is Verdict.FAILED) - (row["verdict"] == Verdict.FAILED.value)
        if row["is_final"] and change:
            db.execute("UPDATE batches SET n_flagged = n_flagged + ? WHERE id = ?", (change, row["batch_id"]))
    changed(db, now, {row["batch_id"] for row in rows})
    return len(rows)
