"""What names the weights of a model: the same for the same content wherever it lies, another for any other."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from recipe import checkpoint

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.audiocraft.static_backend import AudioCraftBackend
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.engine.digest import LENGTH, digest_of


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name, content in (("state_dict.bin", b"one"), ("compression_state_dict.bin", b"two")):
        (tmp_path / name).write_bytes(content)
    return [tmp_path / "state_dict.bin", tmp_path / "compression_state_dict.bin"]


def test_a_copy_of_another_date_has_the_same_digest(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    copies = [Path(shutil.copy(file, tmp_path / "elsewhere")) for file in files]
    os.utime(copies[0], (0, 0))
    assert digest_of(copies) == digest_of(files)
    assert len(digest_of(files)) == LENGTH and set(digest_of(files)) <= set("0123456789abcdef")


def test_a_byte_a_name_or_another_order_changes_it(files: list[Path]) -> None:
    first = digest_of(files)
    assert digest_of(files[::-1]) != first
    renamed = [files[0].rename(files[0].with_name("other.bin")), files[1]]
    assert digest_of(renamed) != first
    renamed[0].rename(files[0])
    assert digest_of(files) == first
    files[1].write_bytes(b"twO")
    assert digest_of(files) != first


def test_a_file_replaced_by_one_of_the_same_size_and_date_is_read_again(files: list[Path], tmp_path: Path) -> None:
    """As a deployment that keeps dates does it: rsync --times renames the new file over the old one."""
    first, was = digest_of(files), files[0].stat()
    (tmp_path / "new").write_bytes(b"One")
    os.utime(tmp_path / "new", ns=(was.st_atime_ns, was.st_mtime_ns))
    (tmp_path / "new").rename(files[0])
    assert (files[0].stat().st_size, files[0].stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert digest_of(files) != first


def test_a_large_file_of_the_hubs_cache_goes_by_its_name_and_equals_a_copy_that_is_read(tmp_path: Path) -> None:
    content = b"weights" * 1000
    blobs = tmp_path / "models--somebody--music" / "blobs"
    snapshot = tmp_path / "models--somebody--music" / "snapshots" / "0123"
    for folder in (blobs, snapshot, tmp_path / "copy"):
        folder.mkdir(parents=True)
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (snapshot / "state_dict.bin").symlink_to(blob)
    (tmp_path / "copy" / "state_dict.bin").write_bytes(content)
    cached = digest_of([snapshot / "state_dict.bin"])
    assert cached == digest_of([tmp_path / "copy" / "state_dict.bin"])
    blob.write_bytes(b"")  # were it read, this would show
    assert digest_of([snapshot / "state_dict.bin"]) == cached


def test_a_small_file_of_the_hubs_cache_whose_name_is_no_sha256_is_read(tmp_path: Path) -> None:
    blobs = tmp_path / "models--somebody--music" / "blobs"
    blobs.mkdir(parents=True)
    blob = blobs / hashlib.sha1(b"config").hexdigest()  # as git names it
    blob.write_bytes(b"config")
    first = digest_of([blob])
    blob.write_bytes(b"other, longer")
    assert digest_of([blob]) != first


def test_each_file_a_model_is_loaded_from_counts_and_only_those(tmp_path: Path) -> None:
    folder = checkpoint.build(tmp_path / "model", checkpoint.TEST_MUSICGEN, 1)

    def weights() -> str:
        return loading.load(models.resolve(str(folder)), "cpu").weights

    first = weights()
    (folder / "MODEL_CARD.md").write_text("trained on Tuesday")
    assert weights() == first
    other = checkpoint.build(tmp_path / "other", checkpoint.TEST_MUSICGEN, 2)
    seen = {first}
    for name in (*models.CHECKPOINT_FILES, "text_encoder/model.safetensors"):
        shutil.copy(other / name, folder / name)
        seen.add(weights())
    assert len(seen) == 4
    assert weights() == loading.load(models.resolve(str(other)), "cpu").weights


def test_both_backends_say_the_weights_of_the_model_they_hold(tmp_path: Path) -> None:
    loaded = loading.load(models.resolve(str(checkpoint.build(tmp_path, checkpoint.TEST_MUSICGEN, 1))), "cpu")
    for backend in (AudioCraftBackend, DecoderBackend):
        opened = backend(loaded.spec, "cpu", 1, loaded=loaded)
        assert opened.info.versions["weights"] == loaded.weights
        opened.close()
