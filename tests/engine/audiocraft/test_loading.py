from __future__ import annotations

import os
import pickle
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch
from recipe import checkpoint

from soundmill.engine import hub, models
from soundmill.engine.audiocraft import attention, loading
from soundmill.errors import ModelUnavailable, UnknownModel
from support import fake_hub

torch.set_num_threads(1)
NO_LINES: list[str] = []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint.build(tmp_path_factory.mktemp("checkpoint"), checkpoint.TEST_MUSICGEN, 1)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


# -- the built-in model ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny", "tiny-effects"])
def test_the_built_in_model_loads_from_the_package(name: str) -> None:
    loaded = loading.load(models.resolve(name), "cpu")
    assert loaded.folder == models.BUILT_IN
    assert (loaded.spec.sample_rate, loaded.spec.path) == (16_000, "decoder")
    assert {p.dtype for p in loaded.model.lm.parameters()} == {torch.float32}


def test_the_built_in_model_is_at_most_twelve_megabytes() -> None:
    assert sum(file.stat().st_size for file in models.BUILT_IN.rglob("*") if file.suffix != ".png") <= 12e6


# -- folders -----------------------------------------------------------------------------------


def test_loading_does_not_ask_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loading.load(models.resolve(str(folder)), "cpu")


def test_every_weight_is_the_file_s_and_none_was_drawn_first(folder: Path) -> None:
    before = torch.get_rng_state()
    model = loading.load(models.resolve(str(folder)), "cpu").model
    assert torch.equal(torch.get_rng_state(), before)
    for name, part in ((loading.LM_FILE, model.lm), (loading.CODEC_FILE, model.compression_model)):
        saved = torch.load(folder / name, weights_only=True)["best_state"]
        state = part.state_dict()
        assert state.keys() == saved.keys() and all(torch.equal(state[key], saved[key]) for key in saved)
    assert torch.zeros(8).uniform_(5, 6).min() >= 5  # who wants random numbers gets them again


@pytest.mark.parametrize("file", models.CHECKPOINT_FILES)
def test_a_file_cut_short_is_named(copy: Path, file: str) -> None:
    whole = (copy / file).read_bytes()
    (copy / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable, match=rf"{file}: damaged or not a checkpoint"):
        loading.load(models.resolve(str(copy)), "cpu")
    found = loading.verify(models.resolve(str(copy)))
    assert not found.ok and found.weights == ""
    assert file in found.problems[0]


def test_code_in_a_checkpoint_is_not_run(copy: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    (copy / "state_dict.bin").write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ModelUnavailable, match="damaged or not a checkpoint"):
        loading.load(models.resolve(str(copy)), "cpu")
    assert not (tmp_path / "trapped").exists()


def test_a_training_checkpoint_that_was_not_exported_is_refused(copy: Path) -> None:
    torch.save({"best_state": {}}, copy / "state_dict.bin")
    with pytest.raises(ModelUnavailable, match=r"has no xp\.cfg"):
        loading.load(models.resolve(str(copy)), "cpu")


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    package = torch.load(copy / "state_dict.bin", weights_only=True)
    package["best_state"].popitem()
    torch.save(package, copy / "state_dict.bin")
    with pytest.raises(ModelUnavailable, match="AudioCraft cannot read"):
        loading.load(models.resolve(str(copy)), "cpu")


def test_verify_lists_the_files_of_a_whole_model(folder: Path) -> None:
    found = loading.verify(models.resolve(str(folder)))
    assert found.ok
    assert [name for name, _ in found.files] == list(models.CHECKPOINT_FILES)
    assert all(size == (folder / name).stat().st_size for name, size in found.files)
    assert str(found).startswith("whole: state_dict.bin 0.2 MB, ")
    assert str(found).endswith(f" in {folder}; weights {found.weights}")


def test_verify_names_the_weights_as_takes_record_them(folder: Path) -> None:
    spec = models.resolve(str(folder))
    assert loading.verify(spec).weights == loading.load(spec, "cpu").weights


# -- the hub -----------------------------------------------------------------------------------


