"""Attention without xformers.

AudioCraft computes MAGNeT's windowed attention only through xformers' compiled kernels, which do
not match this torch, and its torch path would ignore the window. Here xformers' one function is
answered by torch, window and all. The other models ask xformers only for a mark that says "causal", with their first
step, and importing it takes a second.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from audiocraft.modules import transformer
from torch.nn.functional import scaled_dot_product_attention

CAUSAL = object()  # AudioCraft asks only whether there is a mask

_audiocrafts_mask = transformer.StreamingMultiheadAttention._get_mask


def install() -> None:
    """Put torch in xformers' place inside AudioCraft's transformer."""
    module: Any = transformer
    module.ops = SimpleNamespace(unbind=torch.unbind, memory_efficient_attention=attend)
    module._is_profiled = lambda: False  # by xformers' profiler
    module.StreamingMultiheadAttention._get_mask = _mask


def _mask(attention: Any, steps: int, device: torch.device, dtype: torch.dtype) -> Any:
    if not attention.memory_efficient:
        return _audiocrafts_mask(attention, steps, device, dtype)
    if steps > 1 and "past_keys" in attention._streaming_state:
        raise RuntimeError("AudioCraft cannot take several steps at once after others")
    return CAUSAL if steps > 1 else None


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_bias: Any = None, p: float = 0.0) -> torch.Tensor:
    """Attention in xformers' layout: q, k, v [batch, time, heads, width] to [batch, time, heads, width].

    `attn_bias` is None, an additive mask [batch, heads, time, time], or CAUSAL.
    """
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    mask = attn_bias if isinstance(attn_bias, torch.Tensor) else None
    causal = attn_bias is not None and mask is None
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, is_causal=causal).transpose(1, 2)
