"""judge_audio: the daemon's checks on samples and files, for notebooks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundmill.commands.judging import TooShort, judge_audio
from soundmill.errors import MissingInput
from soundmill.jobs import QualityKind, Verdict

RATE = 44_100
TIME = np.arange(8 * RATE) / RATE
SWEEP = np.sum([0.1 * np.sin(2 * np.pi * hz * TIME * (1 + 0.05 * TIME)) for hz in (110, 220, 331, 447)], axis=0)


def test_samples_and_the_file_that_holds_them_are_judged_alike(tmp_path: Path) -> None:
    path = tmp_path / "sweep.wav"
    soundfile.write(path, SWEEP, RATE, subtype="FLOAT")
    from_file, from_array = judge_audio(path), judge_audio(SWEEP, RATE)
    assert judge_audio(str(path)) == from_file
    assert (from_file.verdict, from_file.sample_rate, from_file.channels) == (Verdict.PASSED, RATE, 1)
    assert from_array.measurements == from_file.measurements and from_array.ruleset == from_file.ruleset
    assert [check.name for check in from_file.checks] == ["whole_file", *(check.name for check in from_array.checks)]


def test_samples_are_left_as_they_are() -> None:
    samples = np.stack([SWEEP, SWEEP]).astype(np.float32)
    before = samples.copy()
    assert judge_audio(samples, RATE).channels == 2
    assert np.array_equal(samples, before)


def test_kind_and_limits_decide() -> None:
    stepping = SWEEP.copy()
    stepping[5 * RATE :] = 0
    assert [check.name for check in judge_audio(stepping, RATE).failed] == ["silence"]
    assert judge_audio(stepping, RATE, kind="sound_effects").kind is QualityKind.SOUND_EFFECTS
    assert judge_audio(stepping, RATE, limits={"silence_share_max": 0.5}).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("samples", "rate", "said"),
    [
        (SWEEP, None, "sample rate"),
        (SWEEP, 0, "sample rate"),
        ((SWEEP * 32767).astype(np.int16), RATE, "samples of int16: floating-point"),
        (np.stack([SWEEP, SWEEP], axis=1), RATE, r"must be \[time\] or \[channels, time\]"),
        (SWEEP[None, None], RATE, "must be"),
    ],
)
def test_what_are_no_samples_is_refused(samples: object, rate: int | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        judge_audio(samples, rate)  # type: ignore[arg-type]


def test_an_unknown_kind_or_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="musik"):
        judge_audio(SWEEP, RATE, kind="musik")
    with pytest.raises(ValueError, match="no such limit: click_max"):
        judge_audio(SWEEP, RATE, limits={"click_max": 1})


def test_too_little_sound_and_no_audio_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TooShort, match=r"The clip is too short to be judged: 0\.0 ms; at least 25 ms are needed"):
        judge_audio(SWEEP[:0], RATE)
    junk = tmp_path / "junk.wav"
    junk.write_text("not audio")
    with pytest.raises(MissingInput, match="cannot be read as audio"):
        judge_audio(junk)
    with pytest.raises(FileNotFoundError):
        judge_audio(tmp_path / "gone.wav")


def test_numpy_is_loaded_when_it_is_called() -> None:
    probe = "import sys, soundmill.commands.judging; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
