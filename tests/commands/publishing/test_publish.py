"""`soundmill publish`: what is in a copy, what is not, and that it is whole or not there."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from soundmill.audio.decode import read_audio
from soundmill.catalog.keeping.freezing import last_name
from soundmill.catalog.keeping.snapshot import faults
from soundmill.cli import main
from soundmill.home import Home

from .conftest import SECRET

SAID = "SELECT o.path, o.format, t.size_bytes FROM takes t JOIN outputs o ON o.id = t.output_id"
Publish = Callable[..., Result]


@pytest.fixture
def publish(told: Home) -> Publish:
    def call(*arguments: str | Path, home: Home = told) -> Result:
        return CliRunner().invoke(main, ["--home", str(home.root), "publish", *map(str, arguments)])

    return call


def rows(copy: Path, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(copy / "catalog.db")
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files(copy: Path) -> dict[str, bytes]:
    return {str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_the_copy_holds_the_takes_that_count_and_every_file_of_them(
    publish: Publish, tmp_path: Path, told: Home
) -> None:
    done = publish(tmp_path / "site")
    assert done.exit_code == 0, done.output
    copy = tmp_path / "site"
    assert faults(copy / "catalog.db") == []
    shown = rows(copy, "SELECT audio, is_final, quarantined, rejected, job FROM takes")
    assert shown and all(row[1:4] == (1, 0, 0) for row in shown)
    assert not any(row[4] == "clip-002" and row[0].startswith("forest") for row in shown)  # somebody rejected it
    for audio, *_ in shown:
        sound, rate = read_audio(copy / "outputs" / audio)
        source, _ = read_audio((told.outputs / audio).with_suffix(".wav"))
        assert audio.endswith(".ogg") and (sound.shape, rate) == (source.shape, 8000)
        details = json.loads((copy / "outputs" / f"{audio}.json").read_text(encoding="utf-8"))
        assert details["audio"] == audio
    assert {str(path.relative_to(copy / "outputs")) for path in copy.rglob("*.ogg")} == {row[0] for row in shown}
    counts = rows(copy, "SELECT batch, job_count, n_succeeded, outputs, flagged FROM batch_progress ORDER BY 1")
    takes = rows(
        copy, "SELECT batch, count(*), count(*), count(*), sum(verdict = 'failed') FROM takes GROUP BY 1 ORDER BY 1"
    )
    assert counts == takes
    assert rows(copy, "SELECT count(*) FROM jobs_fts WHERE jobs_fts MATCH 'strings'")[0][0] > 0
    undrawn = "SELECT count(*) FROM takes t LEFT JOIN take_peaks p USING (output_id) WHERE p.data IS NULL"
    assert rows(copy, undrawn) == [(0,)]


@pytest.mark.parametrize("more", [(), ("--static",), ("--format", "as-is")])
def test_nothing_of_the_homes_own_business_is_in_it(
    publish: Publish, tmp_path: Path, told: Home, more: tuple[str, ...]
) -> None:
    assert publish(tmp_path / "copy", *more).exit_code == 0
    for name, content in files(tmp_path / "copy").items():
        if name.startswith("plugin/"):
            continue
        for private in (SECRET, str(told.root), "ann@example.com", "gpu-1", str(tmp_path)):
            assert private.encode() not in content, f"{name} holds {private}"
    if more == ("--static",):  # it has no catalogue
        return
    for view in ("event_log", "worker_board", "wish_answers", "rejected_files", "deliveries", "take_fingerprints"):
        assert rows(tmp_path / "copy", f"SELECT count(*) FROM {view}") == [(0,)], view
    assert rows(tmp_path / "copy", "SELECT key FROM settings") == [("views",)]
    said = rows(tmp_path / "copy", "SELECT DISTINCT who, note FROM ratings_list UNION SELECT who, note FROM picks_list")
    assert said and all(re.fullmatch(r"listener \d", who) and note is None for who, note in said)
    assert ("mine",) in rows(tmp_path / "copy", "SELECT DISTINCT model FROM takes")


def test_batches_and_shortlists_are_chosen_by_name(publish: Publish, tmp_path: Path) -> None:
    publish(tmp_path / "one", "--batch", "sweep")
    assert rows(tmp_path / "one", "SELECT DISTINCT batch FROM takes") == [("sweep",)]
    publish(tmp_path / "two", "--list", "BEST", "--title", "Ours & <yours>")
    assert rows(tmp_path / "two", "SELECT count(*) FROM takes") == [(3,)]
    assert rows(tmp_path / "two", "SELECT shortlist, picks FROM shortlist_overview") == [("best", 3)]
    for wrong in (("--batch", "swep"), ("--list", "none")):
        done = publish(tmp_path / "three", *wrong)
        assert done.exit_code != 0 and not (tmp_path / "three").exists()
    assert "did you mean sweep" in publish(tmp_path / "three", "--batch", "swep").output


@pytest.mark.parametrize("name", ["ogg", "mp3", "as-is"])
def test_audio_becomes_what_is_asked_for(publish: Publish, tmp_path: Path, name: str, told: Home) -> None:
    publish(tmp_path / "copy", "--format", name, "--batch", "forest")
    suffix = "wav" if name == "as-is" else name
    for audio, said, size in rows(tmp_path / "copy", SAID):
        assert audio.endswith(f".{suffix}") and said == suffix
        assert (tmp_path / "copy" / "outputs" / audio).stat().st_size == size
        source, _ = read_audio((told.outputs / audio).with_suffix(".wav"))
        assert read_audio(tmp_path / "copy" / "outputs" / audio)[0].shape == source.shape
    if name == "as-is":
        same = (told.outputs / "forest" / "clip-001.wav").read_bytes()
        assert (tmp_path / "copy" / "outputs" / "forest" / "clip-001.wav").read_bytes() == same


def test_again_renews_it_and_takes_over_what_has_not_changed(publish: Publish, tmp_path: Path, told: Home) -> None:
    copy = tmp_path / "copy"
    publish(copy)
    number = len(list(copy.rglob("*.ogg")))
    (copy / "left behind").write_text("of somebody")
    first = sorted(copy.rglob("*.ogg"))[0]
    first.write_bytes(b"damaged")
    done = publish(copy, "--static")
    assert f"{number - 1} have not changed" in done.output
    assert (
        (copy / "index.html").is_file() and not (copy / "catalog.db").exists() and not (copy / "left behind").exists()
    )
    assert all(read_audio(path)[0].size for path in copy.rglob("*.ogg"))
    assert beside(tmp_path) == ["copy"]


def test_a_take_that_is_gone_or_another_leaves_what_stood(publish: Publish, tmp_path: Path, told: Home) -> None:
    mine = Home(tmp_path / "home")
    shutil.copytree(told.root, mine.root)
    publish(tmp_path / "copy", home=mine)
    before = files(tmp_path / "copy")
    (mine.outputs / "forest" / "clip-001.wav").unlink()
    (mine.outputs / "sweep" / "clip-001.wav").write_bytes(b"another")
    for path in (tmp_path / "copy").rglob("clip-001.ogg"):
        path.unlink()  # so that it cannot be taken over
        before.pop(str(path.relative_to(tmp_path / "copy")))
    done = publish(tmp_path / "copy", home=mine)
    assert done.exit_code == 1
    assert "cannot be read" in done.output and "is not the file that the catalogue knows" in done.output
    assert files(tmp_path / "copy") == before
    assert beside(tmp_path) == ["copy", "home"]


def test_a_copy_that_was_cut_short_between_the_old_and_the_new_one_is_mended(publish: Publish, tmp_path: Path) -> None:
    publish(tmp_path / "copy", "--batch", "sweep")
    (tmp_path / "copy").rename(tmp_path / ".copy.published-before")
    (tmp_path / ".copy.publishing").mkdir()
    done = publish(tmp_path / "copy", "--batch", "sweep")
    assert "8 have not changed" in done.output
    assert beside(tmp_path) == ["copy"]


def test_a_folder_that_holds_something_else_is_left_alone(publish: Publish, tmp_path: Path, told: Home) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    for where in (tmp_path / "mine", told.root, told.root.parent, told.outputs / "x", told.root / "inbox" / "x"):
        done = publish(where)
        assert done.exit_code == 2, where
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert not (told.outputs / "x").exists()


def test_a_home_without_takes_publishes_nothing(publish: Publish, tmp_path: Path, told: Home) -> None:
    done = publish(tmp_path / "copy", "--batch", "later")
    assert done.exit_code == 1 and "no take to publish" in done.output and not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/models/mine", "mine"), ("~/models/mine", "mine"), ("C:\\models\\mine", "mine"), ("/mine", "mine"),
        ("facebook/musicgen-small", "facebook/musicgen-small"), ("24/7", "24/7"), ("tiny", "tiny"), (None, None),
    ],
)  # fmt: skip
def test_of_a_path_from_the_root_its_last_name_is_left(text: str | None, expected: str | None) -> None:
    assert last_name(text) == expected


def test_the_command_needs_no_engine() -> None:
    probe = (
        "import sys, soundmill.commands.publishing.publish\n"
        "print([m for m in ('torch', 'audiocraft') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
