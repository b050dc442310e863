"""A batch with a name in another script does all that any batch does, also where the locale is C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest
from rich.cells import cell_len

from commands.conftest import Command, parsed
from commands.test_terminal import on_terminal
from service.conftest import config, never_ending, quick_engine, serving, until
from soundmill.catalog.reader import Reader
from soundmill.home import Home
from soundmill.inbox.control import pending
from soundmill.service.daemon import Service

PROMPTS = ("湖邊的豎琴", "🎻🥁", "مقطوعة هادئة", "песня ночи", "धीमी बाँसुरी")
NAMES = tuple(f"{n:04}-{prompt.replace(' ', '-')}" for n, prompt in enumerate(PROMPTS, 1))


def put(home: Home, name: str, text: str) -> None:
    (home.inbox / f".{name}.part").write_text(text, encoding="utf-8")
    (home.inbox / f".{name}.part").rename(home.inbox / name)


@pytest.fixture
def music(home: Home) -> Home:
    """A home with the finished batch 音乐, of a clip for each of PROMPTS."""
    home.create()
    put(home, "音乐.csv", "prompt\n" + "".join(f"{prompt}\n" for prompt in PROMPTS))
    work(home)
    return home


def work(home: Home) -> None:
    Service(home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine).run(
        once=True
    )


def started(home: Home, *words: str) -> subprocess.Popen[bytes]:
    """The command in an environment that names no language, as cron, systemd and containers have it."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "HOME") if key in os.environ}
    command = [sys.executable, "-m", "soundmill", "--home", str(home.root), *words]
    environment = kept | {"LC_ALL": "C", "LANG": "C"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def in_c_locale(home: Home, *words: str) -> tuple[int, str, str]:
    """Exit status, what it says and what is wrong of such a command."""
    with started(home, *words) as process:
        said, wrong = process.communicate(timeout=60)
    return process.returncode, said.decode("utf-8"), wrong.decode("utf-8")


def test_catalogue_folders_and_sidecars_have_the_names(music: Home, soundmill: Command) -> None:
    rows = parsed(soundmill("jobs", "音乐", "--json"))
    assert [(row["batch"], row["job"], row["status"]) for row in rows] == [("音乐", n, "succeeded") for n in NAMES]
    for row in rows:
        assert row["audio"] == f"音乐/{row['job']}.wav"
        sidecar = json.loads((music.outputs / f"{row['audio']}.json").read_text(encoding="utf-8"))
        assert (sidecar["batch"], sidecar["job"]) == ("音乐", row["job"])
    assert sorted(path.name for path in (music.outputs / "音乐").glob("*.wav")) == sorted(f"{n}.wav" for n in NAMES)


def test_every_command_takes_the_name_and_says_it(music: Home, soundmill: Command) -> None:
    first = f"音乐/{NAMES[0]}"
    assert "音乐: already finished (5 succeeded)" in soundmill("cancel", "音乐").output
    assert f"{first}: has succeeded already" in soundmill("retry", first).output
    assert "did you mean 音乐?" in soundmill("cancel", "音楽").output
    assert f"did you mean 音乐/{NAMES[3]}?" in soundmill("retry", "音乐/0004-песня-ночь").output
    assert f"rate {first}.wav (4 stars)" in soundmill("rate", first, "4").output
    assert f"rate 音乐/{NAMES[1]}.wav" in soundmill("rate", str(music.outputs / f"音乐/{NAMES[1]}.wav"), "5").output
    assert len(pending(music.control)) == 2
    work(music)
    with Reader.open(music.catalog) as reader:
        assert [row["stars"] for row in reader.takes("音乐")][::-1].count(None) == 3
    report = soundmill("report", "音乐")
    assert report.exit_code == 0 and "音乐/report.html" in report.output
    page = (music.outputs / "音乐/report.html").read_text(encoding="utf-8")
    assert "0004-%D0%BF%D0%B5%D1%81%D0%BD%D1%8F-%D0%BD%D0%BE%D1%87%D0%B8.wav" in page and NAMES[3] in page


def test_cancel_pause_resume_and_retry_reach_the_batch(home: Home) -> None:
    home.create()
    put(home, "音乐.csv", "prompt,count\n湖邊的豎琴,4\n")
    with serving(home, engine_for=never_ending) as service, Reader.open(home.catalog) as reader:
        until(service, lambda: bool(reader.batches()) and reader.batches()[0]["n_running"] == 2)
        for action, target, status in (
            ("pause", "音乐", "paused"),
            ("resume", "音乐", "running"),
            ("cancel", "音乐", "finished"),
            ("retry", "音乐/0001-湖邊的豎琴-r2", "running"),
        ):
            with started(home, action, target) as process:
                until(service, lambda process=process: process.poll() is not None)
                assert process.returncode == 0 and process.stdout and target in process.stdout.read().decode("utf-8")
            assert reader.batch("音乐")["status"] == status


@pytest.mark.parametrize("words", [("status",), ("jobs", "音乐"), ("jobs", "音乐", "--json"), ("report", "音乐")])
def test_where_the_locale_is_c_all_is_written_as_ever(music: Home, words: tuple[str, ...]) -> None:
    status, said, wrong = in_c_locale(music, *words)
    assert status == 0 and "音乐" in said and not wrong


def test_a_daemon_whose_locale_is_c_files_the_same_names(home: Home) -> None:
    home.create()
    put(home, "音乐.csv", "prompt,model\n湖邊的豎琴,no-such-model\n")
    put(home, "Музыка.csv", "prompt,model,duration\nпесня ночи,tiny,0.5\n")
    in_c_locale(home, "run", "--once", "--no-web")
    (errors,) = (home.inbox / "rejected").glob("*/音乐.csv.errors.txt")
    assert "no-such-model" in errors.read_text("utf-8")
    assert (home.outputs / "музыка/0001-песня-ночи.wav").is_file()


def test_a_macs_spelling_means_the_same_batch_and_file(home: Home, soundmill: Command) -> None:
    home.create()
    apart = unicodedata.normalize("NFD", "Été à Rügen")
    put(home, f"{apart}.csv", f"prompt,id\na bell,{apart}\n")
    work(home)
    assert [row["audio"] for row in parsed(soundmill("jobs", "été-à-rügen", "--json"))] == [
        "été-à-rügen/Été-à-Rügen.wav"
    ]
    typed = unicodedata.normalize("NFD", "été-à-rügen/Été-à-Rügen")
    assert "has succeeded already" in soundmill("cancel", typed).output
    assert "rate été-à-rügen/Été-à-Rügen.wav" in soundmill("rate", f"{typed}.wav", "3").output


def test_batches_whose_names_a_file_system_may_take_for_one_get_numbers(home: Home, soundmill: Command) -> None:
    home.create()
    for name in ("STRASSE.csv", "Straße.csv", "straße (neu).csv", "音乐.csv"):
        put(home, name, f"prompt\n{name}\n")
        work(home)
    put(home, "音乐.yaml", "jobs: [x]\n")
    work(home)
    folders = sorted(path.name for path in home.outputs.iterdir() if path.is_dir())
    assert folders == ["strasse", "straße-2", "straße-neu", "音乐", "音乐-2"]


def test_a_zip_of_the_folder_gives_the_same_names_back(music: Home, tmp_path: Path) -> None:
    packed = tmp_path / "batch.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (music.outputs / "音乐").iterdir():
            archive.write(path, f"音乐/{path.name}")
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "there")
    assert {f"{name}.wav" for name in NAMES} <= {path.name for path in (tmp_path / "there/音乐").iterdir()}


