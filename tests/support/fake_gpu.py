"""A GPU that holds no numbers: tensors on a fake CUDA device, and a watch over what is done to them.

Torch's FakeTensorMode follows the device, type and shape of every tensor without computing or needing a driver.
Reading a value raises DataDependentOutputException there, and an operation over tensors of two devices
RuntimeError: just what a CUDA graph cannot record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from audiocraft.models import builders
from audiocraft.models.lm import LMModel
from audiocraft.modules.conditioners import ConditioningProvider
from omegaconf import OmegaConf
from recipe import checkpoint
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@contextmanager
def fake_gpu() -> Iterator[None]:
    with FakeTensorMode(), torch.inference_mode():
        yield


@contextmanager
def autocast() -> Iterator[None]:
    """AudioCraft's autocast around generation, float16. `torch.autocast` would look for a real GPU."""
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.float16)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", False)


def language_model(shape: checkpoint.Shape) -> Any:
    """A MusicGen of `shape` with its weights in float16 on the fake GPU, without a text encoder."""
    config: Any = OmegaConf.create(checkpoint.language_model_config(shape))
    sizes: dict[str, Any] = dict(config.transformer_lm) | {"cross_attention": bool(config.fuser.cross)}
    lm = LMModel(
        pattern_provider=builders.get_codebooks_pattern_provider(sizes["n_q"], config.codebooks_pattern),
        condition_provider=ConditioningProvider({}),
        fuser=builders.get_condition_fuser(config),
        **sizes,
    )
    for module in lm.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                halved = weight.to("cuda", torch.float16)
                module._parameters[name] = torch.nn.Parameter(halved, requires_grad=False)
    return lm.eval()


# Kernels that an operation launches where it is not one, from PyTorch's CUDA sources: `multinomial` checks its numbers
# and divides by drawn ones; `topk` selects, then sorts. A sum of a product's parts (split K) is cuBLAS's own secret.
KERNELS = {"empty": 0, "empty_like": 0, "new_empty": 0, "device": 0, "topk": 2, "multinomial": 8, "attend_filled": 2}
OWN_TABLES = {"enter": (0, 4, 5), "attend_filled": (1, 2), "attend_text": (1, 2), "choose": (7, 8)}  # by place
WAITS = {"item", "_local_scalar_dense", "nonzero", "multinomial", "masked_select", "unique"}  # for a number on the GPU


@dataclass(slots=True, kw_only=True)
class Seen:
    """One operation: its name, the devices, types and shapes of the tensors it took, the kernels it launches, the
    bytes it reads and writes, and whether the host waits for it."""

    name: str
    devices: set[str]
    types: list[torch.dtype]
    shapes: list[tuple[int, ...]]
    kernels: int
    bytes: int
    waits: bool


@dataclass(slots=True)
class Watch(TorchDispatchMode):
    """Keeps what is done while it is entered."""

    operations: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        TorchDispatchMode.__init__(self)

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = operation(*args, **(kwargs or {}))
        tensors, results = _tensors((args, kwargs)), _tensors(made)
        name = str(operation).split(".")[1]
        changes, known = operation._schema.is_mutable, {t.untyped_storage()._cdata for t in tensors}
        fresh = [result for result in results if result.untyped_storage()._cdata not in known]
        kernels = KERNELS.get(name, 1 if changes or fresh else 0)  # nothing new, nothing changed: a view
        devices = {t.device.type for t in tensors}
        seen = Seen(
            name=name,
            devices=devices,
            types=[t.dtype for t in tensors],
            shapes=[tuple(t.shape) for t in tensors],
            kernels=kernels,
            bytes=_moved(name, tensors, fresh) if kernels else 0,
            waits=name in WAITS or ("cuda" in devices and any(t.device.type == "cpu" for t in fresh)),
        )
        self.operations.append(seen)
        return made

    def types_of(self, name: str) -> set[torch.dtype]:
        return {dtype for seen in self.operations if seen.name == name for dtype in seen.types}

    @property
    def kernels(self) -> int:
        return sum(seen.kernels for seen in self.operations)

    @property
    def waits(self) -> int:
        return sum(seen.waits for seen in self.operations)


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _moved(name: str, tensors: list[Tensor], fresh: list[Tensor]) -> int:
    """Bytes read and written: all of a tensor, but of a table only the rows looked up or replaced, and nothing of the
    tables of kernels of our own, which read what is filled."""
    if name in OWN_TABLES:
        tensors = [t for at, t in enumerate(tensors) if at not in OWN_TABLES[name]]
    if name in ("index", "embedding", "gather", "index_put_"):
        return sum(_bytes(t) for t in [*tensors[1:], *fresh, *(fresh or tensors[-1:])])
    return sum(_bytes(t) for t in [*tensors, *fresh])


def _bytes(tensor: Tensor) -> int:
    """What of a tensor's memory it shows: a dimension that was expanded is the same memory again and again."""
    return math.prod(n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride) * tensor.itemsize


class Tape:
    """A recorder (engine/decoder/graphs.py) without a GPU: runs the work once beforehand, and again at each replay."""

    def __init__(self) -> None:
        self.siblings: list[object] = []

    def __call__(self, work: Callable[[], None], sibling: object) -> Replay:
        self.siblings.append(sibling)
        work()
        return Replay(work)


@dataclass(slots=True, eq=False)
class Replay:
    work: Callable[[], None]
    times: int = 0

    def replay(self) -> None:
        self.times += 1
        self.work()