def test_a_published_model_is_fetched_once_and_then_loads_offline(folder: Path, tmp_path: Path) -> None:
    files = {name: (folder / name).read_bytes() for name in models.CHECKPOINT_FILES}
    package = torch.load(folder / "state_dict.bin", weights_only=True)
    package["xp.cfg"] = package["xp.cfg"].replace("name: text_encoder", f"name: {folder / 'text_encoder'}")
    torch.save(package, tmp_path / "state_dict.bin")
    files["state_dict.bin"] = (tmp_path / "state_dict.bin").read_bytes()
    spec = models.resolve("somebody/music")
    said: list[str] = []
    with fake_hub.serving("somebody/music", {**files, "README.md": b"not needed"}) as (endpoint, asked):
        source = hub.Hub(endpoint=endpoint, cache=tmp_path / "cache", report_every_s=0)
        loaded = loading.load(spec, "cpu", source=source, report=said.append)
        assert not any("README" in path for path in asked)
        before = len(asked)
        loading.load(spec, "cpu", source=source, report=said.append)
        assert len(asked) == before
    assert loaded.spec.family.name == "musicgen"
    assert said
    assert all(line.startswith("somebody/music: ") and line.endswith(" MB") for line in said)
    gone = hub.Hub(endpoint=endpoint, cache=tmp_path / "cache")
    assert loading.verify(spec, source=gone).ok


def test_a_hub_that_refuses_connections_fails_at_once_with_the_mend(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ModelUnavailable) as failure:
            loading.load(models.resolve("musicgen-small"), "cpu", source=hub.Hub(endpoint=endpoint, cache=tmp_path))
    assert time.monotonic() - began < 3
    assert "run `soundmill models pull facebook/musicgen-small` when online" in str(failure.value)
    assert "or set `default_model: tiny`" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_hub_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        source = hub.Hub(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", cache=tmp_path, timeout_s=0.2)
        began = time.monotonic()
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            source.fetch("facebook/musicgen-small", models.CHECKPOINT_FILES, None)
    assert time.monotonic() - began < 3


def test_offline_mode_is_honoured(tmp_path: Path) -> None:
    with (
        fake_hub.serving("a/b", {"state_dict.bin": b"x"}) as (endpoint, asked),
        hub.offline(),
        pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE is set"),
    ):
        hub.Hub(endpoint=endpoint, cache=tmp_path).fetch("a/b", ["state_dict.bin"], None)
    assert asked == []
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_a_model_that_a_plugin_opens_is_not_looked_for() -> None:
    with pytest.raises(ModelUnavailable, match="the plugin that brings it"):
        loading.pull(replace(models.TINY, name="tests/tone", path="own"))


def test_a_repository_that_is_not_there_is_an_unknown_model(tmp_path: Path) -> None:
    with (
        fake_hub.serving("a/b", {}) as (endpoint, _),
        pytest.raises(UnknownModel, match="somebody/nothing: not on Hugging Face"),
    ):
        hub.Hub(endpoint=endpoint, cache=tmp_path).fetch("somebody/nothing", ["state_dict.bin"], NO_LINES.append)


def test_a_repository_without_a_checkpoint_says_what_it_lacks(tmp_path: Path) -> None:
    with (
        fake_hub.serving("a/b", {"state_dict.bin": b"x"}) as (endpoint, _),
        pytest.raises(ModelUnavailable, match=r"has no compression_state_dict\.bin"),
    ):
        hub.Hub(endpoint=endpoint, cache=tmp_path).fetch("a/b", models.CHECKPOINT_FILES, NO_LINES.append)


# -- the rest ----------------------------------------------------------------------------------


def test_threads_are_set_as_asked() -> None:
    assert loading.set_threads(1) == 1
    assert loading.set_threads(None) >= 1
    assert loading.set_threads(1) == 1


def test_magnets_attention_keeps_its_window() -> None:
    """Against softmax(QKᵀ/√d + mask)·V written out."""
    q, k, v = torch.randn(3, 2, 10, 4, 8).unbind()
    near = (torch.arange(10)[:, None] - torch.arange(10)[None]).abs() <= 2
    mask = torch.zeros(10, 10).masked_fill(~near, float("-inf")).expand(2, 4, 10, 10)
    weights = torch.softmax(torch.einsum("bthd,bshd->bhts", q, k) / 8**0.5 + mask, -1)
    expected = torch.einsum("bhts,bshd->bthd", weights, v)
    assert torch.allclose(attention.attend(q, k, v, mask), expected, atol=1e-5)
    assert not torch.allclose(attention.attend(q, k, v), expected, atol=1e-2)
