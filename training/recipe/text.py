"""The model's text side: a tokenizer over the captions' words and a small T5 encoder, trained with the rest."""

from __future__ import annotations

import shutil
import string
from pathlib import Path
from typing import Any

import torch
from recipe.captions import vocabulary
from recipe.settings import TINY

LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits + ".,;:!?'\"()-/&+#%"


def pieces() -> list[tuple[str, float]]:
    """(piece, log probability) of a Unigram tokenizer: known words whole, also capitalised; others in letters."""
    words = vocabulary()
    forms = dict.fromkeys(form for word in words for form in (word, word.capitalize(), word.upper()))
    return [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -4.0),
        *((f"▁{form}", -6.0) for form in forms),
        *((letter, -8.0) for letter in LETTERS if f"▁{letter}" not in forms),
    ]


def make(folder: Path) -> Path:
    """A fresh encoder with its tokenizer in `folder`, drawn from torch's global generator."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer  # seconds of imports, and only a run begins with it

    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = T5Tokenizer(vocab=pieces(), extra_ids=0)
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=TINY.text_dim,
            d_kv=TINY.text_dim // TINY.text_heads,
            d_ff=TINY.text_dim * 4,
            num_layers=TINY.text_layers,
            num_heads=TINY.text_heads,
            dropout_rate=0.0,
        )
    )
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def spread_over_capitals(t5: Any) -> None:
    """Give every capitalised piece the vector that its lower-case form has learnt: training saw only that one."""
    ids = {piece: number for number, (piece, _) in enumerate(pieces())}
    weight = t5.shared.weight
    with torch.no_grad():
        for piece, number in ids.items():
            lower = ids.get(piece.lower())
            if lower is not None:
                weight[number] = weight[lower]
