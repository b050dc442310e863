"""`soundmill deliver` and `soundmill identify`, as people call them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest

from commands.conftest import Command, parsed
from service.conftest import serving, until
from soundmill.home import Home
from support.certificates import own_signing


def test_a_batch_goes_into_a_folder_with_a_manifest(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    done = soundmill("deliver", "songs", "--to", str(tmp_path / "out"), "--zip")
    assert done.exit_code == 0, done.output
    assert "3 files" in done.output
    assert "at -23 LUFS" in done.output
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "manifest.csv").read_text(encoding="utf-8-sig"))))
    assert [row["batch"] for row in rows] == ["songs"] * 3
    assert all((tmp_path / "out" / row["file"]).is_file() for row in rows)
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        assert {f"out/{row['file']}" for row in rows} < set(packed.namelist())
        assert not [name for name in packed.namelist() if "/." in name]


def test_outputs_stay_as_they_are(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in worked_home.outputs.rglob("*") if path.is_file()}
    soundmill("deliver", "songs", "--to", str(tmp_path / "out"), "--profile", "web")
    assert {path: path.read_bytes() for path in worked_home.outputs.rglob("*") if path.is_file()} == before


def test_a_batch_is_the_same_by_its_ulid(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    """The daemon names it so, a person by its name: into the same folder."""
    with sqlite3.connect(worked_home.catalog) as db:
        (ulid,) = db.execute("SELECT ulid FROM batches").fetchone()
    assert soundmill("deliver", ulid, "--to", str(tmp_path / "out")).exit_code == 0
    again = soundmill("deliver", "songs", "--to", str(tmp_path / "out"))
    assert "3 stood already" in again.output


def test_a_dry_run_names_the_files_and_writes_none(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    done = soundmill("deliver", "songs", "--to", str(tmp_path / "out"), "--dry-run")
    assert done.exit_code == 0
    assert done.output.count(".wav\tsongs/") == 3
    assert not (tmp_path / "out").exists()


def left(soundmill: Command, home: Home, *wish: str) -> None:
    """What the daemon has worked off."""
    assert soundmill(*wish).exit_code == 0
    with serving(home) as service:
        until(service, lambda: not list(home.control.glob("*.json")))


def test_what_people_rated_well_is_what_is_delivered(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    jobs = [job["job"] for job in parsed(soundmill("jobs", "songs", "--json"))]
    left(soundmill, worked_home, "rate", f"songs/{jobs[1]}", "5")
    left(soundmill, worked_home, "rate", f"songs/{jobs[2]}", "3")
    soundmill("deliver", "songs", "--to", str(tmp_path / "out"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["chosen"] == "rated 4 stars or more"
    assert [entry["job"] for entry in manifest["files"]] == [jobs[1]]


@pytest.mark.parametrize("name", ["Bösses", "BÖSSES"])
def test_a_shortlist_is_delivered_however_its_name_is_written(
    soundmill: Command, worked_home: Home, tmp_path: Path, name: str
) -> None:
    jobs = [job["job"] for job in parsed(soundmill("jobs", "songs", "--json"))]
    left(soundmill, worked_home, "pick", f"songs/{jobs[1]}", "--list", "Bösses")
    soundmill("deliver", name, "--to", str(tmp_path / "out"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["chosen"], [entry["job"] for entry in manifest["files"]]) == ("picked", [jobs[1]])


def test_takes_are_named_or_found_by_a_query(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    jobs = [job["job"] for job in parsed(soundmill("jobs", "songs", "--json"))]
    one = soundmill("deliver", f"songs/{jobs[0]}", f"songs/{jobs[2]}.wav", "--to", str(tmp_path / "named"))
    assert "2 files" in one.output, one.output
    for column in ("output_id", "audio", "*"):
        sql = f"select {column} from takes where position = 2"
        found = soundmill("deliver", sql, "--to", str(tmp_path / column.replace("*", "all")))
        assert "1 file," in found.output, found.output


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sogns", "did you mean songs"),
        ("select beauty from takes", "no such column"),
        ("select batch from takes", "must have a column output_id or audio"),
        ("select * from takes where 0", "no take to deliver"),
        ("delete from outputs", "no such"),
        ("with a as (select 1) delete from outputs", "readonly"),
    ],
)
def test_what_means_nothing_is_told(
    soundmill: Command, worked_home: Home, tmp_path: Path, target: str, said: str
) -> None:
    done = soundmill("deliver", target, "--to", str(tmp_path / "out"))
    assert done.exit_code in (1, 2)
    assert said in done.output
    assert not (tmp_path / "out").exists()
    with sqlite3.connect(worked_home.catalog) as db:
        assert db.execute("SELECT count(*) FROM outputs").fetchone() == (3,)


@pytest.mark.parametrize("folder", ["outputs", "outputs/songs", "inbox/x", "."])
def test_the_daemons_folders_are_not_delivered_into(soundmill: Command, worked_home: Home, folder: str) -> None:
    done = soundmill("deliver", "songs", "--to", str(worked_home.root / folder))
    assert done.exit_code == 2
    assert "deliver" in done.output


def test_what_may_not_be_sold_is_refused_unless_told(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    with sqlite3.connect(worked_home.catalog) as db:
        db.execute("UPDATE outputs SET licence = 'CC-BY-NC-4.0' WHERE id = 1")
        db.execute("UPDATE outputs SET licence = 'MIT' WHERE id > 1")
    to = ("--to", str(tmp_path / "out"))
    done = soundmill("deliver", "songs", *to, "--commercial")
    assert done.exit_code == 1
    assert "1 take of 3 may not be sold" in done.output
    assert "--allow-non-commercial" in done.output
    assert not (tmp_path / "out").exists()
    worked_home.config_file.write_text("profiles: {shop: {like: game, commercial: true}}\n")
    assert soundmill("deliver", "songs", *to, "--profile", "shop").exit_code == 1
    assert soundmill("deliver", "songs", *to, "--profile", "shop", "--allow-non-commercial").exit_code == 0
    assert soundmill("deliver", "songs", "--to", str(tmp_path / "free")).exit_code == 0


def test_a_profile_of_the_settings_is_used(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    worked_home.config_file.write_text("profiles: {studio: {like: game, folder: '', name: 'MX_{position:03}'}}\n")
    soundmill("deliver", "songs", "--to", str(tmp_path / "out"), "--profile", "studio")
    assert {path.name for path in (tmp_path / "out").glob("*.wav")} == {"MX_001.wav", "MX_002.wav", "MX_003.wav"}


@pytest.mark.parametrize("profile", ["game", "unity", "film", "web"])
def test_a_delivered_file_is_identified_also_renamed(
    soundmill: Command, worked_home: Home, tmp_path: Path, profile: str
) -> None:
    soundmill("deliver", "songs", "--to", str(tmp_path / "out"), "--profile", profile)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    entry = manifest["files"][1]
    stray = tmp_path / "somewhere" / f"renamed{Path(entry['file']).suffix}"
    stray.parent.mkdir()
    shutil.copy(tmp_path / "out" / entry["file"], stray)
    found = parsed(soundmill("identify", str(stray), "--json"))
    assert (found["take"], found["found_by"], found["delivered_as"]) == (entry["take"], "tags", None)
    assert (
        parsed(soundmill("identify", str(tmp_path / "out" / entry["file"]), "--json"))["delivered_as"] == entry["file"]
    )


def test_a_take_itself_is_identified_and_a_stranger_is_not(
    soundmill: Command, worked_home: Home, tmp_path: Path
) -> None:
    take = next((worked_home.outputs / "songs").glob("*.wav"))
    assert parsed(soundmill("identify", str(take), "--json"))["found_by"] == "content"
    assert f"soundmill rerun songs/{take.stem}" in soundmill("identify", str(take)).output
    stranger = tmp_path / "stranger.wav"
    stranger.write_bytes(b"RIFF....WAVE")
    done = soundmill("identify", str(stranger))
    assert done.exit_code == 1
    assert "is no take of this catalogue" in done.output


def test_a_take_that_fell_short_of_its_loudness_says_so(worked_home: Home) -> None:
    with sqlite3.connect(worked_home.catalog) as db:
        db.execute("UPDATE outputs SET normalization = 'loudness', normalization_target = -14")
        db.execute("UPDATE measurements SET loudness_lufs = -16.5 WHERE output_id = 1")
        db.execute("UPDATE measurements SET loudness_lufs = -13.9 WHERE output_id = 2")
        db.execute("UPDATE outputs SET normalization = 'none' WHERE id = 3")
        short = db.execute("SELECT loudness_short_lu FROM takes ORDER BY output_id").fetchall()
    assert short == [(2.5,), (0.0,), (None,)]


def test_the_settings_say_whose_certificate_signs(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    signing = own_signing(tmp_path)
    profiles = "profiles: {signed: {like: game, sign: true}}\n"
    worked_home.config_file.write_text(profiles)
    to = ("--to", str(tmp_path / "out"), "--profile", "signed")
    refused = soundmill("deliver", "songs", *to)
    assert refused.exit_code == 2
    assert "needs c2pa: certificate and key" in refused.output
    worked_home.config_file.write_text(f"{profiles}c2pa: {{certificate: {signing.certificate}, key: {signing.key}}}\n")
    assert soundmill("deliver", "songs", *to).exit_code == 0
    assert signing.key.read_text() not in (tmp_path / "out" / "manifest.json").read_text()
