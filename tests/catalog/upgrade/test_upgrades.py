"""A home of every schema that there was opens in this version: copied first, killed at any moment and gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog.test_migrations import an_added_step, schema
from service.test_storage import NAMESPACE, namespaces_work
from soundmill.catalog import migrations
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.connection import connect_writer
from soundmill.catalog.migrations import STEPS, migrate
from soundmill.catalog.reader import Reader
from soundmill.catalog.upgrade import copies
from soundmill.cli import main
from soundmill.disk import part_of
from soundmill.errors import CatalogError, CatalogTooNew, StorageUnavailable
from soundmill.inbox.control import OWNER
from support.catalogues import put_empty
from support.dying_upgrade import upgrade
from support.missing import missing

NAMES = [step.__name__ for step in STEPS]
JOBS = 5


def catalogue_of(path: Path, last: str) -> None:
    """A catalogue whose last step is `last`, with a batch of five jobs: two takes, one of them rated, one failed."""
    with closing(connect_writer(path)) as db:
        if last == NAMES[-1]:
            migrate(db)
        else:
            migrate(db, before=NAMES[NAMES.index(last) + 1])
        db.execute(
            "INSERT INTO batches (id, ulid, name, file_name, sha256, size_bytes, kind, priority, on_qc_fail, job_count,"
            " created_at, n_queued) VALUES (1, '01A', 'old', 'old.csv', 'ab', 9, 'list', 0, 'keep', ?1, 1.0, ?1)",
            (JOBS,),
        )
        for n in range(1, JOBS + 1):
            db.execute(
                "INSERT INTO jobs (id, batch_id, position, name, prompt, model, duration, temperature, top_k, top_p,"
                " cfg_coef, seed, priority, format, queued_at) VALUES (?, 1, ?, ?, 'owls', 'tiny', 1, 1, 250, 0, 3, 7,"
                " 0, 'wav', 1.0)",
                (n, n, f"job-{n}"),
            )
        for n in (1, 2, 3):
            status = "failed" if n == 3 else "succeeded"
            db.execute(
                "INSERT INTO attempts (job_id, number, worker, device, model, seed, status, started_at, finished_at)"
                " VALUES (?, 1, 'cpu', 'cpu', 'tiny', 7, ?, 2.0, 3.0)",
                (n, status),
            )
            if n < 3:
                db.execute(
                    "INSERT INTO outputs (job_id, batch_id, attempt, path, format, sample_rate, channels, duration_s,"
                    " size_bytes, sha256, generation_s, normalization, normalization_target, licence, verdict, ruleset,"
                    " created_at) VALUES (?, 1, 1, ?, 'wav', 16000, 1, 1.0, 9, 'cd', 0.1, 'none', 0, 'MIT', 'passed',"
                    " 'r', 3.0)",
                    (n, f"old/job-{n}.wav"),
                )
            db.execute(
                "UPDATE jobs SET status = ?, attempt = 1, started_at = 2.0, finished_at = 3.0 WHERE id = ?", (status, n)
            )
            if last not in NAMES[:2]:
                db.execute("UPDATE jobs SET final_attempt = 1 WHERE id = ? AND status = 'succeeded'", (n,))
        # Before, nobody was told apart.
        who = {"who": OWNER} if NAMES.index(last) >= NAMES.index("m0008_wishes") else {}
        rating = {"output_id": 1, "stars": 5, "note": "this one", "rated_at": 4.0, **who}
        db.execute(
            f"INSERT INTO ratings ({', '.join(rating)}) VALUES ({', '.join('?' * len(rating))})", tuple(rating.values())
        )


def copied(folder: Path) -> list[Path]:
    return sorted((folder / copies.FOLDER).glob("*"))


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def whole(path: Path) -> None:
    """It is this version's, with everything that was in it, and works."""
    fresh = put_empty(path.with_name("fresh.db"))
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(fresh)) as new:
        assert [(n, " ".join(s.split()) if s else s) for n, s in schema(old)] == [
            (n, " ".join(s.split()) if s else s) for n, s in schema(new)
        ]
        assert old.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    with Reader.open(path) as reader:
        (batch,) = reader.batches()
        assert (batch["n_succeeded"], batch["n_failed"], batch["n_queued"], batch["outputs"]) == (2, 1, 2, 2)
        assert [(take["job"], take["stars"], take["is_final"]) for take in reader.takes("old")] == [
            ("job-2", None, 1),
            ("job-1", 5, 1),
        ]
    catalog = Catalog.open(path, clock=time.time)
    try:
        claimed = catalog.claim(worker="cpu", device="cpu", model="tiny", limit=4, engine_idle=True)
        assert [attempt.job.name for attempt in claimed] == ["job-4", "job-5"]
    finally:
        catalog.close()


