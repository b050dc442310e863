"""Tries the kernels of kernels.py on this device before they are used: each must do what torch does, and give a row the
same bits alone and among others.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from soundmill.engine.decoder import kernels, programs
from soundmill.engine.decoder.fused import Fused, lacking
from soundmill.engine.decoder.sampling import SETTINGS, sample
from soundmill.engine.decoder.surprise import COLUMNS
from soundmill.engine.decoder.transformer import PORTION, Transformer

log = logging.getLogger(__name__)

CLOSE = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}  # of a result's size
ROWS, CLIPS = 5, 16
# A number on the border between two tokens, as one in ten thousand is, may fall on either side of it.
TOKENS_ALIKE = 0.95

Draw = Callable[..., Tensor]
Results = tuple[Tensor, Tensor, Tensor]  # of some rows, of the last one alone, and of torch


def passed(t: Transformer) -> Fused:
    """The fused step for this model. Raises RuntimeError, which says why, where it cannot be used."""
    if reason := lacking(t):
        raise RuntimeError(reason)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(t.device)

    with torch.inference_mode():
        for trial in (norms, filled_attention, text_attention):
            together, alone, expected = trial(t, draw)
            apart = (together.float() - expected.float()).norm() / expected.float().norm()
            if not bool(apart < CLOSE[t.dtype]):
                raise RuntimeError(f"{trial.__name__} is {float(apart):.1e} from what torch computes")
            _same(trial.__name__, together, alone)
        together, alone, expected = choices(t, draw)
        if (together == expected).float().mean() < TOKENS_ALIKE:
            raise RuntimeError("choices are not those that torch makes")
        _same("choices", together, alone)
        portion = PORTION if products_alike(t, draw) else 1
    if portion == 1:
        log.warning("%s: the place of a row in a product shows in its last bits; clips may depend on others", t.device)
    return Fused(t, portion)


def _same(name: str, together: Tensor, alone: Tensor) -> None:
    if not torch.equal(together[-1:], alone):
        raise RuntimeError(f"{name} gives a row other bits among other rows")


def products_alike(t: Transformer, draw: Draw) -> bool:
    """Whether a row's products have the same bits in any place of any portion."""
    for product, width in t.products():
        x, order = draw(3 * PORTION, width).to(t.dtype), draw(3 * PORTION).argsort()
        if not torch.equal(product(x[order]), product(x)[order]):
            return False
    return True


def norms(t: Transformer, draw: Draw) -> Results:
    x, change, weight, bias = draw(ROWS, t.dim), draw(ROWS, t.dim).to(t.dtype), draw(t.dim), draw(t.dim)
    expected = layer_norm(x + change, (t.dim,), weight, bias, 1e-5).to(t.dtype)
    together, alone = torch.empty_like(change), torch.empty_like(change[-1:])
    kernels.add_norm(x[-1:].clone(), change[-1:], None, None, None, weight, bias, 1e-5, alone)
    kernels.add_norm(x, change, None, None, None, weight, bias, 1e-5, together)
    return together, alone, expected


def written_out(q: Tensor, k: Tensor, v: Tensor, unseen: Tensor) -> Tensor:
    """Attention in float64: torch's fused kernels round as much as those on trial."""
    scores = (q.double() * q.shape[-1] ** -0.5) @ k.double().transpose(-1, -2)
    return torch.softmax(scores.masked_fill(unseen, -math.inf), dim=-1) @ v.double()


def filled_attention(t: Transformer, draw: Draw) -> Results:
    steps = 3 * kernels.SPLIT
    filled = torch.tensor([0, 1, kernels.SPLIT - 1, kernels.SPLIT, steps - 2], device=t.device)
    keys, values = (draw(ROWS, t.heads, steps, t.width).to(t.dtype) for _ in range(2))
    qkv = draw(ROWS, 3 * t.dim).to(t.dtype)
    q, k, v = qkv.view(ROWS, 3, t.heads, t.width).unbind(1)
    index, full = torch.arange(ROWS, device=t.device), (keys.clone(), values.clone())
    full[0][index, :, filled], full[1][index, :, filled] = k, v
    unseen = torch.arange(steps, device=t.device) > filled[:, None, None, None]
    expected = written_out(q[:, :, None], *full, unseen).reshape(ROWS, t.dim).to(t.dtype)
    together, alone = torch.empty_like(expected), torch.empty_like(expected[-1:])
    kernels.attend_filled(qkv[-1:], keys[-1:].clone(), values[-1:].clone(), filled[-1:], steps, alone)
    kernels.attend_filled(qkv, keys, values, filled, steps + kernels.SPLIT, together)
    return together, alone, expected


def text_attention(t: Transformer, draw: Draw) -> Results:
    tokens = 2 * kernels.KEYS + 1
    lengths = torch.tensor([1, 2, kernels.KEYS, kernels.KEYS + 1, tokens - 1], device=t.device)
    q = draw(ROWS, t.dim).to(t.dtype)
    keys, values = (draw(ROWS, t.heads, tokens, t.width).to(t.dtype) for _ in range(2))
    unseen = torch.arange(tokens, device=t.device) >= lengths[:, None, None, None]
    expected = written_out(q.view(ROWS, t.heads, 1, t.width), keys, values, unseen).reshape(ROWS, t.dim).to(t.dtype)
    together, alone = torch.empty_like(expected), torch.empty_like(expected[-1:])
    kernels.attend_text(q[-1:], keys[-1:], values[-1:], lengths[-1:], alone)
    kernels.attend_text(q, keys, values, lengths, together)
    return together, alone, expected


def choices(t: Transformer, draw: Draw) -> Results:
    """Tokens by several settings, each clip's last place already known."""
    logits = draw(2 * CLIPS, t.codebooks * t.cardinality).mul(2).to(t.dtype)
    uniform = draw(CLIPS, 3, t.codebooks).abs() % 1
    levels = {"cfg_coef": (3.0, 1.0, 0.0), "temperature": (1.0, 0.0, 0.7, 1.3), "top_k": (0.0, 3.0, 40.0, 1e6, 1.0)}
    levels["top_p"] = (0.0, 0.0, 0.8, 0.0, 0.4, 1.0, 0.0)
    index = torch.arange(CLIPS, device=t.device)
    settings = {
        name: torch.tensor(levels.get(name, (0.0,)), device=t.device)[index % len(levels.get(name, (0.0,)))]
        for name in SETTINGS
    }
    at, last = torch.zeros_like(index), torch.ones_like(index)
    unknown = torch.full((CLIPS, t.codebooks, 3), -1, device=t.device)
    given, absent = logits.float().view(2, CLIPS, t.codebooks, t.cardinality).unbind()
    guided = absent + (given - absent) * settings["cfg_coef"][:, None, None]
    expected = sample(guided, uniform[:, 1], settings, t.cardinality)
    made = []
    for clips in (slice(None), slice(-1, None)):
        columns = [settings[name][clips] for name in programs.SETTINGS]
        sequence, told = unknown[clips].clone(), torch.zeros(CLIPS, t.codebooks, COLUMNS, device=t.device)
        seats = index[clips], index[clips] + CLIPS
        kernels.choose(logits, *seats, columns, uniform[clips], sequence, at[clips], last[clips], told)
        made.append(sequence[..., 1])
    return made[0], made[1], expected
