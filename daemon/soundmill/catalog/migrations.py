"""The catalogue's shape, as numbered steps that never change once released.

A released step is frozen: a later change of the schema is a new step at the end. sqlite-utils keeps
the record of what has been applied (its table `_sqlite_migrations`); each step and its record are
one transaction. Views carry no data, so they are not steps: `views.sql` is applied whenever its
content changes.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from soundmill.catalog.connection import transaction
from soundmill.errors import CatalogTooNew

if TYPE_CHECKING:
    from sqlite_utils import Database

SET = "soundmill"

INITIAL = """
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    ulid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,  -- names a folder, and some file systems fold case
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    on_qc_fail TEXT NOT NULL,
    experiment TEXT,
    job_count INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,      -- when a job of it ended last
    finished_at REAL,   -- when all of them had ended
    reported_at REAL,
    n_queued INTEGER NOT NULL DEFAULT 0,
    n_running INTEGER NOT NULL DEFAULT 0,
    n_succeeded INTEGER NOT NULL DEFAULT 0,
    n_failed INTEGER NOT NULL DEFAULT 0,
    n_cancelled INTEGER NOT NULL DEFAULT 0,
    n_flagged INTEGER NOT NULL DEFAULT 0,
    n_outputs INTEGER NOT NULL DEFAULT 0,
    audio_s REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX batches_sha256 ON batches (sha256);
CREATE INDEX batches_unfinished ON batches (id) WHERE finished_at IS NULL;
CREATE INDEX batches_unreported ON batches (id) WHERE finished_at IS NOT NULL AND reported_at IS NULL;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    batch_id INTEGER NOT NULL REFERENCES batches,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    duration REAL NOT NULL,
    temperature REAL NOT NULL,
    top_k INTEGER NOT NULL,
    top_p REAL NOT NULL,
    cfg_coef REAL NOT NULL,
    seed INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    format TEXT NOT NULL,
    melody TEXT,
    continue_from TEXT,
    labels TEXT NOT NULL DEFAULT '{}',
    condition TEXT NOT NULL DEFAULT '{}',
    replicate INTEGER NOT NULL DEFAULT 1,
    status TEXT NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    held INTEGER NOT NULL DEFAULT 0,
    not_before REAL,
    attempt INTEGER NOT NULL DEFAULT 0,
    strikes INTEGER NOT NULL DEFAULT 0,
    qc_retries INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0,
    error_kind TEXT,
    error TEXT,
    steps_done INTEGER NOT NULL DEFAULT 0,
    steps_due INTEGER NOT NULL DEFAULT 0,
    queued_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    UNIQUE (batch_id, name)
) STRICT;
CREATE INDEX jobs_position ON jobs (batch_id, position);
CREATE INDEX jobs_claimable ON jobs (model, priority DESC, id, suspect)
    WHERE status = 'queued' AND held = 0 AND not_before IS NULL;
CREATE INDEX jobs_oldest ON jobs (model, queued_at)
    WHERE status = 'queued' AND held = 0 AND not_before IS NULL;
CREATE INDEX jobs_queue ON jobs (model, priority DESC, id) WHERE status = 'queued';
CREATE INDEX jobs_waiting ON jobs (not_before) WHERE not_before IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (batch_id, id) WHERE status = 'failed';

CREATE TABLE job_labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    job_id INTEGER NOT NULL REFERENCES jobs,
    PRIMARY KEY (name, value, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_labels_job ON job_labels (job_id);
CREATE TABLE label_totals (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (name, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs,
    number INTEGER NOT NULL,
    worker TEXT NOT NULL,
    device TEXT NOT NULL,
    model TEXT NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'interrupted', 'cancelled')),
    error_kind TEXT,
    error TEXT,
    started_at REAL NOT NULL,
    finished_at REAL,
    UNIQUE (job_id, number)
) STRICT;
CREATE INDEX attempts_running ON attempts (job_id) WHERE status = 'running';
CREATE INDEX attempts_repeated ON attempts (job_id, number) WHERE number > 1;

