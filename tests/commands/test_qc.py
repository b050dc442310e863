"""`soundmill qc` on files that are not as they should be."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from commands.conftest import Command, parsed
from soundmill.commands import qc
from soundmill.jobs import QualityKind
from soundmill.quality.limits import Limits, limits_of

RATE = 44_100


def sweep(seconds: float = 8.0) -> NDArray[np.float64]:
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [0.1 * np.sin(2 * np.pi * hz * time * (1 + 0.05 * time)) for hz in (110, 220, 331, 447)]
    return np.asarray(np.sum(tones, axis=0))


def row_of(soundmill: Command, path: Path) -> dict[str, Any]:
    result = soundmill("qc", "--json", str(path))
    [row] = parsed(result)
    assert (result.exit_code == 0) is (row["verdict"] == "passed")
    return dict(row)


@pytest.mark.parametrize(
    ("suffix", "said"),
    [
        ("wav", "The file is cut short: 8.00 s announced, 4.00 s are there."),
        ("aiff", "The file is cut short: 8.00 s announced, 4.00 s are there."),
        ("mp3", "The file is cut short: 8.00 s announced, 3."),
        ("flac", "The file is damaged or cut short: 8.00 s announced, 3."),
    ],
)
def test_a_file_cut_short_fails_and_says_what_is_missing(
    soundmill: Command, tmp_path: Path, suffix: str, said: str
) -> None:
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, sweep(), RATE)
    whole = row_of(soundmill, path)
    assert whole["verdict"] == "passed"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    row = row_of(soundmill, path)
    assert (row["verdict"], row["failed_checks"]) == ("failed", ["whole_file"])
    assert row["reasons"][0].startswith(said) and row["score"] < 10


def test_a_stream_without_a_length_is_whole(soundmill: Command, tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    soundfile.write(path, sweep(), RATE)
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert row_of(soundmill, path)["verdict"] == "passed"


@pytest.mark.parametrize(
    ("name", "format", "subtype"),
    [("a.opus", "OGG", "OPUS"), ("a.ogg", "OGG", "VORBIS"), ("a.AIF", "AIFF", "PCM_16"), ("a.mp3", "MP3", None)],
)
def test_a_folder_is_searched_for_every_kind_of_file_that_can_be_read(
    soundmill: Command, tmp_path: Path, name: str, format: str, subtype: str | None
) -> None:
    tones = resample_poly(sweep(3.0), 160, 147)  # Opus has no 44.1 kHz
    with soundfile.SoundFile(tmp_path / name, "w", 48_000, 1, subtype, format=format) as file:
        for at in range(0, tones.size, 4096):
            file.write(tones[at : at + 4096])
    row = row_of(soundmill, tmp_path)
    assert (Path(row["file"]).name, row["verdict"], row["sample_rate"]) == (name, "passed", 48_000)
    assert row["measurements"]["duration_s"] == pytest.approx(3.0)


def test_an_empty_file_is_called_empty(soundmill: Command, tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0), RATE)
    row = row_of(soundmill, path)
    assert (row["verdict"], row["error"]) == ("unjudged", "The file is empty: it holds no samples.")
    soundfile.write(path, sweep(), RATE)
    path.write_bytes(path.read_bytes()[:44])
    assert row_of(soundmill, path)["error"] == "The file is cut short: it holds none of the sound it announces."
    path.write_bytes(b"")
    row = row_of(soundmill, path)
    assert (row["verdict"], row["error"]) == ("unjudged", "The file is empty: it has 0 bytes.")


def test_what_cannot_be_read_is_named_once_in_its_row(soundmill: Command, tmp_path: Path) -> None:
    path = tmp_path / "junk.wav"
    path.write_text("not audio")
    row = row_of(soundmill, path)
    assert row["verdict"] == "unreadable"
    assert row["error"].startswith("The file cannot be read as audio; ") and row["error"].endswith("recognised).")
    assert soundmill("qc", str(path)).stdout.count("junk.wav") == 1


def test_what_is_too_short_to_be_judged_is_not_passed(soundmill: Command, tmp_path: Path) -> None:
    path = tmp_path / "tick.wav"
    soundfile.write(path, sweep()[1000:1200], RATE)
    row = row_of(soundmill, path)
    assert row["verdict"] == "unjudged"
    assert row["error"] == "The file is too short to be judged: 4.5 ms; at least 25 ms are needed."
    soundfile.write(path, sweep()[1000:2200], RATE)
    assert row_of(soundmill, path)["verdict"] != "unjudged"
    assert "too short" not in soundmill("qc", str(path)).output


def test_a_spreadsheet_runs_no_name_of_a_file(
    soundmill: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("=cmd().wav", "-dash.wav", "plain.wav"):
        soundfile.write(name, sweep(3.0), RATE)
    Path("@broken.wav").write_text("not audio")
    out = soundmill("qc", "--csv", "--", "=cmd().wav", "-dash.wav", "plain.wav", "@broken.wav").stdout
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["file"] for row in rows] == ["'=cmd().wav", "'-dash.wav", "plain.wav", "'@broken.wav"]
    assert rows[3]["why"].startswith("The file cannot be read")
    assert float(rows[2]["loudness_lufs"]) < 0


def test_csv_says_what_is_wrong_in_what_kind_of_file_in_numbers_of_six_digits(
    soundmill: Command, tmp_path: Path
) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.stack([sweep()] * 2, axis=1), RATE)
    path.write_bytes(path.read_bytes()[: RATE * 16])
    row = row_of(soundmill, path)
    [line] = csv.DictReader(io.StringIO(soundmill("qc", "--csv", str(path)).stdout))
    assert line["why"] == " ".join(row["reasons"]) and "The file is cut short" in line["why"]
    assert (line["kind"], line["sample_rate"], line["channels"]) == ("music", str(RATE), "2")
    for name, value in row["measurements"].items():
        if value is None:
            assert line[name] == ""
            continue
        assert float(line[name]) == pytest.approx(value, rel=5.1e-6)
        digits = line[name].partition("e")[0].replace("-", "").replace(".", "").strip("0")
        assert len(digits) <= 6, (name, line[name])
    assert any(len(repr(value)) > 12 for value in row["measurements"].values())  # --json has them whole


def test_files_of_any_length_come_back_in_order_and_long_ones_are_judged_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only this process judges what is long; what it judges is seen here."""
    lengths = [1.0, 3.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0]
    paths = [tmp_path / f"{number}.wav" for number in range(len(lengths))]
    for path, seconds in zip(paths, lengths, strict=True):
        soundfile.write(path, sweep(seconds), RATE)
    monkeypatch.setattr(qc, "LONG_SAMPLES", 2 * RATE)
    here: list[str] = []
    judge_file = qc.judge_file

    def seen(path: Path, limits: Limits, kind: QualityKind) -> dict[str, object]:
        here.append(path.name)
        return judge_file(path, limits, kind)

    monkeypatch.setattr(qc, "judge_file", seen)
    rows = list(qc.judge_files(paths, limits_of(QualityKind.CUSTOM), QualityKind.MUSIC, processes=2))
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    assert here == ["1.wav", "4.wav"]


@pytest.mark.parametrize(("free_gb", "processes"), [(64, 8), (4, 3), (0.5, 1)])
def test_no_more_processes_work_at_once_than_half_of_the_free_memory_holds(
    free_gb: float, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = psutil.virtual_memory()._replace(available=int(free_gb * 1e9))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert qc.at_once(files=1000, processes=8) == processes


def test_what_the_checks_cannot_tell_apart_is_said_and_shown_in_whole_points(
    soundmill: Command, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", sweep(), RATE)
    both = soundmill("qc", str(tmp_path))
    assert "The checks cannot tell these apart: listen." in both.output
    assert [line.split("\t")[1:3] for line in both.stdout.splitlines()[1:]] == [["passed", "100"]] * 2
    assert "cannot tell" not in soundmill("qc", str(tmp_path / "a.wav")).output
    assert "cannot tell" not in soundmill("qc", str(tmp_path), "--json").output
