from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmill.catalog.shelf import files
from soundmill.catalog.shelf.files import discard, file_take, is_of, probe, sweep_parts, take_path
from soundmill.catalog.shelf.moves import clear, put
from soundmill.disk import MENDS, part_of
from soundmill.errors import StorageUnavailable
from soundmill.jobs import AudioFormat


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    (tmp_path / "outputs").mkdir()
    return tmp_path / "outputs"


def everything(outputs: Path) -> list[str]:
    return sorted(str(path.relative_to(outputs)) for path in outputs.rglob("*") if path.is_file())


def test_a_take_lies_in_its_batch_and_a_quarantined_one_apart() -> None:
    assert take_path("themes", "cave", AudioFormat.WAV, False, 3) == "themes/cave.wav"
    assert take_path("themes", "cave", AudioFormat.FLAC, True, 2) == "themes/quarantine/cave.take2.flac"


def test_a_take_is_filed_with_its_sidecar(outputs: Path) -> None:
    filed = file_take(outputs, "themes/cave.wav", b"RIFF", {"prompt": "Höhle", "loudness_lufs": float("nan")})
    assert filed == files.FiledTake(path="themes/cave.wav", size_bytes=4, sha256=hashlib.sha256(b"RIFF").hexdigest())
    assert everything(outputs) == ["themes/cave.wav", "themes/cave.wav.json"]
    assert (outputs / "themes/cave.wav").read_bytes() == b"RIFF"
    sidecar = json.loads((outputs / "themes/cave.wav.json").read_text(encoding="utf-8"))
    assert sidecar == {"prompt": "Höhle", "loudness_lufs": None}


def test_a_take_replaces_one_that_a_dead_daemon_left(outputs: Path) -> None:
    file_take(outputs, "a/b.wav", b"old", {})
    file_take(outputs, "a/b.wav", b"new", {"n": 1})
    assert (outputs / "a/b.wav").read_bytes() == b"new"


@pytest.mark.parametrize(
    "path",
    [
        "../x.wav",
        "a/../../x.wav",
        "/etc/x.wav",
        "a//x.wav",
        "./x.wav",
        "x.wav",
        "a/b\0.wav",
        "a\\b/x.wav",
        "",
        "a/",
        "a/new\nline.wav",
        "a/" + "x" * 252,
    ],
)
def test_a_path_that_is_not_plainly_inside_is_refused(outputs: Path, path: str) -> None:
    with pytest.raises(ValueError, match=r"outputs folder|batch's folder"):
        file_take(outputs, path, b"x", {})
    with pytest.raises(ValueError, match=r"outputs folder|batch's folder"):
        discard(outputs, path)
    assert everything(outputs.parent) == []


