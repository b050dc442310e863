"""`soundmill identify` by sound alone, `soundmill like`, and takes of a delivery that are the same."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from commands.conftest import Command, parsed
from soundmill.audio.fingerprint.fingerprint import fingerprint
from soundmill.audio.resample import resample
from soundmill.home import Home

RATE = 16_000


def melody(seed: int, lowest_hz: float = 110.0) -> NDArray[np.float32]:
    """Six seconds of plucked notes, [1, time]."""
    drawn = np.random.default_rng(seed)
    sound = np.zeros(6 * RATE)
    for start in np.sort(drawn.integers(0, 5 * RATE, 30)):
        time = np.arange(RATE) / RATE
        pitch_hz = lowest_hz * 2 ** (drawn.integers(36) / 12)
        sound[start : start + RATE] += 0.1 * np.sin(2 * np.pi * (pitch_hz * time + drawn.random())) * np.exp(-4 * time)
    return np.asarray(sound[None], np.float32)


def piece(path: Path, samples: NDArray[np.float32], *, cut_s: float) -> Path:
    """What somebody else made of a take: cut, half as loud, at 44.1 kHz, as MP3 and without any metadata."""
    made = resample(0.5 * samples[:, round(cut_s * RATE) :], RATE, 44_100)
    soundfile.write(path, made.T, 44_100, format="MP3", bitrate_mode="CONSTANT", compression_level=2 / 3)
    return path


def replace(home: Home, file: Path, samples: NDArray[np.float32]) -> None:
    """Make a take sound so, as if it had been generated so."""
    soundfile.write(file, samples.T, RATE)
    with sqlite3.connect(home.catalog) as db:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        path = file.relative_to(home.outputs).as_posix()
        db.execute("UPDATE outputs SET sha256 = ?, sample_rate = ? WHERE path = ?", (sha256, RATE, path))


@pytest.fixture
def sounding(worked_home: Home) -> list[Path]:
    """The files of the three takes, each a melody of its own number."""
    files = sorted((worked_home.outputs / "songs").glob("*.wav"))
    for number, file in enumerate(files):
        replace(worked_home, file, melody(number))
    return files


def remember(home: Home, files: list[Path]) -> None:
    """What the engine would have brought with the takes."""
    with sqlite3.connect(home.catalog) as db:
        for number, file in enumerate(files):
            path = file.relative_to(home.outputs).as_posix()
            (output,) = db.execute("SELECT id FROM outputs WHERE path = ?", (path,)).fetchone()
            db.execute("INSERT INTO fingerprints VALUES (?, ?)", (output, fingerprint(melody(number), RATE)))


@pytest.mark.parametrize("remembered", [True, False])
def test_a_piece_without_metadata_is_identified_by_its_sound(
    soundmill: Command, worked_home: Home, sounding: list[Path], tmp_path: Path, remembered: bool
) -> None:
    """Also among takes from before there were fingerprints."""
    if remembered:
        remember(worked_home, sounding)
    done = soundmill("identify", str(piece(tmp_path / "unknown.mp3", melody(1), cut_s=2.5)), "--json")
    found = parsed(done)
    assert found["take"] == f"songs/{sounding[1].stem}"
    assert found["found_by"] == "fingerprint"
    assert found["coherence"] > 0.8
    assert found["begins_s"] == pytest.approx(2.5, abs=0.02)
    assert found["sounds_as"] == []
    assert ("reading the files" in done.stderr) is not remembered


def test_a_take_whose_file_was_pruned_is_still_identified(
    soundmill: Command, worked_home: Home, sounding: list[Path], tmp_path: Path
) -> None:
    remember(worked_home, sounding)
    sounding[1].unlink()
    found = parsed(soundmill("identify", str(piece(tmp_path / "unknown.mp3", melody(1), cut_s=1.0)), "--json"))
    assert (found["take"], found["coherence"]) == (f"songs/{sounding[1].stem}", None)


def test_a_sound_of_nobodys_is_identified_as_none(
    soundmill: Command, worked_home: Home, sounding: list[Path], tmp_path: Path
) -> None:
    remember(worked_home, sounding)
    done = soundmill("identify", str(piece(tmp_path / "unknown.mp3", melody(77), cut_s=1.0)))
    assert done.exit_code == 1
    assert "is no take of this catalogue" in done.output


def test_takes_that_are_the_same_sound_are_named_by_identify_and_by_a_delivery(
    soundmill: Command, worked_home: Home, sounding: list[Path], tmp_path: Path
) -> None:
    replace(worked_home, sounding[2], 0.7 * melody(0))
    found = parsed(soundmill("identify", str(piece(tmp_path / "unknown.mp3", melody(0), cut_s=1.0)), "--json"))
    assert {found["take"], *found["sounds_as"]} == {f"songs/{sounding[0].stem}", f"songs/{sounding[2].stem}"}
    done = soundmill("deliver", "songs", "--to", str(tmp_path / "out"))
    assert f"songs/{sounding[2].stem}: is the same sound as songs/{sounding[0].stem}" in done.output
    assert f"songs/{sounding[1].stem}: is the same" not in done.output


def test_takes_like_one_are_shown_the_nearest_first(
    soundmill: Command, worked_home: Home, sounding: list[Path], tmp_path: Path
) -> None:
    for number, lowest_hz in enumerate((100.0, 1500.0, 110.0)):
        replace(worked_home, sounding[number], melody(number, lowest_hz))
    found = parsed(soundmill("like", f"songs/{sounding[0].stem}", "--json"))
    assert [each["take"] for each in found] == [f"songs/{sounding[2].stem}", f"songs/{sounding[1].stem}"]
    assert 0 < found[0]["distance"] < found[1]["distance"]
    stranger = tmp_path / "mine.wav"
    soundfile.write(stranger, melody(9, 1500.0).T, RATE)
    assert parsed(soundmill("like", str(stranger), "-n", "1", "--json"))[0]["take"] == f"songs/{sounding[1].stem}"
    assert sounding[2].stem in soundmill("like", f"songs/{sounding[0].stem}").output
    (tmp_path / "text.wav").write_text("no sound")
    assert soundmill("like", str(tmp_path / "text.wav")).exit_code == 1
    assert soundmill("like", "songs/nothing").exit_code in (1, 2)


def test_json_and_rerun_are_two_answers(soundmill: Command, worked_home: Home, sounding: list[Path]) -> None:
    done = soundmill("identify", str(sounding[0]), "--json", "--rerun")
    assert done.exit_code == 2
    assert "take one of them" in done.output
