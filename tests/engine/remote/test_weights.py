"""Weights go from one machine's cache to another's, once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soundmill.engine.remote import weights
from soundmill.engine.remote.weights import Entry, entries, lacking, link, take


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As the hub's client lays one out."""
    folder = tmp_path / "here" / "models--facebook--musicgen-small"
    (folder / "blobs").mkdir(parents=True)
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    (folder / "blobs" / "0123").write_bytes(os.urandom(1000))
    (folder / "blobs" / "empty").write_bytes(b"")
    (folder / "blobs" / "4567.incomplete").write_bytes(b"half")
    (folder / "snapshots" / "abc" / "state_dict.bin").symlink_to("../../blobs/0123")
    return folder


def send(repository: Path, there: Path) -> list[str]:
    wanted = entries(repository)
    missing = lacking(wanted, there)
    for path in missing:
        file = repository.parent / path
        offset = 0
        for data in weights.chunks(file):
            take(there, path, data, offset, last=offset + len(data) >= file.stat().st_size)
            offset += len(data)
    link(there, wanted)
    return missing


def test_a_repository_arrives_as_it_is_and_nothing_of_it_twice(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "CHUNK_BYTES", 300)
    there = tmp_path / "there"
    assert len(send(repository, there)) == 3
    copy = there / repository.name
    assert (copy / "snapshots/abc/state_dict.bin").read_bytes() == (repository / "blobs/0123").read_bytes()
    assert (copy / "snapshots/abc/state_dict.bin").is_symlink() and (copy / "refs/main").read_text() == "abc"
    assert not list(there.rglob("*incomplete")) and not list(there.rglob("*.part"))
    assert send(repository, there) == []


def test_a_file_that_arrived_in_part_is_sent_again(repository: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    send(repository, there)
    (there / repository.name / "blobs" / "0123").write_bytes(b"short")
    assert send(repository, there) == [f"{repository.name}/blobs/0123"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "models--a/../../x"])
def test_nothing_is_put_outside_of_the_cache(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        take(tmp_path, path, b"", 0, last=True)
    with pytest.raises(ValueError, match="leads out"):
        link(tmp_path, [Entry(path="models--a/link", target="../../outside")])
