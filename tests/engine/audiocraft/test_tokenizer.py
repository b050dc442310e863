"""Our tokenizer reads what transformers' reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from recipe.pieces import vocabulary

from soundmill.engine import models
from soundmill.engine.audiocraft import tokenizer

ODD = ["calm piano", "", "  Two  spaces\nand a line", "</s> <pad> <unk>", "naïve ½ 日本 🎹", "x" * 300, "<extra_id_1>"]


@pytest.mark.parametrize("extra_ids", [None, 0, 5])
def test_prompts_are_split_as_transformers_splits_them(tmp_path: Path, extra_ids: int | None) -> None:
    """By the built-in model's tokenizer, and by those that transformers writes."""
    from transformers import T5Tokenizer

    folder = models.BUILT_IN / "text_encoder"
    if extra_ids is not None:
        folder = tmp_path
        T5Tokenizer(vocab=vocabulary(), extra_ids=extra_ids).save_pretrained(folder)
    ours, theirs = tokenizer.load(str(folder)), T5Tokenizer.from_pretrained(folder)
    assert isinstance(ours, tokenizer.T5Tokenizer)
    found, expected = (each(ODD, return_tensors="pt", padding=True).to("cpu") for each in (ours, theirs))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert [ours(text)["input_ids"] for text in ODD] == [theirs(text)["input_ids"] for text in ODD]


def test_what_an_earlier_release_wrote_is_left_to_transformers(tmp_path: Path) -> None:
    from transformers import T5Tokenizer

    T5Tokenizer(vocab=vocabulary(), extra_ids=0).save_pretrained(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    written = json.loads(config.read_text())
    del written["backend"]
    config.write_text(json.dumps(written))
    assert isinstance(tokenizer.load(str(tmp_path)), T5Tokenizer)
