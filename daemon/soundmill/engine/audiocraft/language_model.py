"""What decoder/ has to know of AudioCraft's language model beside its weights."""

from __future__ import annotations

from typing import Any

import torch
from audiocraft.models.lm import LMModel
from audiocraft.modules.transformer import create_sin_embedding
from torch import Tensor


def unsupported(lm: Any) -> str | None:
    """Why this language model cannot be decoded here, or None when it can."""
    if type(lm) is not LMModel:
        return f"{type(lm).__name__} is not autoregressive"
    fuser, transformer = lm.fuser, lm.transformer
    layer: Any = transformer.layers[0]
    reasons = {
        "positions other than sinusoidal": transformer.positional_embedding != "sin",
        "layers that normalise last": not layer.norm_first,
        "a bounded past context": layer.self_attn.past_context is not None,
        "repeated keys": layer.self_attn.kv_repeat != 1,
        "normalised queries": layer.self_attn.qk_layer_norm
        or (layer.cross_attention is not None and layer.cross_attention.qk_layer_norm),
        "conditions that are added to the input": bool(fuser.fuse2cond.get("sum"))
        or bool(fuser.fuse2cond.get("input_interpolate")),
        "positions in its cross-attention": fuser.cross_attention_pos_emb,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def sines(lm: Any, steps: int, device: torch.device) -> Tensor:
    """What the model adds to the input at each position, [steps, dim]."""
    positions = torch.arange(steps, device=device)[None, :, None]
    scale, period = lm.transformer.positional_scale, lm.transformer.max_period
    table: Tensor = (scale * create_sin_embedding(positions, int(lm.dim), period))[0]
    return table
