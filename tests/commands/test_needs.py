"""What `check` says of the machine: weights to fetch and room for them, memory, and time at the speed measured here."""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from commands.conftest import Command, parsed
from soundmill.catalog.reader import Reader
from soundmill.commands import check as needs
from soundmill.commands import doctor
from soundmill.home import Home


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.csv"
    file.write_text("prompt,model,duration\na,facebook/musicgen-large,10\nb,facebook/musicgen-large,20\nc,tiny,4\n")
    return file


def test_a_model_that_is_not_here_is_named_with_size_room_and_licence(
    soundmill: Command, file: Path, hub: Path
) -> None:
    said = soundmill("check", str(file)).output
    assert "2 x facebook/musicgen-large; to be downloaded: about 7.7 GB, " in said
    assert "GB free, licence: CC-BY-NC-4.0" in said and "  1 x tiny\n" in said
    large, tiny = parsed(soundmill("check", "--json", str(file)))[0]["needs"]
    assert (large["here"], large["download_gb"], large["licence"]) == (False, 7.7, "CC-BY-NC-4.0")
    assert large["free_gb"] > 0 and (tiny["here"], tiny["download_gb"]) == (True, None)
    weights = hub / "models--facebook--musicgen-large" / "snapshots" / "x" / "state_dict.bin"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert parsed(soundmill("check", "--json", str(file)))[0]["needs"][0]["here"] is True


def test_too_little_room_and_too_little_memory_are_said(
    soundmill: Command, file: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "free_gb_at", lambda folder: (folder, 3.0))
    monkeypatch.setattr(needs, "memory_gb", lambda device: 8.0)
    said = soundmill("check", str(file)).output
    assert f"3.0 GB free, licence: CC-BY-NC-4.0; TOO LITTLE ROOM in {hub}" in said
    assert "MAY NOT FIT: it needs about 18 GB of memory, of 8.0 GB" in said
    large, tiny = parsed(soundmill("check", "--json", str(file)))[0]["needs"]
    assert (large["fits"], tiny["fits"]) == (False, True)


@pytest.mark.parametrize(("devices", "memory", "fits"), [(["cuda:0"], 10.0, True), (["cpu"], 10.0, False)])
def test_a_gpu_needs_half_of_what_a_cpu_does(
    monkeypatch: pytest.MonkeyPatch, devices: list[str], memory: float, fits: bool
) -> None:
    monkeypatch.setattr(needs, "memory_gb", lambda device: memory)
    (need,) = needs.needs({"facebook/musicgen-large": 1}, {"facebook/musicgen-large": 10.0}, {}, devices)
    assert need.fits is fits


def test_where_nobody_knows_the_memory_nothing_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "memory_gb", lambda device: None)
    (need,) = needs.needs({"tiny": 1}, {"tiny": 10.0}, {}, ["cuda:0"])
    assert need.fits is None and "FIT" not in str(need)


def test_time_is_told_at_the_measured_speed_and_not_where_nothing_was_measured() -> None:
    jobs, audio = {"tiny": 3, "facebook/musicgen-small": 1}, {"tiny": 600.0, "facebook/musicgen-small": 10.0}
    none = needs.needs(jobs, audio, {}, ["cpu"])
    assert needs.duration(none) == (None, "")
    part = needs.needs(jobs, audio, {"tiny": 0.5}, ["cpu"])
    assert needs.duration(part) == (
        None,
        "about 5 min of work at the speed measured here, and facebook/musicgen-small, never timed here",
    )
    both = needs.needs(jobs, audio, {"tiny": 0.5, "facebook/musicgen-small": 6.0}, ["cuda:0", "cuda:1"])
    assert needs.duration(both) == (180.0, "about 3 min of work at the speed measured here")


def test_the_catalogue_of_the_home_tells_the_speed(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    assert measured(worked_home) == {} or measured(worked_home)["tiny"] > 0
    with sqlite3.connect(worked_home.catalog) as db:
        db.execute("UPDATE model_totals SET device_s = 30, device_audio_s = 60 WHERE model = 'tiny'")
    db.close()
    worked_home.config_file.write_text("engine: {devices: [cpu]}\n")
    file = tmp_path / "jobs.csv"
    file.write_text("prompt,model,duration\n" + "a,tiny,20\n" * 12)
    assert parsed(soundmill("check", "--json", str(file)))[0]["seconds"] == 120.0
    assert "  about 2 min of work at the speed measured here\n" in soundmill("check", str(file)).output


def measured(home: Home) -> dict[str, Any]:
    with Reader.open(home.catalog) as reader:
        return reader.speeds()


def test_weights_of_a_folder_are_here_and_free_space_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    place, free = doctor.free_gb_at(tmp_path / "a" / "b")
    assert place == tmp_path and free > 0


def test_check_is_cheap_and_computes_nothing(soundmill: Command, home: Home, file: Path) -> None:
    """Seconds of one core's work, the best of five."""
    probe = (
        "import sys, resource; from soundmill.cli import main\n"
        f"try: main(['--home', {str(home.root)!r}, 'check', {str(file)!r}])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "names = ('torch', 'numpy', 'scipy', 'soundfile')\n"
        "print([name for name in names if name in sys.modules], used.ru_utime + used.ru_stime, file=sys.stderr)"
    )
    runs = [subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True) for _ in range(5)]
    assert {run.stderr.rsplit(" ", 1)[0] for run in runs} == {"[]"}, runs[0].stderr
    assert min(float(run.stderr.rsplit(" ", 1)[1]) for run in runs) < 0.6


def test_a_sparse_file_is_refused_in_milliseconds_by_check(soundmill: Command, tmp_path: Path) -> None:
    layout = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 44_100, 176_400, 4, 16)
    (tmp_path / "large.wav").write_bytes(
        b"RIFF" + struct.pack("<I", 2**31 - 8) + b"WAVE" + layout + b"data" + struct.pack("<I", 2**31 - 44)
    )
    os.truncate(tmp_path / "large.wav", 2**31)
    file = tmp_path / "jobs.csv"
    file.write_text("prompt,model,duration,continue_from\n" + "go on,tiny,10,large.wav\n" * 100)
    begun = time.perf_counter()
    result = soundmill("check", "--json", str(file))
    assert time.perf_counter() - begun < 2
    assert result.exit_code == 1
    assert {problem["line"] for problem in parsed(result)[0]["problems"]} == set(range(2, 102))