@pytest.mark.parametrize(
    ("batch", "name"), [("a/b", "c"), ("a", "b/c"), ("a", ""), ("", "a"), ("..", "a"), ("a", "..")]
)
def test_a_batch_or_job_that_is_no_plain_name_gets_no_path(batch: str, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file name"):
        take_path(batch, name, AudioFormat.WAV, False, 1)


@settings(deadline=None)  # a shared machine may pause any one example
@given(batch=st.text(max_size=20), name=st.text(max_size=20), quarantined=st.booleans())
def test_whatever_the_names_a_take_stays_inside(batch: str, name: str, quarantined: bool) -> None:
    root = Path("/home/of/outputs")
    try:
        path = take_path(batch, name, AudioFormat.WAV, quarantined, 1)
    except ValueError:
        return
    whole = Path(os.path.normpath(root / path))
    assert whole.is_relative_to(root)
    assert len(whole.relative_to(root).parts) == (3 if quarantined else 2)


def test_a_link_out_of_the_folder_is_not_followed(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (outputs / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageUnavailable, match="remove the link"):
        file_take(outputs, "a/b.wav", b"x", {})
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_in_the_place_of_the_take_is_replaced_not_written_through(outputs: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (outputs / "a").mkdir()
    (outputs / "a/b.wav").symlink_to(victim)
    file_take(outputs, "a/b.wav", b"x", {})
    assert victim.read_bytes() == b"precious"
    assert (outputs / "a/b.wav").read_bytes() == b"x"


def test_a_missing_outputs_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="mount its disk"):
        file_take(tmp_path / "outputs", "a/b.wav", b"x", {})
    with pytest.raises(StorageUnavailable, match="mount its disk"):
        probe(tmp_path / "outputs", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_named(outputs: Path) -> None:
    (outputs / "a").write_text("mine")
    with pytest.raises(StorageUnavailable, match="a file stands where a folder should be"):
        file_take(outputs, "a/b.wav", b"x", {})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("nth", range(1, 8))
def test_a_disk_that_fails_at_any_point_leaves_no_part_and_no_take_without_sidecar(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, code: int, nth: int
) -> None:
    """fsync and rename are the calls that fail when a disk does; the nth of them fails here."""
    calls = 0
    fsync, replace = os.fsync, Path.replace

    def counted() -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(code, os.strerror(code))

    def failing_fsync(handle: int) -> None:
        counted()
        fsync(handle)

    def failing_replace(self: Path, target: Any) -> Path:
        counted()
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", failing_fsync)
    monkeypatch.setattr(Path, "replace", failing_replace)
    failed = False
    try:
        file_take(outputs, "a/b.wav", b"x", {})
    except StorageUnavailable as error:
        failed = True
        assert MENDS[code] in str(error)
        assert "b.wav" in str(error)
    assert failed is (calls >= nth)
    left = everything(outputs)
    assert not [name for name in left if name.endswith(".part")]
    assert "a/b.wav" not in left or "a/b.wav.json" in left


def test_the_audio_is_on_disk_before_it_gets_its_name(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(handle: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"  # noqa: PTH112
        seen.append(f"fsync {kind}")
        fsync(handle)

    def watched_replace(self: Path, target: Any) -> Path:
        seen.append(f"rename {Path(target).name}")
        return replace(self, target)

    (outputs / "a").mkdir()
    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    file_take(outputs, "a/b.wav", b"x", {})
    assert seen == ["fsync file", "fsync file", "rename b.wav.json", "rename b.wav", "fsync folder"]


def test_part_files_of_a_dead_daemon_are_swept(outputs: Path) -> None:
    file_take(outputs, "a/b.wav", b"x", {})
    (outputs / "a/quarantine").mkdir()
    for name in ("a/.12ab.part", "a/quarantine/c.wav.part", ".probe.part"):
        (outputs / name).write_bytes(b"half")
    assert sweep_parts(outputs) == 3
    assert everything(outputs) == ["a/b.wav", "a/b.wav.json"]
    assert sweep_parts(outputs) == 0


def test_a_take_that_was_not_to_be_is_removed_with_its_sidecar(outputs: Path) -> None:
    file_take(outputs, "a/b.wav", b"x", {})
    file_take(outputs, "a/c.wav", b"x", {})
    discard(outputs, "a/b.wav")
    discard(outputs, "a/b.wav")
    discard(outputs, "never/was.wav")
    assert everything(outputs) == ["a/c.wav", "a/c.wav.json"]


def test_a_probe_leaves_nothing_behind(outputs: Path) -> None:
    probe(outputs, 1)
    assert everything(outputs) == []


def test_a_probe_writes(outputs: Path) -> None:
    part_of(outputs / "probe").mkdir()
    with pytest.raises(StorageUnavailable, match="directory"):
        probe(outputs, 0)


def test_too_little_room_is_said_before_it_runs_out(outputs: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"only \d+ MB free.*make room"):
        probe(outputs, 10**18)


def test_names_as_long_as_names_can_be_are_filed(outputs: Path) -> None:
    name = "é" * 120  # 240 bytes, and the sidecar's suffix still fits
    file_take(outputs, f"{name}/{name}.flac", b"x", {})
    assert len(everything(outputs)) == 2


def test_whose_a_file_is_says_its_sidecar(outputs: Path) -> None:
    assert is_of(outputs, "themes/cave.wav", 1)  # a power cut may have taken it
    file_take(outputs, "themes/cave.wav", b"RIFF", {"attempt": 2})
    assert is_of(outputs, "themes/cave.wav", 2) and not is_of(outputs, "themes/cave.wav", 1)
    for content in ("[2]", "{", "2", "{}"):
        (outputs / "themes/cave.wav.json").write_text(content)
        assert not is_of(outputs, "themes/cave.wav", 2)
    (outputs / "themes/cave.wav.json").unlink()
    (outputs / "themes/cave.wav.json").mkdir()
    assert not is_of(outputs, "themes/cave.wav", 2)


def test_a_take_in_whose_way_a_folder_stands_is_not_removed(outputs: Path) -> None:
    (outputs / "themes/cave.wav").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match=r"cave\.wav"):
        discard(outputs, "themes/cave.wav")
    discard(outputs, "gone/cave.wav")


def test_a_file_where_a_folder_belongs_is_said(outputs: Path) -> None:
    (outputs / "themes").write_text("")
    (outputs / "link").symlink_to(outputs / "nowhere")
    for name in ("themes", "link"):
        with pytest.raises(StorageUnavailable, match="a file stands where a folder should be"):
            file_take(outputs, f"{name}/cave.wav", b"RIFF", {})


def test_a_name_that_would_be_too_long_with_its_ending_gets_no_path() -> None:
    assert take_path("b", "n" * 246, AudioFormat.WAV, False, 1) == f"b/{'n' * 246}.wav"
    for name, quarantined in (("n" * 247, False), ("n" * 241, True)):
        with pytest.raises(ValueError, match="cannot be a file name"):
            take_path("b", name, AudioFormat.WAV, quarantined, 1)


def test_a_link_to_another_place_in_the_folder_is_followed(outputs: Path) -> None:
    (outputs / "real").mkdir()
    (outputs / "a").symlink_to(outputs / "real")
    file_take(outputs, "a/b.wav", b"x", {})
    assert everything(outputs / "real") == ["b.wav", "b.wav.json"]


def test_every_folder_that_has_changed_is_on_disk(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(handle: int) -> None:
        place = Path(f"/proc/self/fd/{handle}").readlink()
        if place.is_dir():
            synced.append(place.relative_to(outputs.resolve()).as_posix())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    file_take(outputs, "a/quarantine/b.wav", b"x", {})
    assert synced == [".", "a", "a/quarantine"]
    discard(outputs, "a/quarantine/b.wav")
    assert synced[3:] == ["a/quarantine"]
    file_take(outputs, "a/c.wav", b"x", {})
    put(outputs, "a/c.wav", "a/set_aside/c.wav", attempt=1, is_taken=lambda _: False)
    clear(outputs, "a/c.wav", "a/set_aside/c.wav")
    assert synced[4:] == ["a", "a", "a/set_aside", "a"]


def test_there_is_room_while_as_much_is_free_as_must_be(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 2, 7))  # type: ignore[attr-defined]
    probe(outputs, 7)
    with pytest.raises(StorageUnavailable, match="make room"):
        probe(outputs, 8)