@pytest.mark.parametrize("last", NAMES)
def test_a_catalogue_of_every_schema_opens_and_works(tmp_path: Path, last: str) -> None:
    path = tmp_path / "catalog.db"
    catalogue_of(path, last)
    before = content(path)
    told: list[list[Path]] = []
    Catalog.open(path, clock=time.time, before_upgrade=lambda: told.append(copied(tmp_path))).close()
    whole(path)
    if last == NAMES[-1]:
        assert copied(tmp_path) == told == []
        return
    assert told == [[]], "once, before there is a copy"
    (copy,) = copied(tmp_path)
    following = NAMES[NAMES.index(last) + 1]
    assert copy.name.startswith(f"before-{following[1:5]}-") and content(copy) == before
    with Reader.open(path) as reader:
        said = [str(event["message"]) for event in reader.events() if event["kind"] == "catalogue brought up to date"]
    assert len(said) == 1 and f"backups/{copy.name}" in said[0]


def test_a_new_catalogue_and_one_that_is_up_to_date_are_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        Catalog.open(tmp_path / "catalog.db", clock=time.time).close()
    assert copied(tmp_path) == []


def test_what_is_in_the_log_alone_is_copied_too(tmp_path: Path) -> None:
    """Nothing of the old catalogue has come to its own file yet."""
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[3])
    with closing(sqlite3.connect(path)) as held:
        held.execute("BEGIN")
        held.execute("SELECT * FROM jobs").fetchall()  # so that the log stays
        with closing(connect_writer(path)) as db:
            db.execute("UPDATE ratings SET note = 'in the log'")
        Catalog.open(path, clock=time.time).close()
    (copy,) = copied(tmp_path)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT note FROM ratings").fetchone()[0] == "in the log"
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_a_copy_put_in_its_place_is_the_catalogue_again(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[2])
    Catalog.open(path, clock=time.time).close()
    (copy,) = copied(tmp_path)
    for end in ("", "-wal", "-shm"):
        path.with_name(f"catalog.db{end}").unlink(missing_ok=True)
    shutil.copy(copy, path)
    Catalog.open(path, clock=lambda: time.time() + 60).close()
    whole(path)
    assert len(copied(tmp_path)) == 1, "of copies from before one step the latest stays"


def test_old_copies_go(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[-2])
    (tmp_path / copies.FOLDER).mkdir()
    for n in range(1, 6):
        old = tmp_path / copies.FOLDER / f"before-000{n}-20250101T000000Z.db"
        old.touch()
        os.utime(old, (n, n))
    mine = tmp_path / copies.FOLDER / "mine.db"
    mine.touch()
    Catalog.open(path, clock=time.time).close()
    names = [copy.name[:11] for copy in copied(tmp_path)]
    assert names == ["before-0004", "before-0005", f"before-{NAMES[-1][1:5]}", "mine.db"]


@pytest.mark.parametrize(
    ("where", "number"),
    [("copy", 0), ("copied", 0), *(("in", n) for n in range(1, len(NAMES))), *(("after", n) for n in (1, 3, 5)),
     ("views", 0)],
)  # fmt: skip
def test_killed_at_any_moment_it_is_gone_on_with(tmp_path: Path, where: str, number: int) -> None:
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[0])
    before = content(path)
    assert upgrade(path, where, number) == -signal.SIGKILL
    assert upgrade(path, where, number) in (-signal.SIGKILL, 0)  # once more at the same place, if it comes there again
    Catalog.open(path, clock=lambda: time.time() + 5).close()
    whole(path)
    left = copied(tmp_path)
    assert all(copy.suffix == ".db" for copy in left if not copy.name.startswith("."))
    oldest = next(copy for copy in left if copy.name.startswith("before-0002"))
    assert content(oldest) == before, "the copy from before the first step is that of the catalogue as it was"


def test_without_room_for_the_copy_nothing_is_changed_and_the_mend_is_said(tmp_path: Path) -> None:
    if not namespaces_work():
        missing("no user namespaces, in which a small disk could be mounted")
    script = """
    set -eu
    mount -t tmpfs -o size=4m tmpfs "$1"
    cp "$2" "$1/catalog.db"
    "$3" -m soundmill --home "$1" run --once 2>&1 && exit 7
    ls -A "$1/backups"
    """
    source, place = tmp_path / "old.db", tmp_path / "home"
    place.mkdir()
    catalogue_of(source, NAMES[1])
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", script, "sh", str(place), str(source), sys.executable], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "before this Soundmill brings the catalogue up to date it copies it" in done.stdout
    assert "make room, and start it again" in done.stdout and done.stdout.count("\n") == 2, done.stdout


def test_a_copy_that_cannot_be_put_anywhere_holds_the_upgrade_up(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[1])
    before = content(path)
    (tmp_path / copies.FOLDER).write_text("a file")
    with pytest.raises(StorageUnavailable, match="File exists"):
        Catalog.open(path, clock=time.time)
    assert content(path) == before


def test_an_older_catalogue_is_not_read_but_said_to_be_older(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[-2])
    with pytest.raises(CatalogError, match="start `soundmill run` once, which copies an older one"):
        Reader.open(path)


def test_a_catalogue_whose_views_are_of_another_version_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    Catalog.open(path, clock=time.time).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE settings SET value = 'another' WHERE key = 'views'")
        db.commit()
    with pytest.raises(CatalogError, match="start `soundmill run` once"):
        Reader.open(path)


