"""The catalogue's shape, as numbered steps that never change once released.

A released step is frozen, with its script in steps/: a later change of the schema is a new step at the end.
sqlite-utils keeps the record of what has been applied (its table `_sqlite_migrations`); each step and
its record are one transaction. Views carry no data, so they are not steps: `views.sql` is applied
whenever its content changes.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from soundmill.catalog.connection import transaction
from soundmill.errors import CatalogTooNew
from soundmill.faults import passing

if TYPE_CHECKING:
    from sqlite_utils import Database

SET = "soundmill"


def _run(db: Database, script: str) -> None:
    for statement in statements(_sql(f"steps/{script}")):
        db.execute(statement)


def _sql(name: str) -> str:
    return resources.files("soundmill.catalog").joinpath(name).read_text(encoding="utf-8")


def m0001_initial(db: Database) -> None:
    _run(db, "0001_initial.sql")
    db.table("jobs").enable_fts(["prompt", "labels"], tokenize="unicode61 remove_diacritics 2")


def m0002_judgement(db: Database) -> None:
    """Thresholds by kind, best-of-n, experiments that go on."""
    db.execute("ALTER TABLE jobs ADD COLUMN quality TEXT")
    db.execute("ALTER TABLE jobs ADD COLUMN keep_best INTEGER")
    db.execute("ALTER TABLE batches ADD COLUMN extends INTEGER REFERENCES batches")
    db.execute("CREATE INDEX batches_extends ON batches (extends) WHERE extends IS NOT NULL")
    db.execute("ALTER TABLE outputs ADD COLUMN kept INTEGER")  # NULL: not chosen among; 0: set aside


def m0003_selection(db: Database) -> None:
    """Best-of-n: which groups are to be chosen among, which takes are to be moved, which take of a job counts."""
    _run(db, "0003_selection.sql")


DEFECT_MEASUREMENTS = """
    silence_head_s silence_tail_s silence_inside_s dropout_s
    flat_share flat_share_before true_peak_dbtp loudness_range_lu
    loudness_momentary_max_lufs loudness_short_term_max_lufs loop_share loop_period_s
    stuck_tone_s stuck_tone_hz noise_s clicks
    level_step_db channel_difference_db stereo_correlation
"""


def m0004_measurements(db: Database) -> None:
    """Pauses, flat tops, loops, tones, noise, clicks, steps, stereo, and what a loudness meter says beside loudness."""
    for name in DEFECT_MEASUREMENTS.split():
        db.execute(f"ALTER TABLE measurements ADD COLUMN {name} REAL")


def m0005_reports(db: Database) -> None:
    """A report is owed again when a rating, a score, a verdict or a choice came after it."""
    _run(db, "0005_reports.sql")


def m0006_device_time(db: Database) -> None:
    """What a take cost of its device's time, which its own time from start to end is not: others ran beside it."""
    _run(db, "0006_device_time.sql")


def m0007_files(db: Database) -> None:
    """Which columns of a file became labels, and what is needed to see that the file grew after it was accepted."""
    _run(db, "0007_files.sql")


def m0008_wishes(db: Database) -> None:
    """A rating for each person, shortlists, comparisons, what became of each wish, batches out of the way."""
    _run(db, "0008_wishes.sql")


def m0009_peaks(db: Database) -> None:
    """What players draw of a take before they have its audio, and a batch's takes in the order of their scores."""
    _run(db, "0009_peaks.sql")


def m0010_keeping(db: Database) -> None:
    """Takes whose file was pruned, the fade of a take, and accepted files found by name, whatever their month."""
    _run(db, "0010_keeping.sql")


def m0011_deliveries(db: Database) -> None:
    """What a job file wants of its takes when the batch ends, and of which end they were delivered."""
    db.execute("ALTER TABLE batches ADD COLUMN deliver TEXT")
    db.execute("ALTER TABLE batches ADD COLUMN delivered_at REAL")
    db.execute("CREATE INDEX batches_to_deliver ON batches (id) WHERE deliver IS NOT NULL")


