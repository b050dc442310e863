"""The whole way, with nothing in place of anything: a dropped file, the daemon, AudioCraft, files, rows, a rerun."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import soundfile
from recipe import checkpoint

from soundmill.audio.tags import read_tags
from soundmill.report import schema as report_schema
from soundmill.service import sidecar
from support.json_schema import problems


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which `run --once` has worked off three files: one for `tiny` and a model somebody trained, one with a
    name in another script, one whose model is not to be had."""
    home = tmp_path_factory.mktemp("end-to-end") / "home"
    soundmill(home, "init", "--model", "tiny")
    trained = checkpoint.build(home.parent / "trained", checkpoint.TEST_MUSICGEN, 1)
    (home / "inbox" / "songs.csv").write_text(
        "id,prompt,duration,format,temperature,scene,model\n"
        "calm,slow piano,1.5,wav,0.7,temple,\n"
        'chase,"fast drums, brass",1,mp3,1.3,arena,\n'
        f"bell,a bell,1,wav,1,temple,{trained}\n"
    )
    (home / "inbox" / "音乐.csv").write_text("prompt,duration\n湖邊的豎琴,1\n", encoding="utf-8")
    (home / "inbox" / "missing.csv").write_text("prompt,model\nany,facebook/musicgen-small\n")
    done = soundmill(home, "run", "--once", expect=1)
    assert "jobs: 1 failed" in done.stdout
    return home


def soundmill(
    home: Path, *words: str, expect: int = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "soundmill", "--home", str(home), *words],
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | (env or {}),
    )
    assert done.returncode == expect, done.stderr
    return done


def jobs(home: Path, batch: str) -> list[dict[str, Any]]:
    found = json.loads(soundmill(home, "jobs", batch, "--json").stdout)
    assert isinstance(found, list)
    return found


def test_the_audio_is_there_in_the_format_and_length_asked_for(home: Path) -> None:
    calm, chase, _ = jobs(home, "songs")
    assert (calm["audio"], chase["audio"]) == ("songs/calm.wav", "songs/chase.mp3")
    for row, seconds in ((calm, 1.5), (chase, 1.0)):
        info = soundfile.info(home / "outputs" / row["audio"])
        assert info.duration == pytest.approx(seconds, abs=0.05)


def test_every_file_says_how_it_was_made(home: Path) -> None:
    tags = read_tags(home / "outputs" / "songs/calm.wav")
    sidecar = json.loads((home / "outputs" / "songs/calm.wav.json").read_text())
    assert tags["prompt"] == sidecar["prompt"] == "slow piano"
    assert int(tags["seed"]) == sidecar["seed"] == jobs(home, "songs")[0]["seed"]
    assert sidecar["labels"] == {"scene": "temple"} and sidecar["temperature"] == 0.7
    assert {"torch", "audiocraft", "soundmill", "device"} <= sidecar["versions"].keys()


def test_a_model_that_cannot_be_had_fails_its_job_with_the_mend(home: Path) -> None:
    [row] = jobs(home, "missing")
    assert row["status"] == "failed"
    assert "soundmill models pull facebook/musicgen-small" in row["error"] and "default_model: tiny" in row["error"]


def test_a_take_can_be_made_again_from_its_row_to_the_last_sample(home: Path) -> None:
    """Then it ran beside another clip; now it runs alone, in a process of its own."""
    assert soundmill(home, "rerun", "songs/calm").stdout.strip() == "songs/calm: identical"


def test_a_take_named_in_another_script_is_tagged_so_and_made_again_also_in_the_c_locale(home: Path) -> None:
    tags = read_tags(home / "outputs" / "音乐/0001-湖邊的豎琴.wav")
    assert (tags["batch"], tags["job"], tags["prompt"]) == ("音乐", "0001-湖邊的豎琴", "湖邊的豎琴")
    again = soundmill(home, "rerun", "音乐/0001-湖邊的豎琴", env={"LC_ALL": "C", "LANG": "C"})
    assert again.stdout.strip() == "音乐/0001-湖邊的豎琴: identical"


def test_a_take_of_a_model_trained_anew_since_then_says_so(home: Path) -> None:
    """One name, other weights: the only thing that differs between then and now."""
    sidecar = json.loads((home / "outputs" / "songs/bell.wav.json").read_text())
    made_with = sidecar["versions"]["weights"]
    assert re.fullmatch(r"[0-9a-f]{16}", made_with)
    assert read_tags(home / "outputs" / "songs/bell.wav")["version_weights"] == made_with
    checkpoint.build(home.parent / "trained", checkpoint.TEST_MUSICGEN, 2)
    [said] = soundmill(home, "rerun", "songs/bell", expect=1).stdout.splitlines()
    found = re.fullmatch(
        rf"songs/bell: samples differ by up to \S+ of full scale; the weights differ: made with {made_with}, now (\w+)",
        said,
    )
    assert found and found[1] != made_with


def test_the_bench_says_how_fast_the_device_is_and_leaves_the_home_alone(home: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    said = json.loads(soundmill(home, "bench", "--clips", "3", "--duration", "0.5", "--json").stdout)
    assert {row["model"] for row in said} == {"tiny"}
    assert all(row["clips_per_h"] > 0 for row in said)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_what_lies_beside_the_takes_is_what_the_schemas_say(home: Path) -> None:
    folder = home / "outputs" / "songs"
    sidecars = sorted(folder.glob("*.*.json"))
    assert len(sidecars) == 3
    for file in sidecars:
        assert problems(sidecar.schema(), json.loads(file.read_text(encoding="utf-8"))) == []
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert problems(report_schema.schema(), summary) == []
