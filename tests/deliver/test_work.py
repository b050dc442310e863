"""A delivery: what comes out, and that it goes on where it was cut short."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wavinfo

from deliver.conftest import Takes, plan_of
from soundmill.audio.decode import read_audio
from soundmill.audio.encode import encode
from soundmill.audio.loudness import integrated_loudness
from soundmill.audio.tags import read_tags
from soundmill.audio.true_peak import true_peak_dbtp
from soundmill.deliver.archive import archive
from soundmill.deliver.journal import NAME
from soundmill.deliver.orders import Plan, gains_together
from soundmill.deliver.profile import Profile
from soundmill.deliver.work import Delivered, at_once, deliver
from soundmill.errors import SoundmillError, UsageError
from soundmill.jobs import AudioFormat

KILLED = """
import pickle, sys
from pathlib import Path
from soundmill.deliver.work import deliver

if __name__ == "__main__":
    plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    deliver(plan, Path(sys.argv[2]), processes=2, replace=False, progress=lambda done, due: print(done, flush=True))
"""


def run(plan: Plan, folder: Path, *, replace: bool = False) -> Delivered:
    return deliver(plan, folder, processes=1, replace=replace, progress=lambda done, due: None)


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_files_are_what_their_profile_and_the_manifest_say(takes: Takes, tmp_path: Path) -> None:
    plan = plan_of(
        takes(2), tmp_path / "outputs", folder="{scene}", name="MX_{job}", channels="stereo", loudness_lufs=-20
    )
    out = tmp_path / "out"
    done = run(plan, out)
    assert (done.made, done.removed) == (2, 0)
    assert set(content(out)) == {
        "market/MX_0001-tone.wav", "market/MX_0002-tone.wav", "manifest.json", "manifest.csv",
    }  # fmt: skip
    for entry in read_manifest(out)["files"]:
        samples, rate = read_audio(out / entry["file"])
        assert (samples.shape, rate) == ((2, 48_000), 48_000)
        assert integrated_loudness(samples, rate) == pytest.approx(-20.0, abs=0.3)
        assert entry["loudness_lufs"] == pytest.approx(integrated_loudness(samples, rate), abs=0.02)
        assert entry["true_peak_dbtp"] == pytest.approx(true_peak_dbtp(samples, rate), abs=0.02)
        assert entry["sha256"] == content(out)[entry["file"]]
        assert read_tags(out / entry["file"])["batch_ulid"] == "01JABCDEFGHJKMNPQRSTVWXYZ0"
    rows = list(csv.DictReader(io.StringIO((out / "manifest.csv").read_text(encoding="utf-8-sig"))))
    assert [row["label Scene"] for row in rows] == ["market", "market"]
    assert [row["factor style"] for row in rows] == ["jazz", "jazz"]
    assert [row["take"] for row in rows] == ["themes/0001-tone", "themes/0002-tone"]


def test_the_same_again_touches_nothing(takes: Takes, tmp_path: Path) -> None:
    plan, out = plan_of(takes(2), tmp_path / "outputs"), tmp_path / "out"
    run(plan, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")}
    assert run(plan, out).made == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")} == before


def test_a_file_that_went_or_changed_is_made_again(takes: Takes, tmp_path: Path) -> None:
    plan, out = plan_of(takes(3), tmp_path / "outputs"), tmp_path / "out"
    run(plan, out)
    first = content(out)
    (out / plan.files[0].path).unlink()
    (out / plan.files[1].path).write_bytes(b"somebody's")
    assert run(plan, out).made == 2
    assert content(out) == first


def test_another_setting_makes_the_files_anew(takes: Takes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(plan_of(takes(1), tmp_path / "outputs"), out)
    assert run(plan_of(takes(1), tmp_path / "outputs", loudness_lufs=-30), out).made == 1
    assert read_manifest(out)["files"][0]["loudness_lufs"] == pytest.approx(-30.0, abs=0.3)


def test_what_the_new_delivery_has_not_goes_unless_somebody_changed_it(takes: Takes, tmp_path: Path) -> None:
    all_, out = takes(4), tmp_path / "out"
    run(plan_of(all_, tmp_path / "outputs", folder="{job}"), out)
    changed = out / "0003-tone" / "0003-tone.wav"
    changed.write_bytes(changed.read_bytes() + b"x")
    (out / "notes.txt").write_text("mine")
    done = run(plan_of(all_[:2], tmp_path / "outputs", folder="{job}"), out)
    assert (done.made, done.removed, list(done.left)) == (0, 1, ["0003-tone/0003-tone.wav"])
    assert not (out / "0004-tone").exists()
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_of_another_delivery_is_left_alone_unless_told(takes: Takes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(plan_of(takes(1), tmp_path / "outputs"), out)
    other = plan_of(takes(1), tmp_path / "outputs", asked="songs", folder="other")
    with pytest.raises(UsageError, match="holds the delivery of themes by the profile game"):
        run(other, out)
    assert run(other, out, replace=True).removed == 1
    assert read_manifest(out)["of"] == "songs"


def test_a_file_of_somebody_elses_is_not_written_over(takes: Takes, tmp_path: Path) -> None:
    plan, out = plan_of(takes(1), tmp_path / "outputs"), tmp_path / "out"
    mine = out / plan.files[0].path
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match="is there already, and not from a delivery"):
        run(plan, out)
    assert mine.read_text() == "mine"


def test_what_cannot_be_delivered_is_told_and_the_rest_is_there(takes: Takes, tmp_path: Path) -> None:
    all_ = takes(3)
    source = tmp_path / "outputs" / all_[1].file
    was = source.read_bytes()
    source.write_bytes(was[:-100])
    plan, out = plan_of(all_, tmp_path / "outputs"), tmp_path / "out"
    with pytest.raises(SoundmillError, match="is not the file that the catalogue knows"):
        run(plan, out)
    assert not (out / "manifest.json").exists()
    source.write_bytes(was)
    assert run(plan, out).made == 1


def test_a_delivery_in_the_making_is_waited_for(takes: Takes, tmp_path: Path) -> None:
    """Two at once end with one delivery, which only one of them made."""
    plan, out = plan_of(takes(2), tmp_path / "outputs"), tmp_path / "out"
    out.mkdir()
    first_may_end, second_waits = threading.Event(), threading.Event()
    made = list[int]()

    def first(done: int, due: int) -> None:
        assert first_may_end.wait(60)

    def run_second() -> None:
        second = deliver(
            plan, out, processes=1, replace=False, progress=lambda done, due: None, waiting=second_waits.set
        )
        made.append(second.made)

    def run_first() -> None:
        made.append(deliver(plan, out, processes=1, replace=False, progress=first).made)

    threads = [threading.Thread(target=run_first)]
    threads[0].start()
    while not (out / NAME).exists() or not (out / NAME).read_text().strip():
        time.sleep(0.005)
    threads.append(threading.Thread(target=run_second))
    threads[1].start()
    assert second_waits.wait(60)
    first_may_end.set()
    for thread in threads:
        thread.join()
    assert made == [2, 0]
    assert not (out / NAME).exists()


@pytest.mark.parametrize("killed_after", [0, 3, 11])
def test_killed_at_any_moment_it_ends_with_the_same_folder(takes: Takes, tmp_path: Path, killed_after: int) -> None:
    """SIGKILL of the process that leads; those it started end by themselves, and nothing of theirs stays."""
    import pickle

    plan = plan_of(takes(16, seconds=2.0), tmp_path / "outputs", tables=("wwise",))
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(plan, whole)
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "plan"), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= killed_after:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    end = time.monotonic() + 30
    while _group_lives(process.pid):
        assert time.monotonic() < end, "a process of the pool outlived its parent"
        time.sleep(0.01)
    assert not (out / "manifest.json").exists()
    done = run(plan, out)
    assert done.made <= 16 - killed_after
    assert content(out) == content(whole)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    listed = subprocess.run(["ps", "-o", "stat=", "-g", str(group)], capture_output=True, text=True, check=False)
    return any(not state.startswith("Z") for state in listed.stdout.split())


def test_a_stray_part_file_and_a_torn_journal_do_no_harm(takes: Takes, tmp_path: Path) -> None:
    plan, out = plan_of(takes(2), tmp_path / "outputs", folder=""), tmp_path / "out"
    out.mkdir()
    (out / ".0123456789abcdef01234567.part").write_bytes(b"half a file")
    (out / NAME).write_text('{"planned": ["0001-tone.wav"]}\n{"recipe": "abc", "ma')
    (out / "0001-tone.wav").write_bytes(b"written, but not yet on record")
    run(plan, out)
    assert set(content(out)) == {"0001-tone.wav", "0002-tone.wav", "manifest.json", "manifest.csv"}


@pytest.mark.parametrize("format", ["ogg", "opus", "mp3"])
def test_a_lossy_file_keeps_the_ceiling_when_it_is_decoded(takes: Takes, tmp_path: Path, format: str) -> None:
    plan = plan_of(takes(2), tmp_path / "outputs", format=format, loudness_lufs=-8, most_limiting_db=20)
    out = tmp_path / "out"
    run(plan, out)
    for entry in read_manifest(out)["files"]:
        samples, rate = read_audio(out / entry["file"])
        peak = true_peak_dbtp(np.nan_to_num(samples), rate)
        assert peak is not None
        assert peak <= -0.9
        assert entry["true_peak_dbtp"] == pytest.approx(peak, abs=0.01)


def test_a_target_that_is_not_reached_is_in_the_manifest(takes: Takes, tmp_path: Path) -> None:
    plan, out = plan_of(takes(1), tmp_path / "outputs", loudness_lufs=-2, most_limiting_db=3), tmp_path / "out"
    run(plan, out)
    (entry,) = read_manifest(out)["files"]
    assert entry["short_by_lu"] == pytest.approx(-2 - entry["loudness_lufs"], abs=0.02)
    assert entry["short_by_lu"] > 1
    assert entry["limited_db"] == pytest.approx(3.0, abs=0.2)


def test_together_keeps_the_differences_as_they_were_made(takes: Takes, tmp_path: Path) -> None:
    """Both takes were normalised to -14 LUFS: the first by +6 dB, the second by -2 dB, so it is 8 LU louder."""
    first, second = takes(2)
    pair = [replace(first, gain_db=6.0), replace(second, gain_db=-2.0)]
    profile = Profile(level="together", loudness_lufs=-20.0)
    gains = gains_together(pair, profile)
    assert gains[2] - gains[1] == pytest.approx(8.0)
    levels = np.array([-14 + gains[1], -14 + gains[2]])
    assert 10 * np.log10(np.mean(10 ** (levels / 10))) == pytest.approx(-20.0)
    assert gains_together(pair, Profile()) == {}


def test_trims_and_fades_are_made_and_said(takes: Takes, tmp_path: Path) -> None:
    from soundmill.audio.encode import encode
    from soundmill.jobs import AudioFormat

    (take,) = takes(1)
    sound = np.zeros((1, 64_000), np.float32)
    sound[0, 16_000:32_000] = 0.3 * np.sin(np.arange(16_000) / 5)
    data = encode(sound, 32_000, AudioFormat.WAV, {})
    (tmp_path / "outputs" / take.file).write_bytes(data)
    take = replace(take, sha256=hashlib.sha256(data).hexdigest())
    settings = {"trim_dbfs": -60, "trim_before_ms": 10, "trim_after_ms": 50, "fade_out_ms": 20, "fade_in_ms": 5}
    out = tmp_path / "out"
    run(plan_of([take], tmp_path / "outputs", **settings), out)
    (entry,) = read_manifest(out)["files"]
    assert entry["trimmed_start_s"] == pytest.approx(0.49, abs=0.001)
    assert entry["trimmed_end_s"] == pytest.approx(0.95, abs=0.001)
    assert entry["duration_s"] == pytest.approx(0.56, abs=0.001)
    samples, _ = read_audio(out / entry["file"])
    assert abs(samples[0, -1]) < 1e-4


def test_the_archive_holds_the_folder_and_is_the_same_each_time(takes: Takes, tmp_path: Path) -> None:
    plan, out = plan_of(takes(2), tmp_path / "outputs"), tmp_path / "out"
    run(plan, out)
    files = sorted(content(out))
    archive(out, files, tmp_path / "a.zip")
    archive(out, files, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert packed.testzip() is None
        assert packed.namelist() == [f"out/{name}" for name in files]


def test_processes_are_as_many_as_memory_holds(takes: Takes) -> None:
    many = takes(16)
    assert at_once(many, Profile(), 4, 64e9) == 4
    assert at_once(many[:3], Profile(), 4, 64e9) == 1
    assert at_once(many, Profile(), 4, 0.0) == 1
    long = [replace(take, duration_s=300.0, channels=2) for take in many]
    assert at_once(long, Profile(), 8, 16e9) < 8


def test_a_take_made_as_a_loop_stays_one(takes: Takes, tmp_path: Path) -> None:
    """At another rate, louder, limited; played twice in a row its join is one of its points."""
    (take,) = takes(1, seconds=2.0)
    time = np.arange(2 * 32_000) / 32_000
    wave = 0.3 * np.sin(2 * np.pi * 110 * time) + 0.6 * np.sin(2 * np.pi * 220 * time) * np.exp(-9 * (time % 0.5))
    data = encode(np.roll(wave, 8_000)[None].astype(np.float32), 32_000, AudioFormat.WAV, {})
    (tmp_path / "outputs" / take.file).write_bytes(data)
    loop = replace(take, sha256=hashlib.sha256(data).hexdigest(), settings={**take.settings, "loop": 1})
    settings = {"fade_out_ms": 50, "trim_dbfs": -20, "loudness_lufs": -12, "sample_rate": 44_100}
    run(plan_of([loop], tmp_path / "outputs", **settings), tmp_path / "to")
    (entry,) = read_manifest(tmp_path / "to")["files"]
    samples, rate = read_audio(tmp_path / "to" / entry["file"])
    assert (rate, samples.shape[1]) == (44_100, 2 * 44_100)
    assert entry["trimmed_start_s"] == entry["trimmed_end_s"] == 0 and entry["loop_seam"] <= 1
    assert entry["limited_db"] > 0 and entry["short_by_lu"] == 0
    assert np.abs(np.diff(np.concatenate([samples, samples], axis=1)[0], 2)[88_190:88_210]).max() < 0.01
    read = wavinfo.WavInfoReader(str(tmp_path / "to" / entry["file"]))
    assert (read.smpl.sample_loops[0].start, read.smpl.sample_loops[0].end) == (0, 2 * 44_100 - 1)


def test_a_profile_with_loop_finds_one_in_each_take(takes: Takes, tmp_path: Path) -> None:
    found = takes(1, seconds=6.0)
    time = np.arange(6 * 32_000) / 32_000
    wave = 0.2 * np.sin(2 * np.pi * 110 * time) + 0.5 * np.sin(2 * np.pi * 220 * time) * np.exp(-9 * (time % 0.5))
    data = encode((wave * np.minimum(1, (6 - time)))[None].astype(np.float32), 32_000, AudioFormat.WAV, {})
    (tmp_path / "outputs" / found[0].file).write_bytes(data)
    take = replace(found[0], sha256=hashlib.sha256(data).hexdigest())
    run(plan_of([take], tmp_path / "outputs", loop=True, fade_out_ms=50), tmp_path / "to")
    (entry,) = read_manifest(tmp_path / "to")["files"]
    samples, rate = read_audio(tmp_path / "to" / entry["file"])
    assert entry["duration_s"] == pytest.approx(samples.shape[1] / rate, abs=1e-5)
    assert 2.4 <= entry["duration_s"] < 6 and entry["loop_seam"] <= 1
    beats = entry["duration_s"] * 2
    assert beats == pytest.approx(round(beats), abs=0.05)
    lost_s = 6 - entry["trimmed_start_s"] - entry["trimmed_end_s"]
    assert lost_s == pytest.approx(entry["duration_s"], abs=0.001)
