from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from soundmill.catalog.keeping import snapshot
from soundmill.catalog.keeping.snapshot import Filed
from soundmill.catalog.selection import order_move
from soundmill.errors import CatalogError


def two_takes(mill: Any) -> None:
    mill.ingest(2, name="a")
    for attempt in mill.claim(limit=2):
        mill.succeed(attempt)


def test_a_copy_is_the_catalogue_of_that_moment_in_one_file_in_place_of_an_older_one(mill: Any, tmp_path: Path) -> None:
    two_takes(mill)
    target = tmp_path / "copies" / "catalog.db"
    target.parent.mkdir()
    target.write_text("an older one that is not whole")
    snapshot.copy(mill.path, target)
    mill.ingest(1, name="later")
    with sqlite3.connect(target) as copy:
        assert copy.execute("SELECT name FROM batches").fetchall() == [("a",)]
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert [path.name for path in target.parent.iterdir()] == ["catalog.db"]


def test_what_is_damaged_is_said(mill: Any, tmp_path: Path) -> None:
    two_takes(mill)
    target = tmp_path / "copy.db"
    snapshot.copy(mill.path, target)
    assert snapshot.faults(target) == []
    with sqlite3.connect(target) as db:  # without foreign keys, as any other program opens it
        db.execute("DELETE FROM jobs WHERE id = 2")
    found = snapshot.faults(target)
    assert "row 2 of attempts names a row of jobs that is not there" in found
    with pytest.raises(CatalogError, match=f"^{target}: damaged: row "):
        snapshot.must_be_whole(target)
    content = bytearray(target.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    target.write_bytes(content)
    assert 0 < len(snapshot.faults(target)) <= 2 * snapshot.MOST_FAULTS
    target.write_text("no catalogue")
    assert snapshot.faults(target) == ["file is not a database"]
    with pytest.raises(CatalogError, match="damaged: file is not a database"):
        snapshot.must_be_whole(target)


def test_what_was_taken_in_since_a_time_is_known_by_contents_and_claims(mill: Any) -> None:
    mill.ingest(1, name="a")
    mill.catalog.record_rejection("01R1", "bad.csv", "ef" * 32, [])
    mill.clock.now += 10
    mill.ingest(1, name="b")
    mill.catalog.record_rejection("01R2", "bad.csv", "cd" * 32, [])
    first, second = (f"01ULID{n:020}" for n in (1, 2))
    assert snapshot.taken_in(mill.path, mill.clock.now) == ({"ab" * 32, "cd" * 32}, {second, "01R2"})
    everything = ({"ab" * 32, "cd" * 32, "ef" * 32}, {first, second, "01R1", "01R2"})
    assert snapshot.taken_in(mill.path, mill.clock.now - 10) == everything
    assert snapshot.taken_in(mill.path, mill.clock.now + 1) == (set(), set())


def test_the_files_of_takes_are_told_with_what_may_have_become_of_them(mill: Any) -> None:
    two_takes(mill)
    first = Filed(path="a/job-0001.wav", size_bytes=0, sha256="", job="a/job-0001", pruned=False, moving=False)
    with mill.catalog.connected() as db:
        order_move(db, 1, 1, "a/set_aside/job-0001.wav")
        db.execute("UPDATE outputs SET pruned_at = 1.0 WHERE id = 2")
    filed = snapshot.filed(mill.path)
    assert [(each.path, each.job, each.pruned, each.moving) for each in filed] == [
        (first.path, first.job, False, True), ("a/job-0002.wav", "a/job-0002", True, False),
    ]  # fmt: skip
    row = mill.row("SELECT size_bytes, sha256 FROM outputs WHERE id = 1")
    assert (filed[0].size_bytes, filed[0].sha256) == (row["size_bytes"], row["sha256"])


def test_an_older_catalogue_from_before_pruning_has_all_its_files(mill: Any, tmp_path: Path) -> None:
    two_takes(mill)
    target = tmp_path / "old.db"
    snapshot.copy(mill.path, target)
    with sqlite3.connect(target) as db:
        for view in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            db.execute(f'DROP VIEW "{view[0]}"')
        for index in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%pruned_at%'"):
            db.execute(f'DROP INDEX "{index[0]}"')
        db.execute("ALTER TABLE outputs DROP COLUMN pruned_at")
    assert [each.pruned for each in snapshot.filed(target)] == [False, False]
