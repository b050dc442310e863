"""Chooses the next tokens, each row by its own parameters and its own random numbers.

Torch's `multinomial` draws for all rows from one stream, so a clip would depend on its neighbours.
Here every draw has its own uniform number, fixed by (seed, step, codebook) before the clip starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundmill.jobs import OF_THE_CLIP, Parameters

WHOLE = 2.0**40  # a share of 2⁻⁴⁰ is drawn once in a trillion times; float64 holds the sums exactly
# What the step function has a number of for every clip.
SETTINGS = tuple(field.name for field in fields(Parameters) if field.name not in OF_THE_CLIP)


def uniforms(seed: int, steps: int, codebooks: int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1), shape [steps, codebooks], for every draw a clip will make.

    NumPy's Philox4x64 is a counter-based generator: entry (step, codebook) depends on the seed and
    on those two numbers alone, whatever the length asked for. Drawn on the CPU, so that every device sees
    the same numbers. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    return np.random.Generator(np.random.Philox(key=seed)).random((steps, codebooks), dtype=np.float32)


def running_sums(shares: Tensor) -> Tensor:
    """The sums of `shares` [..., n], numbers of 0 to 1, up to each of them."""
    return whole_sums(shares) if shares.is_cuda else shares.cumsum(-1)


def whole_sums(shares: Tensor) -> Tensor:
    """`running_sums` in float64, of shares cut to multiples of 1 / WHOLE.

    Torch's scan on CUDA spreads a row over as many threads as the number of rows leaves it (in its ScanUtils.cuh,
    get_log_num_threads_x_inner_scan), so the order of a sum, and its last bits, depend on the other clips. Whole
    numbers have one sum in any order.
    """
    return (shares * WHOLE).long().cumsum(-1).double() / WHOLE


def sample(logits: Tensor, uniform: Tensor, settings: Mapping[str, Tensor], candidates: int) -> Tensor:
    """The tokens that `uniform` picks: int64, shape [clips, codebooks].

    `logits` [clips, codebooks, cardinality], `uniform` [clips, codebooks] in [0, 1), `settings` [at least clips] under
    SETTINGS' names. As in AudioCraft a top_p above 0 outranks top_k, 0 turns either off, and a temperature of 0 takes
    the likeliest token. `candidates` is how many of the likeliest tokens the filters need to see, as the function of
    that name says.
    """
    clips, cardinality = len(logits), logits.shape[-1]
    temperature, top_k, top_p = (settings[name][:clips] for name in ("temperature", "top_k", "top_p"))
    greedy = temperature <= 0
    heat = torch.where(greedy, 1.0, temperature)[:, None, None]
    probs = torch.softmax(logits.float() / heat, dim=-1)

    # Both filters come down to the smallest probability still allowed, so no row needs its tokens in order.
    likeliest = probs.topk(candidates).values
    rank = top_k.long().clamp(1, candidates) - 1
    kth = likeliest.gather(-1, rank[:, None, None].expand(*likeliest.shape[:2], 1))
    above = running_sums(likeliest) - likeliest
    inside = (above <= top_p[:, None, None]).sum(-1, keepdim=True).clamp(min=1)
    nucleus = likeliest.gather(-1, inside - 1)
    by_rank = (top_k > 0) & (top_k < cardinality)
    least = torch.where((top_p > 0)[:, None, None], nucleus, torch.where(by_rank[:, None, None], kth, 0.0))

    # Inverse of the cumulative distribution: the first token whose sum exceeds the uniform share of the whole.
    mass = running_sums(torch.where(probs >= least, probs, 0.0))
    total = mass[..., -1:]
    picked = (mass <= uniform[..., None] * total).sum(-1)
    last = (mass < total).sum(-1)  # rounding may lift the share to the whole; the last allowed token is meant then
    return torch.where(greedy[:, None], logits.argmax(-1), torch.minimum(picked, last))


def candidates(clips: Sequence[Parameters], cardinality: int) -> int:
    """How many of the likeliest tokens `sample` must look at: the largest top_k of clips without top_p, else all."""
    if any(clip.top_p > 0 for clip in clips):
        return cardinality
    return min(cardinality, max(64, *(clip.top_k for clip in clips)))
