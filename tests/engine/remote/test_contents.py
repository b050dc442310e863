"""Melody and continuation go by what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from soundmill.engine.remote.contents import Store, name_of, read
from soundmill.errors import MissingInput


def test_a_file_is_known_by_its_content_and_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "drums.wav"
    file.write_bytes(b"boom")
    name = name_of(file, (tmp_path,))
    assert name == f"{hashlib.sha256(b'boom').hexdigest()}/drums.wav"
    store = Store(tmp_path / "store")
    assert not store.has(name)
    store.put(name, read(file, (tmp_path,), name))
    assert store.has(name) and store.path(name).read_bytes() == b"boom" and store.path(name).name == "drums.wav"


def test_a_file_that_was_changed_meanwhile_is_not_sent_for_another(tmp_path: Path) -> None:
    file = tmp_path / "drums.wav"
    file.write_bytes(b"boom")
    name = name_of(file, None)
    file.write_bytes(b"bang!")
    assert name_of(file, None) != name
    with pytest.raises(MissingInput, match="was changed"):
        read(file, None, name)


def test_a_file_outside_of_the_folders_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "inbox" / "link.wav").symlink_to(tmp_path / "secret")
    for file in (tmp_path / "secret", tmp_path / "inbox" / "link.wav"):
        with pytest.raises(MissingInput, match="input_folders"):
            name_of(file, (tmp_path / "inbox",))
    with pytest.raises(MissingInput, match=r"gone\.wav: cannot be read"):
        name_of(tmp_path / "inbox" / "gone.wav", (tmp_path / "inbox",))


@pytest.mark.parametrize("name", ["../x", "a/b", f"{'0' * 64}/../x", f"{'0' * 64}/", f"{'0' * 64}/.."])
def test_a_store_has_no_place_outside_of_itself(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Store(tmp_path).path(name)