CREATE TABLE outputs (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs,
    batch_id INTEGER NOT NULL REFERENCES batches,  -- the job's: a page of takes needs no walk over queued jobs
    attempt INTEGER NOT NULL,
    path TEXT NOT NULL UNIQUE,
    format TEXT NOT NULL,
    sample_rate INTEGER NOT NULL,
    channels INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    generation_s REAL NOT NULL,
    normalization TEXT NOT NULL,  -- with its target, what makes the same file of the same tokens again
    normalization_target REAL NOT NULL,
    licence TEXT NOT NULL,
    versions TEXT NOT NULL DEFAULT '{}',
    defects TEXT NOT NULL DEFAULT '[]',
    verdict TEXT NOT NULL CHECK (verdict IN ('passed', 'failed')),
    score REAL,
    ruleset TEXT NOT NULL,
    quarantined INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    UNIQUE (job_id, attempt)
) STRICT;
CREATE INDEX outputs_batch ON outputs (batch_id);
CREATE INDEX outputs_ruleset ON outputs (ruleset);

CREATE TABLE measurements (
    output_id INTEGER PRIMARY KEY REFERENCES outputs,
    silence_share REAL,
    clipping_share REAL,
    repetition_correlation REAL,
    spectral_range_db REAL,
    spectral_tilt_db_per_octave REAL,
    loudness_lufs REAL,
    peak_dbfs REAL,
    peak_before_dbfs REAL,
    clipping_share_before REAL,
    rms_dbfs REAL,
    dc_offset REAL,
    nonfinite_samples REAL,
    duration_s REAL,
    duration_error_s REAL
) STRICT;