@pytest.mark.parametrize("command", [["run", "--once"], ["status"], ["web"], ["jobs"], ["cancel", "old"], ["score"]])
def test_every_command_refuses_a_newer_catalogue_in_a_sentence(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "inbox").mkdir()
    path = tmp_path / "catalog.db"
    catalogue_of(path, NAMES[-2])
    Catalog.open(path, clock=time.time).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('soundmill', 'm0099_new', 'x')"
        )
        db.commit()
    before = content(path)
    (tmp_path / "soundmill.yaml").write_text("scoring: {scorers: [clap]}\n" if command == ["score"] else "")
    done = CliRunner().invoke(main, ["--home", str(tmp_path), *command])
    assert done.exit_code == 1
    assert "has m0099_new, which this Soundmill does not know: install the newer Soundmill" in done.stderr
    assert done.stderr.count("\n") == 1 and content(path) == before
    with pytest.raises(CatalogTooNew):
        Catalog.open(path, clock=time.time)


def test_the_sentence_names_the_copy_to_go_back_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalog.db"
    Catalog.open(path, clock=time.time).close()
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, an_added_step))
    Catalog.open(path, clock=time.time).close()
    monkeypatch.undo()
    (copy,) = copied(tmp_path)
    with pytest.raises(CatalogTooNew, match=f"or go back to its copy backups/{copy.name}"):
        Catalog.open(path, clock=time.time)


def test_a_copy_is_one_file_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink().name))
    with closing(connect_writer(put_empty(tmp_path / "catalog.db"))) as db:
        copies.write_copy(db, tmp_path / "copy.db")
    assert synced == ["copy.db"]
    log_of_its_own = b"\x02\x02"  # https://sqlite.org/fileformat.html#file_format_version_numbers
    assert (tmp_path / "catalog.db").read_bytes()[18:20] == log_of_its_own != (tmp_path / "copy.db").read_bytes()[18:20]


def test_a_copy_of_a_damaged_catalogue_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("CREATE TABLE t (a); CREATE INDEX i ON t (a); PRAGMA writable_schema = ON;")
        (index,) = db.execute("SELECT * FROM sqlite_master WHERE name = 'i'").fetchall()
        db.execute("DELETE FROM sqlite_master WHERE name = 'i'")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:  # a row that the index does not have
        db.executescript("INSERT INTO t VALUES (1); PRAGMA writable_schema = ON;")
        db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
    with closing(sqlite3.connect(path)) as db, pytest.raises(CatalogError, match=r"copy\.db: .* \(.*index i\): check"):
        copies.write_copy(db, tmp_path / "copy.db")


@pytest.mark.parametrize("lacks", [0, 1])
def test_a_copy_is_begun_where_there_is_room_for_it_and_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: int
) -> None:
    free = 33 * 1024 * 1024 - lacks
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(free, 0, free))  # type: ignore[attr-defined]
    with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as db:
        db.executescript("PRAGMA page_size = 4096; CREATE TABLE t (a)")
        pages = 1024 * 1024 // 4096
        db.execute("INSERT INTO t VALUES (zeroblob(?))", ((pages - 2) * 4092,))
        assert db.execute("PRAGMA page_count").fetchone()[0] == pages
        if lacks:
            with pytest.raises(StorageUnavailable, match=r"takes 1\.0 MB; 34\.6 MB are free: make room"):
                copies.copy_before(db, tmp_path / "catalog.db", NAMES[0], now=0.0)
        else:
            assert copies.copy_before(db, tmp_path / "catalog.db", NAMES[0], now=0.0).is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "not a database"),
        ("UPDATE _sqlite_migrations SET name = 'm9999_later' WHERE name = ?", "m9999_later"),
        ("DELETE FROM _sqlite_migrations WHERE name = ?", "not yet a catalogue"),
    ],
)
def test_what_cannot_be_read_is_let_go(tmp_path: Path, change: str | None, said: str) -> None:
    path = put_empty(tmp_path / "catalog.db")
    if change is None:
        path.write_bytes(b"no catalogue" * 1000)
    else:
        with closing(connect_writer(path)) as db:
            db.execute(change, (NAMES[-1],))
    with pytest.raises(CatalogError, match=said):
        Reader.open(path)
    held = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink() and path.name in str(each.readlink())]
    assert held == []


def test_what_a_killed_start_has_left_of_its_copy_goes(tmp_path: Path) -> None:
    path = put_empty(tmp_path / "catalog.db")
    part = part_of(tmp_path / copies.FOLDER / f"before-{NAMES[0][1:5]}.db")
    part.parent.mkdir()
    for end in ("", "-journal", "-wal", "-shm"):
        part.with_name(f"{part.name}{end}").write_bytes(b"half")
    with closing(connect_writer(path)) as db:
        copy = copies.copy_before(db, path, NAMES[0], now=0.0)
    assert list(part.parent.iterdir()) == [copy]
