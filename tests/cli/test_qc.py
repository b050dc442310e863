"""`soundmill qc` on files that are not as they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from cli.conftest import Command, parsed

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