CREATE TABLE checks (
    output_id INTEGER NOT NULL REFERENCES outputs,
    name TEXT NOT NULL,
    passed INTEGER NOT NULL,
    value REAL,
    threshold REAL,
    unit TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (output_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX checks_failed ON checks (name) WHERE passed = 0;

CREATE TABLE scores (
    output_id INTEGER NOT NULL REFERENCES outputs,
    scorer TEXT NOT NULL,
    score REAL,
    scored_at REAL NOT NULL,
    PRIMARY KEY (output_id, scorer)
) STRICT, WITHOUT ROWID;

CREATE TABLE ratings (
    output_id INTEGER PRIMARY KEY REFERENCES outputs,
    stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    note TEXT,
    rated_at REAL NOT NULL
) STRICT;

CREATE TABLE model_totals (
    model TEXT PRIMARY KEY,
    outputs INTEGER NOT NULL,
    audio_s REAL NOT NULL,
    generation_s REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    name TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    model TEXT,
    status TEXT NOT NULL CHECK (status IN ('starting', 'idle', 'loading', 'working', 'stopped', 'dead')),
    slots INTEGER NOT NULL,
    running INTEGER NOT NULL,
    started_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    restarts INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    worker TEXT,
    batch_id INTEGER,
    job_id INTEGER
) STRICT;

CREATE TABLE rejections (
    ulid TEXT PRIMARY KEY,
    file_name TEXT NOT NULL,
    sha256 TEXT,
    problem_count INTEGER NOT NULL,
    problems TEXT NOT NULL,
    rejected_at REAL NOT NULL
) STRICT;

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER jobs_count AFTER UPDATE OF status ON jobs WHEN old.status <> new.status BEGIN
    UPDATE batches SET
        n_queued = n_queued - (old.status = 'queued') + (new.status = 'queued'),
        n_running = n_running - (old.status = 'running') + (new.status = 'running'),
        n_succeeded = n_succeeded - (old.status = 'succeeded') + (new.status = 'succeeded'),
        n_failed = n_failed - (old.status = 'failed') + (new.status = 'failed'),
        n_cancelled = n_cancelled - (old.status = 'cancelled') + (new.status = 'cancelled'),
        started_at = coalesce(started_at, new.started_at),
        ended_at = coalesce(new.finished_at, ended_at)
    WHERE id = new.batch_id;
END;

CREATE TRIGGER outputs_count AFTER INSERT ON outputs BEGIN
    UPDATE batches SET n_outputs = n_outputs + 1, audio_s = audio_s + new.duration_s WHERE id = new.batch_id;
    INSERT INTO model_totals (model, outputs, audio_s, generation_s)
        SELECT model, 1, new.duration_s, new.generation_s FROM jobs WHERE id = new.job_id
        ON CONFLICT (model) DO UPDATE SET outputs = outputs + 1, audio_s = audio_s + excluded.audio_s,
            generation_s = generation_s + excluded.generation_s;
END;
"""


def m0001_initial(db: Database) -> None:
    for statement in statements(INITIAL):
        db.execute(statement)
    db.table("jobs").enable_fts(["prompt", "labels"], tokenize="unicode61 remove_diacritics 2")


def m0002_judgement(db: Database) -> None:
    """Thresholds by kind, best-of-n, experiments that go on."""
    db.execute("ALTER TABLE jobs ADD COLUMN quality TEXT")
    db.execute("ALTER TABLE jobs ADD COLUMN keep_best INTEGER")
    db.execute("ALTER TABLE batches ADD COLUMN extends INTEGER REFERENCES batches")
    db.execute("CREATE INDEX batches_extends ON batches (extends) WHERE extends IS NOT NULL")
    db.execute("ALTER TABLE outputs ADD COLUMN kept INTEGER")  # NULL: not chosen among; 0: set aside


SELECTION = """
ALTER TABLE jobs ADD COLUMN final_attempt INTEGER;  -- whose take counts, once the job succeeded; seldom an earlier one
UPDATE jobs SET final_attempt = attempt WHERE status = 'succeeded';
ALTER TABLE batches ADD COLUMN chosen_at REAL;  -- when takes of it were last chosen or moved
CREATE INDEX scores_scorer ON scores (scorer, score);

-- Groups of takes (jobs of one position with keep_best) that are to be chosen among.
CREATE TABLE selections_due (
    batch_id INTEGER NOT NULL REFERENCES batches,
    position INTEGER NOT NULL,
    only_rated INTEGER NOT NULL DEFAULT 0,  -- nothing but a rating is new
    PRIMARY KEY (batch_id, position)
) STRICT, WITHOUT ROWID;

-- Takes on their way to another place; see catalog/moves.py for the steps.
CREATE TABLE moves (
    output_id INTEGER PRIMARY KEY REFERENCES outputs,
    batch_id INTEGER NOT NULL REFERENCES batches,
    target TEXT NOT NULL,
    leftover TEXT  -- the former path, once outputs.path is the new one
) STRICT;
CREATE INDEX moves_batch ON moves (batch_id);

CREATE TRIGGER jobs_choose AFTER UPDATE OF status ON jobs
WHEN new.keep_best IS NOT NULL AND new.status IN ('succeeded', 'failed', 'cancelled') AND NOT EXISTS (
    SELECT 1 FROM jobs WHERE batch_id = new.batch_id AND position = new.position AND status IN ('queued', 'running'))
BEGIN
    INSERT INTO selections_due (batch_id, position) VALUES (new.batch_id, new.position)
        ON CONFLICT DO UPDATE SET only_rated = 0;
END;

-- A choice made stands; a score that comes for a take nobody has chosen yet may be what the choice waits for.
CREATE TRIGGER scores_choose AFTER INSERT ON scores
WHEN new.scorer <> 'soundmill' AND (SELECT kept FROM outputs WHERE id = new.output_id) IS NULL
BEGIN
    INSERT INTO selections_due (batch_id, position)
        SELECT j.batch_id, j.position FROM outputs o JOIN jobs j ON j.id = o.job_id
        WHERE o.id = new.output_id AND j.keep_best IS NOT NULL
        ON CONFLICT DO UPDATE SET only_rated = 0;
END;
"""


def m0003_selection(db: Database) -> None:
    """Best-of-n: which groups are to be chosen among, which takes are to be moved, which take of a job counts."""
    for statement in statements(SELECTION):
        db.execute(statement)


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


REPORTS = """
ALTER TABLE batches RENAME COLUMN chosen_at TO changed_at;  -- when anything its report tells last changed
UPDATE batches SET changed_at = (
    SELECT max(coalesce(batches.changed_at, 0), max(r.rated_at))
    FROM ratings r JOIN outputs o ON o.id = r.output_id WHERE o.batch_id = batches.id
) WHERE id IN (SELECT o.batch_id FROM ratings r JOIN outputs o ON o.id = r.output_id);
DROP INDEX batches_unreported;
CREATE INDEX batches_report_owed ON batches (id)
    WHERE finished_at IS NOT NULL AND (reported_at IS NULL OR reported_at < changed_at);
"""


def m0005_reports(db: Database) -> None:
    """A report is owed again when a rating, a score, a verdict or a choice came after it."""
    for statement in statements(REPORTS):
        db.execute(statement)


DEVICE_TIME = """
ALTER TABLE outputs ADD COLUMN device_s REAL;  -- NULL, as row_steps: made before it was recorded
ALTER TABLE outputs ADD COLUMN row_steps INTEGER;
ALTER TABLE model_totals ADD COLUMN device_s REAL NOT NULL DEFAULT 0;
ALTER TABLE model_totals ADD COLUMN device_audio_s REAL NOT NULL DEFAULT 0;  -- of the outputs that have a device_s
DROP TRIGGER outputs_count;
CREATE TRIGGER outputs_count AFTER INSERT ON outputs BEGIN
    UPDATE batches SET n_outputs = n_outputs + 1, audio_s = audio_s + new.duration_s WHERE id = new.batch_id;
    INSERT INTO model_totals (model, outputs, audio_s, generation_s, device_s, device_audio_s)
        SELECT model, 1, new.duration_s, new.generation_s, coalesce(new.device_s, 0),
            CASE WHEN new.device_s IS NULL THEN 0 ELSE new.duration_s END
        FROM jobs WHERE id = new.job_id
        ON CONFLICT (model) DO UPDATE SET outputs = outputs + 1, audio_s = audio_s + excluded.audio_s,
            generation_s = generation_s + excluded.generation_s, device_s = device_s + excluded.device_s,
            device_audio_s = device_audio_s + excluded.device_audio_s;
END;
"""


def m0006_device_time(db: Database) -> None:
    """What a take cost of its device's time, which its own time from start to end is not: others ran beside it."""
    for statement in statements(DEVICE_TIME):
        db.execute(statement)


STEPS = (m0001_initial, m0002_judgement, m0003_selection, m0004_measurements, m0005_reports, m0006_device_time)


def migrate(db: sqlite3.Connection, *, before: str | None = None) -> None:
    """Bring the catalogue up to this version, or to just before the step named `before`.

    Raises CatalogTooNew when it has steps this version does not know, and whatever sqlite3 raises.
    """
    done = _applied(db)
    unknown = done - {step.__name__ for step in STEPS}
    if unknown:
        raise CatalogTooNew(
            f"the catalogue has {', '.join(sorted(unknown))}, which this Soundmill does not know: "
            "install the newer Soundmill that wrote it"
        )
    names = [step.__name__ for step in STEPS]
    wanted = STEPS[: len(names) if before is None else names.index(before)]
    pending = [step for step in wanted if step.__name__ not in done]
    if pending:
        _apply(db, pending)
    if before is None:
        _refresh_views(db)


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
    sql = resources.files("soundmill.catalog").joinpath("views.sql").read_text(encoding="utf-8")
    digest = hashlib.sha256(sql.encode()).hexdigest()
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
