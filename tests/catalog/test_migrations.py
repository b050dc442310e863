from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog import migrations
from soundmill.catalog.asking import deliveries
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.migrations import STEPS, migrate
from soundmill.errors import CatalogError, CatalogTooNew, StorageUnavailable

DATA = Path(__file__).resolve().parents[1] / "data"
RECORD = "_sqlite_migrations"


def schema(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in db.execute("SELECT name, sql FROM sqlite_master ORDER BY name, sql")]


def an_added_step(db: Any) -> None:
    db.execute("ALTER TABLE batches ADD COLUMN colour TEXT")


def a_renaming_step(db: Any) -> None:
    db.execute("ALTER TABLE batches DROP COLUMN colour")
    db.execute("ALTER TABLE batches ADD COLUMN shade TEXT")


def a_step_under_the_views(db: Any) -> None:
    db.execute("ALTER TABLE batches DROP COLUMN kind")
    db.execute("ALTER TABLE batches ADD COLUMN kind TEXT NOT NULL DEFAULT 'anew'")


def a_failing_step(db: Any) -> None:
    db.execute("CREATE TABLE half (x)")
    db.execute("INSERT INTO nowhere VALUES (1)")


def test_migrating_step_by_step_gives_the_schema_of_a_fresh_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, an_added_step, a_renaming_step))
    fresh, stepped = connect_writer(tmp_path / "fresh.db"), connect_writer(tmp_path / "stepped.db")
    migrate(fresh)
    for step in migrations.STEPS[1:]:
        migrate(stepped, before=step.__name__)
    migrate(stepped)
    assert schema(stepped) == schema(fresh)
    fresh.close()
    stepped.close()


def test_an_old_catalogue_with_its_views_is_brought_up_to_date(mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.ingest(2)
    mill.close()
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, an_added_step))
    catalog = Catalog.open(mill.path, clock=mill.clock)
    catalog.close()
    assert mill.row("SELECT colour FROM batches") == {"colour": None}
    assert mill.row("SELECT batches, jobs FROM overview") == {"batches": 1, "jobs": 2}


def test_a_step_may_take_away_what_the_views_name(mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.ingest(2)
    mill.close()
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, a_step_under_the_views))
    Catalog.open(mill.path, clock=mill.clock).close()
    assert mill.row("SELECT batch, kind FROM batch_progress") == {"batch": "themes", "kind": "anew"}


def test_a_step_that_fails_is_undone_and_stays_to_be_done(mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.close()
    before = mill.content()
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, a_failing_step))
    with pytest.raises(CatalogError, match="nowhere"):
        Catalog.open(mill.path, clock=mill.clock)
    assert mill.content() == before
    assert mill.rows("SELECT * FROM overview")


def test_a_catalogue_of_a_newer_soundmill_is_left_alone(mill: Any) -> None:
    mill.close()
    db = sqlite3.connect(mill.path)
    db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('soundmill', 'm0099_future', 'x')"
    )
    db.commit()
    db.close()
    before = mill.content()
    with pytest.raises(CatalogTooNew, match=r"m0099_future.*newer Soundmill"):
        Catalog.open(mill.path, clock=mill.clock)
    assert mill.content() == before


def test_steps_are_numbered_from_one_without_a_gap() -> None:
    assert [int(step.__name__[1:5]) for step in STEPS] == list(range(1, len(STEPS) + 1))


def test_opening_again_writes_nothing(mill: Any) -> None:
    mill.close()
    before = mill.path.read_bytes()
    Catalog.open(mill.path, clock=mill.clock).close()
    assert mill.path.read_bytes() == before


def test_views_that_are_out_of_date_are_made_anew(mill: Any) -> None:
    mill.close()
    db = sqlite3.connect(mill.path)
    db.execute("DROP VIEW overview")
    db.execute("CREATE VIEW leftover AS SELECT 1")
    db.execute("UPDATE settings SET value = 'of another version' WHERE key = 'views'")
    db.commit()
    db.close()
    Catalog.open(mill.path, clock=mill.clock).close()
    assert mill.rows("SELECT * FROM overview")
    assert mill.rows("SELECT * FROM sqlite_master WHERE name = 'leftover'") == []


def test_a_file_that_is_no_catalogue_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"this is not a database at all, " * 100)
    with pytest.raises(CatalogError, match="not a catalogue: move it away"):
        Catalog.open(path, clock=lambda: 0.0)


def test_a_missing_folder_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="check that its folder exists"):
        Catalog.open(tmp_path / "gone" / "catalog.db", clock=lambda: 0.0)


