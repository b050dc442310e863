"""A T5's tokenizer, read from a folder in transformers' format.

transformers 5 writes the whole tokenizer to tokenizer.json, for the library that it has it computed by itself. Such a
file is read by that library alone: transformers takes 0.7 s to import. What earlier releases wrote, as on the hub,
transformers puts together anew, so that is left to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from tokenizers import Tokenizer


class Batch(dict[str, Any]):
    """What AudioCraft takes from a tokenizer: `input_ids` and `attention_mask`."""

    def to(self, device: str) -> Self:
        self.update({name: tensor.to(device) for name, tensor in self.items()})
        return self


class T5Tokenizer:
    def __init__(self, folder: Path, padding: str) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_padding(pad_id=self._tokenizer.token_to_id(padding), pad_token=padding)

    def __call__(self, texts: str | Sequence[str], **_: object) -> Batch:
        """Of one text its ids in a list; of several tensors [B, L], the shorter ones padded, and zero in the mask for
        padding."""
        if isinstance(texts, str):
            return Batch(input_ids=self._tokenizer.encode(texts).ids)
        found = self._tokenizer.encode_batch(list(texts))
        return Batch(
            input_ids=torch.tensor([each.ids for each in found]),
            attention_mask=torch.tensor([each.attention_mask for each in found]),
        )


def load(folder: str) -> Any:
    """The tokenizer in `folder`: this file's, or transformers'."""
    config = Path(folder) / "tokenizer_config.json"
    written = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if (written.get("backend"), written.get("tokenizer_class")) == ("tokenizers", "T5Tokenizer"):
        return T5Tokenizer(Path(folder), written.get("pad_token", "<pad>"))
    from transformers import T5Tokenizer as Theirs

    return Theirs.from_pretrained(folder)
