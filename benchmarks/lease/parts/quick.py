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
    """Tensors are filled with parts of one draw, each from another place of it."""
    uniform = torch.rand(DRAWN)
    normal = torch.randn(DRAWN)
    at = 0

    def filled(tensor: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        nonlocal at
        flat, at = torch.empty(tensor.numel()), (at + 7919) % DRAWN
        place = at
        done = 0
        while done < len(flat):
            part = drawn[place : place + len(flat) - done]
            flat[done : done + len(part)] = part
            done, place = done + len(part), 0
        return tensor.copy_(flat.view(tensor.shape))

    def uniform_(tensor: torch.Tensor, low: float = 0.0, high: float = 1.0, **_: Any) -> torch.Tensor:
        return filled(tensor, uniform).mul_(high - low).add_(low)

    def normal_(tensor: torch.Tensor, mean: float = 0.0, std: float = 1.0, **_: Any) -> torch.Tensor:
        return filled(tensor, normal).mul_(std).add_(mean)

    with mock.patch.object(torch.Tensor, "uniform_", uniform_), mock.patch.object(torch.Tensor, "normal_", normal_):
        yield


@contextlib.contextmanager
def never_drawn() -> Iterator[None]:
    """Tensors keep what their memory held: a checkpoint is read into them."""
    with contextlib.ExitStack() as kept:
        for name in ("uniform_", "normal_", "erfinv_"):
            kept.enter_context(mock.patch.object(torch.Tensor, name, lambda tensor, *_, **__: tensor))
        yield
