"""Random weights without the time that drawing them takes: for the largest shapes minutes, which a lease has not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch

DRAWN = (1 << 22) + 1  # uniform numbers that are drawn once; no layer's size divides it


@contextlib.contextmanager
def quickly_drawn() -> Iterator[None]:
    """Tensors are filled with parts of a few draws, each from another place; what should be normal may be uniform."""
    drawn: dict[tuple[str, float, float], torch.Tensor] = {}
    at = 0

    def filled(tensor: torch.Tensor, kind: str, low: float, high: float) -> torch.Tensor:
        nonlocal at
        if (kind, low, high) not in drawn:
            fresh = torch.rand(DRAWN) if kind == "uniform" else torch.randn(DRAWN)
            drawn[kind, low, high] = fresh * (high - low) + low
        source, at = drawn[kind, low, high], (at + 7919) % DRAWN
        flat, done, place = tensor.detach().view(-1), 0, at
        while done < len(flat):
            part = source[place : place + len(flat) - done]
            flat[done : done + len(part)] = part
            done, place = done + len(part), 0
        return tensor

    def uniform_(tensor: torch.Tensor, low: float = 0.0, high: float = 1.0, **_: Any) -> torch.Tensor:
        return filled(tensor, "uniform", low, high)

    def normal_(tensor: torch.Tensor, mean: float = 0.0, std: float = 1.0, **_: Any) -> torch.Tensor:
        return filled(tensor, "normal", mean, mean + std)

    with contextlib.ExitStack() as kept:
        for name, stand_in in {"uniform_": uniform_, "normal_": normal_, "erfinv_": lambda tensor: tensor}.items():
            kept.enter_context(mock.patch.object(torch.Tensor, name, stand_in))
        yield