def m0012_references(db: Database) -> None:
    """The column that each reference is to, which Datasette asks for. No row changes: what SQLite holds of a table is
    the text that made it (https://www.sqlite.org/pragma.html#pragma_writable_schema)."""
    tables = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL").fetchall()
    named = [(BARE_REFERENCE.sub(r"\1 (id)", sql), name) for name, sql in tables if BARE_REFERENCE.search(sql)]
    version = db.execute("PRAGMA schema_version").fetchone()[0]
    db.execute("PRAGMA writable_schema = ON")
    try:
        for sql, name in named:
            db.execute("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (sql, name))
        db.execute(f"PRAGMA schema_version = {version + 1}")  # other connections read the schema again, and so do we
    finally:
        db.execute("PRAGMA writable_schema = RESET")


BARE_REFERENCE = re.compile(r"(\bREFERENCES (?:batches|jobs|outputs)\b)(?! ?\()")


def m0013_comparisons(db: Database) -> None:
    """What was expected of an answer that was asked for only to see whether somebody listens."""
    _run(db, "0013_comparisons.sql")


def m0014_fingerprints(db: Database) -> None:
    """By which a file that was made from a take leads back to it."""
    _run(db, "0014_fingerprints.sql")


def m0015_goodness(db: Database) -> None:
    """What goodness may be read from where nobody has listened. A column is there already where a plugin's check has
    brought one of its name."""
    there = {row[1] for row in db.execute("PRAGMA table_info(measurements)")}
    for statement in statements(_sql("steps/0015_goodness.sql")):
        if "ADD COLUMN" not in statement or statement.split("ADD COLUMN ")[1].split()[0] not in there:
            db.execute(statement)


def m0016_loops(db: Database) -> None:
    """Loops, tempo and key: what was asked of a job, what was heard of a take."""
    _run(db, "0016_loops.sql")


def m0017_counts(db: Database) -> None:
    """What the site's pages count and sort in a batch of a hundred thousand takes."""
    _run(db, "0017_counts.sql")


def m0018_asked_deliveries(db: Database) -> None:
    """What people asked to have delivered is rows."""
    _run(db, "0018_asked_deliveries.sql")


STEPS = (
    m0001_initial, m0002_judgement, m0003_selection, m0004_measurements, m0005_reports, m0006_device_time, m0007_files,
    m0008_wishes, m0009_peaks, m0010_keeping, m0011_deliveries, m0012_references, m0013_comparisons,
    m0014_fingerprints, m0015_goodness, m0016_loops, m0017_counts, m0018_asked_deliveries,
)  # fmt: skip


def migrate(db: sqlite3.Connection, *, before: str | None = None) -> None:
    """Bring the catalogue up to this version, or to just before the step named `before`.

    Raises CatalogTooNew when it has steps this version does not know, and whatever sqlite3 raises.
    """
    done = known(db)
    names = [step.__name__ for step in STEPS]
    wanted = STEPS[: len(names) if before is None else names.index(before)]
    missing = [step for step in wanted if step.__name__ not in done]
    if missing:
        _apply(db, missing)
    if before is None:
        _refresh_views(db)


def known(db: sqlite3.Connection) -> set[str]:
    """The steps that a catalogue has. Raises CatalogTooNew when this version does not know one of them."""
    done = _applied(db)
    unknown = done - {step.__name__ for step in STEPS}
    if unknown:
        raise CatalogTooNew(
            f"the catalogue has {', '.join(sorted(unknown))}, which this Soundmill does not know: "
            "install the newer Soundmill that wrote it"
        )
    return done


def pending(db: sqlite3.Connection) -> list[str]:
    """Names of the steps that a catalogue lacks, in their order. Raises CatalogTooNew."""
    done = known(db)
    return [step.__name__ for step in STEPS if step.__name__ not in done]


def is_current(db: sqlite3.Connection) -> bool:
    """Whether a catalogue has this version's tables and views. Raises CatalogTooNew."""
    if pending(db):
        return False
    row = db.execute("SELECT value FROM settings WHERE key = 'views'").fetchone()
    return row is not None and row[0] == _digest(_sql("views.sql"))


def _applied(db: sqlite3.Connection) -> set[str]:
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone() is None:
        return set()
    rows = db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (SET,))
    return {str(row[0]) for row in rows}


def _apply(db: sqlite3.Connection, pending: Sequence[Callable[[Database], None]]) -> None:
    with _unneeded("numpy", "pandas"):
        from sqlite_utils import Database
        from sqlite_utils.migrations import Migrations

    database = Database(db, recursive_triggers=False, execute_plugins=False)
    for step in pending:
        one = Migrations(SET)
        one()(step)
        # sqlite-utils would begin without IMMEDIATE; inside our transaction it takes a savepoint.
        with transaction(db):
            _drop_views(db)  # SQLite refuses to alter a table while a view names what would be gone
            one.apply(database)
            passing("catalog.migrate")
        passing("catalog.migrate.done")


@contextmanager
def _unneeded(*modules: str) -> Iterator[None]:
    """Keep sqlite-utils from loading these. It imports them, where it finds them, only to map their
    column types: 25 MB and a quarter of a second that the daemon has no use for."""
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import name` an ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _refresh_views(db: sqlite3.Connection) -> None:
    sql = _sql("views.sql")
    digest = _digest(sql)
    row = db.execute("SELECT value FROM settings WHERE key = 'views'").fetchone()
    if row is not None and row[0] == digest:
        return
    with transaction(db):
        _drop_views(db)
        for statement in statements(sql):
            db.execute(statement)
        db.execute(
            "INSERT INTO settings (key, value) VALUES ('views', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (digest,),
        )
        passing("catalog.views")
    passing("catalog.views.done")


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


def _drop_views(db: sqlite3.Connection) -> None:
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'settings'").fetchone() is None:
        return
    db.execute("DELETE FROM settings WHERE key = 'views'")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
        db.execute(f'DROP VIEW "{name}"')


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: sqlite3's own executescript commits what is open."""
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""
