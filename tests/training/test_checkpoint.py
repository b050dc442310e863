from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from recipe import checkpoint
from recipe.checkpoint import TEST_AUDIOGEN, TEST_MUSICGEN, TEST_STEREO, TEST_TWO_STEP, Shape
from recipe.pieces import vocabulary

from soundmill.engine import models
from soundmill.engine.audiocraft import loading

torch.set_num_threads(1)


def digests(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def load(folder: Path) -> loading.LoadedModel:
    return loading.load(models.resolve(str(folder)), "cpu")


def test_the_same_seed_gives_the_same_files_and_another_seed_other_weights(tmp_path: Path) -> None:
    first = digests(checkpoint.build(tmp_path / "one", TEST_MUSICGEN, 7))
    again = digests(checkpoint.build(tmp_path / "two", TEST_MUSICGEN, 7))
    other = digests(checkpoint.build(tmp_path / "three", TEST_MUSICGEN, 8))
    assert first == again
    for weights in ("state_dict.bin", "compression_state_dict.bin", "text_encoder/model.safetensors"):
        assert first[weights] != other[weights]


def test_building_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    checkpoint.build(tmp_path, TEST_MUSICGEN, 7)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("shape", [TEST_MUSICGEN, TEST_STEREO, TEST_AUDIOGEN, TEST_TWO_STEP])
def test_audiocrafts_own_loader_reads_it(tmp_path: Path, shape: Shape) -> None:
    loaded = load(checkpoint.build(tmp_path, shape, 1))
    lm = loaded.model.lm
    assert (lm.dim, lm.n_q, lm.card, len(lm.transformer.layers)) == (
        shape.dim,
        shape.codebooks * shape.channels,
        shape.cardinality,
        shape.layers,
    )
    assert lm.two_step_cfg is shape.two_step_cfg
    assert loaded.model.compression_model.num_codebooks == lm.n_q
    assert loaded.model.frame_rate == shape.frame_rate == 25
    assert (loaded.spec.sample_rate, loaded.spec.channels) == (shape.sample_rate, shape.channels)
    assert (loaded.spec.family.name, loaded.spec.window_s) == (shape.family, shape.window_s)
    assert loaded.spec.path == "decoder"


def test_the_left_and_right_codes_of_a_frame_share_their_delay(tmp_path: Path) -> None:
    lm = load(checkpoint.build(tmp_path, TEST_STEREO, 1)).model.lm
    assert lm.pattern_provider.delays == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_folder_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.build(tmp_path / "here", TEST_MUSICGEN, 1)
    before = load(tmp_path / "here").model.lm.condition_provider.conditioners["description"].t5
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    after = load(tmp_path / "there").model.lm.condition_provider.conditioners["description"].t5
    assert torch.equal(before.shared.weight, after.shared.weight)


def test_each_folder_is_read_with_its_own_text_encoder(tmp_path: Path) -> None:
    wide = replace(TEST_MUSICGEN, text_dim=32)
    checkpoint.build(tmp_path / "narrow", TEST_MUSICGEN, 1)
    checkpoint.build(tmp_path / "wide", wide, 1)
    dims = [
        load(tmp_path / name).model.lm.condition_provider.conditioners["description"].dim
        for name in ("narrow", "wide", "narrow")
    ]
    assert dims == [16, 32, 16]


def test_the_clip_is_loud_enough_to_measure(tmp_path: Path) -> None:
    model = load(checkpoint.build(tmp_path, TEST_MUSICGEN, 1)).model
    model.set_generation_params(duration=1.0, top_k=0)
    rms = model.generate(["calm piano"]).square().mean().sqrt().item()
    assert 0.05 < rms < 0.2


def test_what_the_prompt_says_changes_the_clip(tmp_path: Path) -> None:
    model = load(checkpoint.build(tmp_path, TEST_MUSICGEN, 1)).model
    model.set_generation_params(duration=1.0, use_sampling=False)
    audio = model.generate(["calm piano", "loud drums"])
    assert not torch.allclose(audio[0], audio[1])


def test_the_tokenizer_knows_musical_words_and_spells_the_rest() -> None:
    pieces = [piece for piece, _ in vocabulary()]
    assert pieces[:3] == ["<pad>", "</s>", "<unk>"]
    assert len(set(pieces)) == len(pieces)
    assert {"▁piano", "▁sci-fi", "q", "▁"} <= set(pieces)


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    full = checkpoint.build(tmp_path / "full", TEST_MUSICGEN, 1) / "state_dict.bin"
    half = checkpoint.build(tmp_path / "half", replace(TEST_MUSICGEN, half=True), 1) / "state_dict.bin"
    package = torch.load(half, weights_only=True)
    assert {tensor.dtype for tensor in package["best_state"].values()} == {torch.float16}
    assert half.stat().st_size < 0.6 * full.stat().st_size


@pytest.mark.parametrize(
    ("shape", "millions"),
    [(checkpoint.MUSICGEN_SMALL, 420), (checkpoint.MUSICGEN_MEDIUM, 1837), (checkpoint.MUSICGEN_LARGE, 3255)],
)
def test_the_published_shapes_have_the_published_number_of_weights(shape: Shape, millions: int) -> None:
    """Counted on the configuration, without building: 16 d² a layer, embeddings and heads."""
    lm = yaml.safe_load(yaml.safe_dump(checkpoint.language_model_config(shape)))["transformer_lm"]
    d, cards = lm["dim"], lm["n_q"] * (lm["card"] + 1 + lm["card"])
    assert round((lm["num_layers"] * 16 * d * d + cards * d) / 1e6) == pytest.approx(millions, rel=0.005)
    assert shape.frame_rate == 50
