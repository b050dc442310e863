"""A GPU that holds no numbers: tensors on a fake CUDA device, and a watch over what is done to them.

Torch's FakeTensorMode follows the device, type and shape of every tensor without computing or needing a driver.
Reading a value raises DataDependentOutputException there, and an operation over tensors of two devices
RuntimeError: just what a CUDA graph cannot record.
"""

from __future__ import annotations

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


@dataclass(slots=True)
class Seen:
    """One operation: its name, and the devices and types of the tensors it took."""

    name: str
    devices: set[str]
    types: list[torch.dtype]


@dataclass(slots=True)
class Watch(TorchDispatchMode):
    """Keeps what is done while it is entered."""

    operations: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        TorchDispatchMode.__init__(self)

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        name = str(operation).split(".")[1]
        self.operations.append(Seen(name, {t.device.type for t in tensors}, [t.dtype for t in tensors]))
        return operation(*args, **(kwargs or {}))

    def types_of(self, name: str) -> set[torch.dtype]:
        return {dtype for seen in self.operations if seen.name == name for dtype in seen.types}


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
