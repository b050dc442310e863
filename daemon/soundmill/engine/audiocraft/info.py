"""What a backend says of the model it has loaded."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

from soundmill import __version__
from soundmill.engine.models import ModelSpec
from soundmill.jobs import ModelInfo


def info_of(spec: ModelSpec, model: Any, slots: int, device: str, weights: str) -> ModelInfo:
    """The versions are those a rerun is compared by."""
    return ModelInfo(
        name=spec.name,
        sample_rate=spec.sample_rate,
        channels=spec.channels,
        frame_rate=float(model.frame_rate),
        slots=slots,
        device=device,
        licence=spec.licence,
        versions={
            "soundmill": __version__,
            "audiocraft": metadata.version("audiocraft"),
            "torch": str(torch.__version__),
            "device": device_name(device),
            "weights": weights,
        },
    )


def device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    return f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)"
