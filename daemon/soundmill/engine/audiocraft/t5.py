"""The encoder of a T5, read from a folder in transformers' format.

It computes what transformers' own T5EncoderModel computes, to the last bit. That one brings torch's compiler and its
distributed training along, 40 % of the time that an engine took to start.
Architecture: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer";
gated layers as in T5 1.1 (Shazeer 2020, "GLU Variants Improve Transformer").
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, relu, scaled_dot_product_attention

from soundmill.engine.quiet import quiet

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of a config.json, by its names; what one leaves out is as in the first T5."""

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "relu"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{field.name: config[field.name] for field in fields(cls) if field.name in config})

    @property
    def gated(self) -> bool:
        return self.feed_forward_proj == "gated-gelu"


def read_config(folder: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def load(folder: str) -> Any:
    """The encoder in `folder`: this file's, or transformers' for what this file does not compute."""
    config = read_config(Path(folder))
    sizes = Sizes.of(config)
    weights = load_file(Path(folder) / WEIGHTS)
    whole = config.get("dtype") or config.get("torch_dtype") or "float32"
    if (
        not (sizes.gated or sizes.feed_forward_proj == "relu")
        or whole != "float32"
        or _dtypes(weights) != {torch.float32}
    ):
        from transformers import T5EncoderModel

        with quiet():
            return T5EncoderModel.from_pretrained(folder)
    model = T5Encoder(sizes)
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    model.load_state_dict({name: weights[name] for name in model.state_dict()}, assign=True)
    return model.eval()


def _dtypes(weights: Mapping[str, Tensor]) -> set[torch.dtype]:
    return {weight.dtype for weight in weights.values()}


class T5Encoder(nn.Module):
    """Its parts are named as in the files. It has no dropout: AudioCraft's models are not trained here."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.shared = _Matrix(sizes.vocab_size, sizes.d_model)
        self.encoder = nn.Module()
        self.encoder.embed_tokens = self.shared
        self.encoder.block = nn.ModuleList(_Block(sizes, first=number == 0) for number in range(sizes.num_layers))
        self.encoder.final_layer_norm = _Norm(sizes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """Ids [B, L] and a mask [B, L], zero for padding, to `last_hidden_state` [B, L, d_model]."""
        blocks: Any = self.encoder.block
        bias = blocks[0].layer[0].SelfAttention.bias(input_ids.shape[1])
        hears = attention_mask.bool()[:, None, None, :]
        hidden = embedding(input_ids, self.shared.weight)
        for block in blocks:
            hidden = block(hidden, bias, hears)
        norm: Any = self.encoder.final_layer_norm
        return SimpleNamespace(last_hidden_state=norm(hidden))


class _Matrix(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight)


class _Norm(nn.Module):
    """Root mean square: no bias, no mean taken off."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sizes.d_model))
        self._epsilon = sizes.layer_norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        variance = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + self._epsilon))


class _Attention(nn.Module):
    def __init__(self, sizes: Sizes, first: bool) -> None:
        super().__init__()
        inner = sizes.num_heads * sizes.d_kv
        self.q, self.k, self.v = (_Matrix(inner, sizes.d_model) for _ in range(3))
        self.o = _Matrix(sizes.d_model, inner)
        if first:  # its bias serves all
            self.relative_attention_bias = _Matrix(sizes.relative_attention_num_buckets, sizes.num_heads)
        self._sizes = sizes

    def forward(self, x: Tensor, bias: Tensor, hears: Tensor) -> Tensor:
        """x [B, L, d_model]; the scores are not scaled."""
        split = (*x.shape[:2], -1, self._sizes.d_kv)
        q, k, v = (part(x).view(split).transpose(1, 2) for part in (self.q, self.k, self.v))
        mask = torch.where(hears, bias, torch.finfo(k.dtype).min)  # [B, heads, L, L]
        heard = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
        out: Tensor = self.o(heard.transpose(1, 2).reshape(*x.shape[:2], -1))
        return out

    def bias(self, length: int) -> Tensor:
        """What is added to the score of every pair of places [1, heads, L, L], by how far one is from the other:
        half of the buckets for each side, half of those for one distance each, the others wider and wider."""
        weight = self.relative_attention_bias.weight
        place = torch.arange(length, device=weight.device)
        ahead = place[None, :] - place[:, None]
        side = self._sizes.relative_attention_num_buckets // 2
        exact = side // 2
        away = ahead.abs()
        wide = torch.log(away.float() / exact) / math.log(self._sizes.relative_attention_max_distance / exact)
        wide = (exact + (wide * (side - exact)).to(torch.long)).clamp(max=side - 1)
        bucket = (ahead > 0) * side + torch.where(away < exact, away, wide)
        return embedding(bucket, weight).permute(2, 0, 1)[None]


class _FeedForward(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        for name in ("wi_0", "wi_1") if sizes.gated else ("wi",):
            self.add_module(name, _Matrix(sizes.d_ff, sizes.d_model))
        self.wo = _Matrix(sizes.d_model, sizes.d_ff)
        self._gated = sizes.gated

    def forward(self, x: Tensor) -> Tensor:
        part: Any = self
        out: Tensor = self.wo(_gelu(part.wi_0(x)) * part.wi_1(x) if self._gated else relu(part.wi(x)))
        return out


def _gelu(x: Tensor) -> Tensor:
    """By tanh, as T5 1.1 was trained with; torch's own differs in the last bits."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


class _Sublayer(nn.Module):
    """A part with its norm before it; it has the name that the files give it."""

    def __init__(self, name: str, part: nn.Module, sizes: Sizes) -> None:
        super().__init__()
        self.add_module(name, part)
        self.layer_norm = _Norm(sizes)
        self._name = name

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        out: Tensor = x + getattr(self, self._name)(self.layer_norm(x), *given)
        return out


class _Block(nn.Module):
    def __init__(self, sizes: Sizes, first: bool) -> None:
        super().__init__()
        attention = _Sublayer("SelfAttention", _Attention(sizes, first), sizes)
        self.layer = nn.ModuleList((attention, _Sublayer("DenseReluDense", _FeedForward(sizes), sizes)))

    def forward(self, x: Tensor, bias: Tensor, hears: Tensor) -> Tensor:
        out: Tensor = self.layer[1](self.layer[0](x, bias, hears))
        return out
