"""Backups as an operator makes, loses and restores them, of homes that a real daemon worked in."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result

from commands.conftest import Command, parsed
from service.conftest import config, drop, quick_engine, serving, until
from service.test_crash import daemon, environment, rows, run_to_the_end, wait_until
from soundmill.commands.keeping.backup import backup as back_up
from soundmill.commands.keeping.store import Store
from soundmill.disk import sha256_of
from soundmill.errors import UsageError
from soundmill.home import Home, lock_home
from soundmill.inbox.control import Control
from soundmill.inbox.control import drop as leave_word
from soundmill.service.daemon import Service
from support.catalogues import put_empty


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def other(tmp_path: Path) -> Home:
    return Home(tmp_path / "other")


def work(home: Home, name: str, clips: int) -> None:
    home.create()
    put_empty(home.catalog)
    drop(home, name, clips)
    service = Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)
    assert service.run(once=True).ok


def content(home: Home) -> dict[str, bytes]:
    """Every file of a home that a person or the catalogue may ask for."""
    return {
        path.relative_to(home.root).as_posix(): path.read_bytes()
        for part in (home.inbox, home.outputs)
        for path in part.rglob("*")
        if path.is_file()
    }


def table(home: Home, name: str) -> list[tuple[object, ...]]:
    return rows(home, f"SELECT * FROM {name}")


def on(home: Home, soundmill: Command, *words: str) -> Result:
    return soundmill("--home", str(home.root), *words)


def soundmill_process(home: Home, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "soundmill", "--home", str(home.root), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )


def told(home: Home, *words: str) -> str:
    with soundmill_process(home, *words) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def test_a_home_comes_back_as_it_was(home: Home, other: Home, soundmill: Command, folder: Path) -> None:
    work(home, "songs.csv", 5)
    work(home, "odd.csv", 2)
    (home.root / "soundmill.yaml").write_text("default_model: tiny\n")
    (home.outputs / "songs" / "notes of mine.txt").write_text("mine")
    (home.inbox / "waiting.csv").write_text("prompt\nharp\n")
    leave_word(home.control, Control(action="rate", target="songs/0001-clip-number-0-of-songs-csv", stars=5), "01W")
    made = soundmill("backup", str(folder))
    assert made.exit_code == 0 and made.output.rstrip().endswith("; checked")
    back = on(other, soundmill, "restore", str(folder))
    assert back.exit_code == 0, back.output
    assert content(other) == content(home)
    assert (other.root / "soundmill.yaml").read_text() == "default_model: tiny\n"
    for name in ("batches", "jobs", "attempts", "outputs", "events", "scores", "settings"):
        assert table(other, name) == table(home, name)
    assert on(other, soundmill, "verify").exit_code == 0
    times = {path: (home.root / path).stat().st_mtime_ns for path in content(home)}
    assert {path: (other.root / path).stat().st_mtime_ns for path in times} == times


def test_only_what_is_new_is_copied_and_the_audio_that_is_known_is_not_even_read(
    home: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 5)
    soundmill("backup", str(folder))
    for path in home.outputs.rglob("*.wav"):
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)  # of which a backup that read it would tell
    work(home, "more.csv", 2)
    second = soundmill("backup", str(folder))
    assert second.exit_code == 0
    about = [backup.about for backup in Store(folder).backups()]
    assert (about[0]["takes"], about[1]["takes"]) == (5, 7)
    assert about[0]["new_files"] == about[0]["files"]
    # two takes, two sidecars and one job file; nothing else has changed
    assert about[1]["new_files"] == 5


def test_the_oldest_backups_go_with_what_no_other_has(home: Home, soundmill: Command, folder: Path) -> None:
    work(home, "songs.csv", 3)
    soundmill("backup", str(folder))
    shutil.rmtree(home.outputs / "songs")
    (home.outputs / "songs").mkdir()
    (home.outputs / "songs" / "report.html").write_text("a report")
    db = sqlite3.connect(home.catalog)
    db.execute("UPDATE outputs SET pruned_at = 1.0")
    db.commit()
    db.close()
    names = [backup.name for backup in Store(folder).backups()]
    assert soundmill("backup", str(folder), "--keep", "1").exit_code == 0
    (left,) = Store(folder).backups()
    assert left.name > names[0]
    kept = {path.name for path in (folder / "objects").glob("??/*")}
    assert kept == {entry.sha256 for entry in left.entries()}
    assert soundmill("verify", "--backups", str(folder)).exit_code == 0


def test_two_backups_in_one_second_are_two_and_a_date_set_back_is_no_trouble(home: Home, folder: Path) -> None:
    work(home, "songs.csv", 1)
    for now in (1_800_000_000.0, 1_800_000_000.0, 1_700_000_000.0, 1_800_000_001.0):
        back_up(home, folder, keep=None, now=lambda now=now: now, say=lambda _: None)  # type: ignore[misc]
    names = [each.name for each in Store(folder).backups()]
    assert names[0] == "2027-01-15T080000Z" and names == sorted(names) and len(set(names)) == 4


@pytest.mark.parametrize("where", ["inbox", "outputs", "outputs/songs"])
def test_a_backup_is_not_made_into_what_it_is_of(home: Home, soundmill: Command, where: str) -> None:
    work(home, "songs.csv", 1)
    refused = soundmill("backup", str(home.root / where / "backups"))
    assert refused.exit_code == 2 and "name a folder on another disk" in refused.output
    assert not (home.root / where / "backups").exists()


def test_a_folder_that_holds_other_things_is_refused(home: Home, soundmill: Command, tmp_path: Path) -> None:
    work(home, "songs.csv", 1)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    refused = soundmill("backup", str(tmp_path / "photos"))
    assert refused.exit_code == 2 and "holds other things" in refused.output
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    refused = soundmill("restore", str(tmp_path / "photos"), "--force")
    assert refused.exit_code == 2 and "no backups are there" in refused.output


def test_a_disk_that_is_not_mounted_is_no_reason_to_forget_its_takes(
    home: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 2)
    soundmill("backup", str(folder))
    home.outputs.rename(home.root / "unmounted")
    home.outputs.mkdir()
    refused = soundmill("backup", str(folder), "--keep", "1")
    assert refused.exit_code == 1 and "mount its disk" in refused.output
    (kept,) = Store(folder).backups()
    assert kept.about["faults"] == []


def test_what_the_home_has_lost_since_the_last_backup_the_next_one_has_still(
    home: Home, other: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 3)
    soundmill("backup", str(folder))
    first, second, _ = sorted(home.outputs.rglob("*.wav"))
    whole = [first.read_bytes(), second.read_bytes()]
    first.unlink()
    second.write_bytes(whole[1][:-1])
    again = soundmill("backup", str(folder), "--keep", "1")
    assert again.exit_code == 1
    assert again.output.count("(the backup has it from earlier)") == 2
    assert len(Store(folder).backups()) == 2  # nothing goes while something is wrong
    assert on(other, soundmill, "restore", str(folder)).exit_code == 0
    assert [(other.outputs / path.relative_to(home.outputs)).read_bytes() for path in (first, second)] == whole


def test_a_restore_leaves_a_home_in_use_alone_unless_forced(home: Home, soundmill: Command, folder: Path) -> None:
    work(home, "songs.csv", 2)
    soundmill("backup", str(folder))
    work(home, "later.csv", 1)
    (home.root / "soundmill.yaml").write_text("default_model: tiny\n")
    before = content(home)
    refused = soundmill("restore", str(folder))
    assert refused.exit_code == 2 and "is in use" in refused.output
    assert content(home) == before
    damaged = next(home.outputs.rglob("*songs*.wav"))
    damaged.write_bytes(b"damaged")
    assert soundmill("restore", str(folder), "--force").exit_code == 0
    assert rows(home, "SELECT name FROM batches") == [("songs",)]
    aside = sqlite3.connect(home.root / "catalog.db.before-restore")
    assert aside.execute("SELECT count(*) FROM batches").fetchone() == (2,)
    aside.close()
    assert content(home) == before  # what the backup does not know is left
    findings = parsed(soundmill("verify", "--json"))["findings"]
    assert {(each["kind"], each["path"].startswith("outputs/later/")) for each in findings} == {("no row", True)}


def test_settings_that_are_there_are_moved_aside(other: Home, home: Home, soundmill: Command, folder: Path) -> None:
    work(home, "songs.csv", 1)
    (home.root / "soundmill.yaml").write_text("default_model: tiny\n")
    soundmill("backup", str(folder))
    on(other, soundmill, "init")
    mine = (other.root / "soundmill.yaml").read_text()
    assert on(other, soundmill, "restore", str(folder)).exit_code == 0
    assert (other.root / "soundmill.yaml").read_text() == "default_model: tiny\n"
    assert (other.root / "soundmill.yaml.before-restore").read_text() == mine


def test_a_restore_waits_for_no_daemon_and_is_refused_where_one_works(
    home: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 1)
    soundmill("backup", str(folder))
    with serving(home):
        refused = soundmill("restore", str(folder), "--force")
    assert refused.exit_code == 1 and "another daemon" in refused.output


def damage_catalog(store: Store) -> str:
    place = store.backups()[-1].catalog
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 255
    place.write_bytes(data)
    return "catalog.db: is damaged; take another backup"


def damage_list(store: Store) -> str:
    place = store.backups()[-1].folder / "files.jsonl"
    place.write_text(place.read_text().replace("outputs/", "outputs/../../"))
    return "files.jsonl: is damaged; take another backup"


@pytest.mark.parametrize("damage", [damage_catalog, damage_list])
def test_a_damaged_backup_is_refused_before_anything_is_changed(
    home: Home, other: Home, soundmill: Command, folder: Path, damage: Callable[[Store], str]
) -> None:
    work(home, "songs.csv", 1)
    soundmill("backup", str(folder))
    said = damage(Store(folder))
    refused = on(other, soundmill, "restore", str(folder))
    assert refused.exit_code == 1 and said in refused.output
    assert not other.root.exists()
    assert soundmill("verify", "--backups", str(folder)).exit_code == 1


def test_a_damaged_object_is_never_restored_and_is_said(
    home: Home, other: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 2)
    soundmill("backup", str(folder))
    (sha256,) = rows(home, "SELECT sha256 FROM outputs LIMIT 1")[0]
    place = Store(folder).object(str(sha256))
    place.write_bytes(b"x" * place.stat().st_size)
    looked = soundmill("verify", "--backups", str(folder))
    assert looked.exit_code == 1 and str(place) in looked.output
    back = on(other, soundmill, "restore", str(folder))
    assert back.exit_code == 1 and "is damaged" in back.output and "1 file not restored" in back.output
    assert len(list(other.outputs.rglob("*.wav"))) == 1
    place.unlink()  # as is said
    assert soundmill("backup", str(folder)).exit_code == 0
    assert soundmill("verify", "--backups", str(folder)).exit_code == 0
    assert on(other, soundmill, "restore", str(folder), "--missing").exit_code == 0
    assert on(other, soundmill, "verify").exit_code == 0


def test_a_list_that_leads_out_of_the_home_is_refused(
    home: Home, other: Home, soundmill: Command, folder: Path
) -> None:
    """Whoever can write to the backups could otherwise write anywhere."""
    work(home, "songs.csv", 1)
    soundmill("backup", str(folder))
    (backup,) = Store(folder).backups()
    place = backup.folder / "files.jsonl"
    place.write_text(place.read_text().replace('"outputs/songs/', '"outputs/../../songs/'))
    about = json.loads((backup.folder / "backup.json").read_text())
    about["sha256"]["files.jsonl"] = sha256_of(place)
    (backup.folder / "backup.json").write_text(json.dumps(about))
    refused = on(other, soundmill, "restore", str(folder))
    assert refused.exit_code == 1 and "no file of a home" in refused.output
    assert not (other.root.parent / "songs").exists() and not other.root.exists()


def test_a_restore_that_was_broken_off_keeps_daemons_out_and_goes_on(
    home: Home, other: Home, soundmill: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(home, "songs.csv", 4)
    soundmill("backup", str(folder))
    other.root.mkdir()
    (name,) = (backup.folder for backup in Store(folder).backups())
    other.half_restored.write_text(json.dumps({"backup": str(name)}))
    other.create()
    shutil.copytree(home.outputs / "songs", other.outputs / "songs")
    next(other.outputs.rglob("*.wav")).unlink()
    assert "broken off" in on(other, soundmill, "run", "--once").output
    assert "broken off" in on(other, soundmill, "verify").output or not other.catalog.exists()
    assert on(other, soundmill, "restore", str(folder)).exit_code == 0
    assert content(other) == content(home)
    lock_home(other).close()


def test_kill_9_while_a_backup_is_made_leaves_a_half_one_that_the_next_removes(
    home: Home, other: Home, folder: Path
) -> None:
    """And every backup that is whole restores."""
    work(home, "songs.csv", 150)
    moments = random.Random(3)
    for _ in range(5):
        with soundmill_process(home, "backup", str(folder)) as process:
            while not any(folder.glob(".*.part")) and process.poll() is None:
                time.sleep(0.002)
            time.sleep(moments.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
        if (folder / "soundmill-backup.json").exists():
            for backup in Store(folder).backups():
                backup.check()
    told(home, "backup", str(folder))
    assert Store(folder).halves() == []
    told(home, "verify", "--backups", str(folder))
    told(other, "restore", str(folder))
    assert content(other) == content(home)


def test_after_a_power_cut_an_object_that_no_whole_backup_names_is_read_before_it_is_believed(
    home: Home, other: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 3)
    soundmill("backup", str(folder))
    (backup,) = Store(folder).backups()
    backup.folder.rename(folder / f".{backup.name}.part")  # as if it had not come to its end
    (sha256,) = rows(home, "SELECT sha256 FROM outputs LIMIT 1")[0]
    place = Store(folder).object(str(sha256))
    place.write_bytes(b"\0" * place.stat().st_size)
    assert soundmill("backup", str(folder)).exit_code == 0
    assert on(other, soundmill, "restore", str(folder)).exit_code == 0
    assert content(other) == content(home)


def test_kill_9_while_a_home_is_restored_and_again_ends_with_all_of_it(home: Home, other: Home, folder: Path) -> None:
    work(home, "songs.csv", 150)
    told(home, "backup", str(folder))
    moments = random.Random(4)
    broken_off = 0
    for _ in range(5):
        with soundmill_process(other, "restore", str(folder)) as process:
            while not other.half_restored.exists() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(moments.uniform(0.0, 0.12))
            process.send_signal(signal.SIGKILL)
        if not other.half_restored.exists():
            break
        broken_off += 1
    if other.half_restored.exists():
        told(other, "restore", str(folder))
    assert broken_off > 0
    assert content(other) == content(home)
    assert rows(other, "SELECT count(*) FROM outputs") == [(150,)]
    assert not list(other.root.glob("*.before-restore*"))
    told(other, "verify")


def has_takes(home: Home, least: int) -> bool:
    return int(str((rows(home, "SELECT count(*) FROM outputs") or [(0,)])[0][0])) >= least


def test_backups_of_a_home_that_works_restore_to_homes_that_are_whole(
    home: Home, soundmill: Command, tmp_path: Path, folder: Path
) -> None:
    """While takes are filed, chosen among and moved, pruned, and job files dropped and accepted: each backup is of one
    moment, and a daemon goes on from it and makes every job of every file that was dropped before."""
    home.create()
    (home.root / "soundmill.yaml").write_text("retention: {failed_after_d: 0.00000001}\n")
    dropped: list[int] = []
    with daemon(home, "--max-attempts", "20"):
        for number in range(3):
            part = home.inbox / ".part"
            prompts = "".join(f'"clip {number} {row}",3,1\n' for row in range(8))
            part.write_text(f"prompt,count,keep_best\n{prompts}")
            part.rename(home.inbox / f"batch-{number}.csv")
            leave_word(home.control, Control(action="prune", target="retention"), f"01P{number}")
            dropped.append(number + 1)
            wait_until(partial(has_takes, home, 24 * number + 5))
            assert soundmill("backup", str(folder)).exit_code == 0
    backups = Store(folder).backups()
    assert len(backups) == 3
    for backup, files in zip(backups, dropped, strict=True):
        other = Home(tmp_path / f"restored-{files}")
        assert on(other, soundmill, "restore", str(folder), "--backup", backup.name).exit_code == 0
        assert on(other, soundmill, "verify").exit_code == 0
        run_to_the_end(other)
        assert rows(other, "SELECT count(*), sum(status = 'succeeded') FROM jobs") == [(24 * files, 24 * files)]
        assert rows(other, "SELECT count(*), count(DISTINCT sha256) FROM batches") == [(files, files)]
        assert on(other, soundmill, "verify").exit_code == 0


def test_a_take_that_is_being_filed_has_no_row_yet_and_stays_out(
    home: Home, other: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 2)
    first, second = sorted(home.outputs.rglob("*.wav"))
    for name in ("songs/filed-just-now.wav", "songs/filed-just-now.wav.json", "songs/notes.txt"):
        (home.outputs / name).write_bytes(first.read_bytes())
    assert soundmill("backup", str(folder)).exit_code == 0
    assert on(other, soundmill, "restore", str(folder)).exit_code == 0
    assert sorted(path.name for path in other.outputs.rglob("songs/*.wav")) == [first.name, second.name]
    assert (other.outputs / "songs" / "notes.txt").is_file()
    assert on(other, soundmill, "verify").exit_code == 0


def test_missing_and_damaged_takes_come_back_while_the_daemon_runs(
    home: Home, soundmill: Command, folder: Path
) -> None:
    work(home, "songs.csv", 4)
    soundmill("backup", str(folder))
    whole = content(home)
    first, second, third, _ = sorted(home.outputs.rglob("*.wav"))
    first.unlink()
    first.with_name(f"{first.name}.json").unlink()
    second.write_bytes(second.read_bytes()[::-1])
    with serving(home) as service:
        back = soundmill("restore", str(folder), "--missing")
        assert back.exit_code == 0 and "2 takes put back" in back.output
        drop(home, "more.csv", 1)
        until(service, lambda: rows(home, "SELECT count(*) FROM jobs WHERE status = 'succeeded'") == [(5,)])
        third.unlink()
        soundmill("backup", str(folder))
        shutil.rmtree(folder / "objects")
        lost = soundmill("restore", str(folder), "--missing")
    assert lost.exit_code == 1 and "1 take could not be put back" in lost.output
    for path in (first, second):
        assert path.read_bytes() == whole[path.relative_to(home.root).as_posix()]


def test_a_catalogue_of_an_earlier_release_is_backed_up_as_it_is(
    home: Home, other: Home, soundmill: Command, folder: Path
) -> None:
    """Before an upgrade is when a backup is wanted most."""
    home.create()
    data = Path(__file__).resolve().parents[2] / "data" / "catalogue-d948915.db.gz"
    home.catalog.write_bytes(gzip.decompress(data.read_bytes()))
    for (path,) in rows(home, "SELECT path FROM outputs"):
        place = home.outputs / str(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"another file")
    made = soundmill("backup", str(folder))
    assert made.exit_code == 1 and "42 takes missing or damaged" in made.output
    assert on(other, soundmill, "restore", str(folder)).exit_code == 0
    assert table(other, "outputs") == table(home, "outputs")


def test_a_store_of_a_newer_format_is_refused(folder: Path) -> None:
    Store.create(folder)
    (folder / "soundmill-backup.json").write_text('{"format": 2}')
    with pytest.raises(UsageError, match="newer Soundmill"):
        Store(folder)