@pytest.mark.parametrize("width", [40, 60, 100])
def test_wide_letters_keep_the_columns_of_a_terminal_in_line(width: int) -> None:
    columns = {"batch": "batch", "job": "job", "status": "status"}
    rows = [{"batch": "音乐" * 3, "job": name, "status": "succeeded"} for name in NAMES]
    lines = on_terminal(rows, columns, width, names=2)
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    if width == 100:
        at = {cell_len(line[: line.index("succeeded")]) for line in lines if "succeeded" in line}
        assert at == {cell_len(lines[0][: lines[0].index("status")])}


def test_soundmill_yaml_may_say_how_clips_are_called(home: Home, soundmill: Command) -> None:
    home.create()
    home.config_file.write_text("default_model: tiny\nname: MX_{place}_{take:02}\n")
    table = home.root / "town.csv"
    table.write_text("prompt,Place,count\na market,Marché,2\n", encoding="utf-8")
    (preview,) = parsed(soundmill("check", str(table), "--json"))
    assert [job["job"] for job in preview["first"]] == ["MX_Marché_01", "MX_Marché_02"]
    home.config_file.write_text("name: MX_{place\n")
    for words in (("check", str(table)), ("run", "--once", "--no-web")):
        refused = soundmill(*words)
        assert refused.exit_code != 0 and "soundmill.yaml: name: has a lone {" in refused.output
