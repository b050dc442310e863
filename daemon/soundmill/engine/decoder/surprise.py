"""How likely the model finds the tokens that it makes, with the prompt and without, by logits that it has anyway."""

from __future__ import annotations

import torch
from torch import Tensor

# Means over the tokens of every eighth place of a clip's sequence, in nats, of the model's own distribution
# (temperature 1, no filter, no guidance): the log probability of what was chosen, and the entropy of what could have
# been.
NAMES = (
    "token_log_probability",
    "token_log_probability_unprompted",
    "token_entropy",
    "token_entropy_unprompted",
)
COLUMNS = len(NAMES) + 1  # and how many tokens there were
LEAST = 1e-30  # a share of a float32 that still has a logarithm
EVERY = 8  # of so many places one is looked at: a mean needs no more, and a small model's step is short
KEPT = 1 << 22  # numbers that a CPU keeps of steps' logits, 16 MB: a dozen calls of torch's take as long as such a
MOST_STEPS = 64  # step, so they are looked at some dozens of steps at a time


def steps_kept(rows: int, codebooks: int, cardinality: int) -> int:
    """Of how many steps a CPU keeps the logits."""
    return max(1, min(MOST_STEPS, KEPT // (rows * codebooks * cardinality)))


def surprise(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Log probabilities of `tokens` [..., codebooks] and entropies [..., codebooks] of logits [..., codebooks,
    cardinality]."""
    shares = torch.softmax(logits, dim=-1)
    likely = shares.gather(-1, tokens[..., None])[..., 0].clamp(min=LEAST).log()
    # The sum of p log p, log p being a logit less what all of a distribution's have in common.
    mean = torch.linalg.vecdot(shares, logits)
    likeliest = logits.max(dim=-1).values
    common = likeliest - shares.max(dim=-1).values.log()
    return likely, common - mean


def means(told: Tensor, guided: bool) -> dict[str, float]:
    """By name the means of a clip's sums [codebooks, COLUMNS]; an unguided clip was never asked without its prompt."""
    *sums, count = told.double().sum(0).tolist()
    named = zip(NAMES, sums, strict=True)
    return {name: total / count for name, total in named if count and (guided or not name.endswith("_unprompted"))}
