"""Chooses the next tokens, each row by its own parameters and its own random numbers.

Torch's `multinomial` draws for all rows from one stream, so a clip would depend on its neighbours.
Here every draw has its own uniform number, fixed by (seed, step, codebook) before the clip starts.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def uniforms(seed: int, steps: int, codebooks: int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1), shape [steps, codebooks], for every draw a clip will make.

    NumPy's Philox4x64 is a counter-based generator: entry (step, codebook) depends on the seed and
    on those two numbers alone, whatever the length asked for. Drawn on the CPU, so that every device sees
    the same numbers. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    return np.random.Generator(np.random.Philox(key=seed)).random((steps, codebooks), dtype=np.float32)


def sample(
    logits: Tensor, uniform: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, candidates: int
) -> Tensor:
    """The tokens that `uniform` picks: int64, shape [clips, codebooks].

    `logits` [clips, codebooks, cardinality], `uniform` [clips, codebooks] in [0, 1), `temperature`,
    `top_k` and `top_p` [clips]. As in AudioCraft a top_p above 0 outranks top_k, 0 turns either off, and a
    temperature of 0 takes the likeliest token. `candidates` is how many of the likeliest tokens
    the filters need to see: the largest top_k of a batch without top_p, else the cardinality.
    """
    cardinality = logits.shape[-1]
    greedy = temperature <= 0
    heat = torch.where(greedy, 1.0, temperature)[:, None, None]
    probs = torch.softmax(logits.float() / heat, dim=-1)

    # Both filters come down to the smallest probability still allowed, so no row needs its tokens in order.
    likeliest = probs.topk(candidates).values
    kth = likeliest.gather(-1, (top_k.clamp(1, candidates) - 1)[:, None, None].expand(*likeliest.shape[:2], 1))
    above = likeliest.cumsum(-1) - likeliest
    inside = (above <= top_p[:, None, None]).sum(-1, keepdim=True).clamp(min=1)
    nucleus = likeliest.gather(-1, inside - 1)
    by_rank = (top_k > 0) & (top_k < cardinality)
    least = torch.where((top_p > 0)[:, None, None], nucleus, torch.where(by_rank[:, None, None], kth, 0.0))

    # Inverse of the cumulative distribution: the first token whose sum exceeds the uniform share of the whole.
    mass = torch.where(probs >= least, probs, 0.0).cumsum(-1)
    total = mass[..., -1:]
    picked = (mass <= uniform[..., None] * total).sum(-1)
    last = (mass < total).sum(-1)  # rounding may lift the share to the whole; the last allowed token is meant then
    return torch.where(greedy[:, None], logits.argmax(-1), torch.minimum(picked, last))


def candidates(top_k: list[int], top_p: list[float], cardinality: int) -> int:
    """How many of the likeliest tokens `sample` must look at for clips with these filters."""
    if any(p > 0 for p in top_p):
        return cardinality
    return min(cardinality, max(64, *top_k))
