"""The language model's trainer: resumable, the same every time, and AudioCraft's model to the last logit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recipe import clips, lm, text
from recipe.clips import Spec
from recipe.settings import TINY, Settings

CHOSEN = Settings(clips=100, lm_batch=4, lm_frames=10, lm_steps=4, save_every=2)


@pytest.fixture(scope="module")
def specs() -> list[Spec]:
    return [clips.clip(4, number, 0.1)[0] for number in range(CHOSEN.clips)]


def prepared(work: Path, specs: list[Spec]) -> Path:
    """A work folder as the stages before the language model leave it, its tokens drawn at random."""
    work.mkdir()
    tokens = np.random.default_rng(0).integers(0, 256, (CHOSEN.clips, TINY.codebooks, 20)).astype(np.int16)
    np.save(work / "tokens.npy", tokens)
    lines = [json.dumps(clips.to_json(spec)) for spec in specs]
    (work / "clips-4-00000.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return work


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, specs: list[Spec]) -> None:
    whole, halves = prepared(tmp_path / "a", specs), prepared(tmp_path / "b", specs)
    lm.train(CHOSEN, whole)
    with pytest.MonkeyPatch.context() as patch:
        save = lm.save

        def stop(file: Path, package: dict[str, object]) -> None:
            save(file, package)
            raise KeyboardInterrupt

        patch.setattr(lm, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            lm.train(CHOSEN, halves)
    lm.train(CHOSEN, halves)
    a, b = (torch.load(folder / "lm.pt", weights_only=True) for folder in (whole, halves))
    assert a["step"] == b["step"] == 4
    assert all(torch.equal(a["lm"][name], b["lm"][name]) for name in a["lm"])
    assert a["curves"] == b["curves"]


def test_batches_are_drawn_anew_each_step_but_the_same_for_a_step(specs: list[Spec]) -> None:
    tokens = torch.randint(0, 256, (len(specs), TINY.codebooks, 60))
    first, again, other = (lm.batch(CHOSEN, tokens, specs, step) for step in (0, 0, 1))
    assert torch.equal(first.codes, again.codes)
    assert first.captions == again.captions
    assert not torch.equal(first.codes, other.codes)
    many = [lm.batch(CHOSEN, tokens, specs, step) for step in range(0, 60, 3)]
    offsets = torch.cat([some.offset for some in many])
    # Within a clip's length a place in time is the crop's own; beyond, anything.
    assert ((offsets <= 50) | (offsets >= 60)).all()
    assert (offsets == 0).float().mean() > 0.4
    heard = torch.cat([some.heard.flatten() for some in many])
    assert 0.6 < float(heard.mean()) < 0.95


def test_the_forward_pass_is_audiocrafts(tmp_path: Path) -> None:
    from audiocraft.modules.conditioners import ConditioningAttributes

    torch.manual_seed(0)
    model = lm.build(text.make(tmp_path / "text_encoder"), trainable=True).eval()
    captions = ["calm piano music", "loud rain"]
    codes = torch.randint(0, 256, (2, TINY.codebooks, 12))
    with torch.inference_mode():
        for row, caption in enumerate(captions):  # one by one: AudioCraft's lets text hear its padding
            attributes = [ConditioningAttributes(text={"description": caption})]
            theirs = model.compute_predictions(codes[row : row + 1], attributes)
            ours, valid = lm.logits(
                model, codes[row : row + 1], *lm.encode_text(model, [caption]), torch.ones(1), torch.zeros(1)
            )
            assert torch.equal(valid, theirs.mask[0])
            assert torch.allclose(ours[0][valid], theirs.logits[0][valid], atol=1e-4)


def test_a_crop_is_heard_from_where_it_lies_and_silenced_steps_are_not_heard(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = lm.build(text.make(tmp_path / "text_encoder"), trainable=True).eval()
    codes, keep = torch.randint(0, 256, (1, TINY.codebooks, 12)), torch.ones(1)
    given = lm.encode_text(model, ["rain"])

    def logits(codes: torch.Tensor, offset: int = 0, heard: torch.Tensor | None = None) -> torch.Tensor:
        with torch.inference_mode():
            return lm.logits(model, codes, *given, keep, torch.tensor([offset]), heard)[0]

    assert not torch.allclose(logits(codes), logits(codes, offset=3), atol=1e-3)
    other = codes.clone()
    other[..., 0] = (other[..., 0] + 1) % 256  # the first codes, which one step for each codebook hears
    deaf = torch.ones(1, 13)
    deaf[:, 1 : 1 + TINY.codebooks] = 0
    assert not torch.allclose(logits(codes), logits(other), atol=1e-4)
    assert torch.allclose(logits(codes, heard=deaf), logits(other, heard=deaf), atol=1e-6)
