"""MAGNeT's attention without xformers.

AudioCraft computes MAGNeT's windowed attention only through xformers' compiled kernels, which do
not match this torch, and its torch path would ignore the window. Here xformers' one function is
answered by torch, window and all.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention


def install() -> None:
    """Put torch in xformers' place inside AudioCraft's transformer."""
    from audiocraft.modules import transformer

    module: Any = transformer
    module.ops = SimpleNamespace(unbind=torch.unbind, memory_efficient_attention=attend)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_bias: Any = None, p: float = 0.0) -> torch.Tensor:
    """Attention in xformers' layout: q, k, v [batch, time, heads, width] to [batch, time, heads, width].

    `attn_bias` is None, an additive mask [batch, heads, time, time], or xformers' causal mark, which
    carries no numbers.
    """
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    mask = attn_bias if isinstance(attn_bias, torch.Tensor) else None
    causal = attn_bias is not None and mask is None
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, is_causal=causal).transpose(1, 2)