def test_the_writer_is_durable_and_checks_references(mill: Any) -> None:
    pragmas = {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 0, "cache_size": -16384,
        "journal_size_limit": 67108864, "busy_timeout": 10000,
    }  # fmt: skip
    values = {name: mill.catalog._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
    assert values == pragmas


def test_making_a_catalogue_loads_no_number_crunching(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from soundmill.catalog.catalog import Catalog\n"
        "from soundmill.catalog import reader\nfrom soundmill.catalog.shelf import files\n"
        "Catalog.open(Path(sys.argv[1]), clock=lambda: 0.0).close()\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'torch'} & set(sys.modules)\n"
        "import numpy\n"  # hidden only while sqlite-utils is imported
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    path = [entry for entry in sys.path if entry]
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}", str(tmp_path / "c.db")], check=True
    )


def test_every_reference_names_its_column_and_every_row_stays(tmp_path: Path) -> None:
    """In a catalogue from before they did."""
    path = tmp_path / "catalog.db"
    path.write_bytes(gzip.decompress((DATA / "catalogue-d948915.db.gz").read_bytes()))
    db = connect_writer(path)
    migrate(db, before="m0012_references")
    reading = sqlite3.connect(path)
    reading.execute("SELECT count(*) FROM outputs").fetchone()
    tables = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert any(row["to"] is None for name in tables for row in db.execute(f"PRAGMA foreign_key_list('{name}')"))
    columns_of = {
        name: ", ".join(f'"{row[1]}"' for row in db.execute(f"PRAGMA table_info('{name}')")) for name in tables
    }  # later steps add some
    kept = {
        name: [tuple(row) for row in db.execute(f'SELECT {columns_of[name]} FROM "{name}"')]
        for name in tables
        if name != RECORD
    }
    migrate(db)
    for each in (db, reading):
        columns = {row[4] for name in tables for row in each.execute(f"PRAGMA foreign_key_list('{name}')")}
        assert columns == {"id"}
        assert [tuple(row) for row in each.execute("PRAGMA integrity_check")] == [("ok",)]
        assert each.execute("PRAGMA foreign_key_check").fetchall() == []
    for name, rows in kept.items():
        now = [tuple(row) for row in db.execute(f'SELECT {columns_of[name]} FROM "{name}"')]
        assert now == rows or name == "settings", name
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        db.execute("INSERT INTO scores (output_id, scorer, score, scored_at) VALUES (999, 'x', 1.0, 1.0)")
    with pytest.raises(sqlite3.OperationalError, match="may not be modified"):
        db.execute("UPDATE sqlite_master SET sql = sql")
    db.close()
    reading.close()


def test_deliveries_that_stood_in_a_setting_are_rows(tmp_path: Path) -> None:
    """As catalogues had them before: those that ended, and those that the next daemon goes on with, in their order."""
    asked = {"of": "batch", "takes": 3, "profile": "game", "rights": False, "who": "ann"}
    waiting = {"folder": None, "zip": None, "said": None, "ended_at": None, "state": "waiting", "zipped": False}
    told = [
        {"ulid": "01A", "target": "a", "named": "01A", "asked_at": 1e9, **asked, "zipped": True, "state": "made"}
        | {"folder": "a-game", "zip": "a-game.zip", "said": "3 files", "ended_at": 1e9 + 2},
        {"ulid": "01B", "target": "b", "named": "01B", "asked_at": 1e9 + 3, **asked, **waiting},
        {"ulid": "01C", "target": "night", "named": "night", "asked_at": 5, **asked, **waiting}
        | {"of": "shortlist", "rights": True, "state": "making"},
    ]
    db = connect_writer(tmp_path / "catalog.db")
    migrate(db, before="m0018_asked_deliveries")
    db.execute("INSERT INTO settings VALUES ('deliveries', ?)", (json.dumps(told),))
    migrate(db)
    columns = "ulid, state, said, folder, zip_file, asked_at, ended_at"
    assert [tuple(row) for row in db.execute(f"SELECT {columns} FROM deliveries ORDER BY ulid")] == [
        ("01A", "made", "3 files", "a-game", "a-game.zip", "2001-09-09T01:46:40Z", "2001-09-09T01:46:42Z"),
        ("01B", "waiting", None, None, None, "2001-09-09T01:46:43Z", None),
        ("01C", "making", None, None, None, "1970-01-01T00:00:05Z", None),
    ]
    shortlist = deliveries.Wanted(
        ulid="01C", of="shortlist", target="night", named="night", takes=3, profile="game", zipped=False, rights=True
    )
    assert deliveries.next_wanted(db) == shortlist
    deliveries.delivery_ended(db, 6.0, "01C", "3 files", folder="picks-night-game", zip_file=None)
    next_one = deliveries.next_wanted(db)
    assert next_one is not None and next_one.ulid == "01B"
    assert db.execute("SELECT 1 FROM settings WHERE key = 'deliveries'").fetchone() is None
    db.close()
