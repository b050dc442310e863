"""The two real backends behind one model each, for the conformance suite: opened inside its engine processes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recipe import checkpoint

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.audiocraft.static_backend import AudioCraftBackend
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.engine.process import host

OTHER = "other-checkpoint"  # a folder of this name, made in the process


def _named(model: str) -> str:
    if model != OTHER:
        return model
    folder = Path(tempfile.mkdtemp(prefix="soundmill-")) / OTHER
    return str(checkpoint.build(folder, checkpoint.TEST_MUSICGEN, 1))


def open_audiocraft(model: str, device: str, slots: int | None) -> AudioCraftBackend:
    spec = models.resolve(_named(model))
    loading.set_threads(1)
    return AudioCraftBackend(spec, device, slots, loaded=loading.load(spec, device))


def open_decoder(model: str, device: str, slots: int | None) -> DecoderBackend:
    """As the daemon opens it."""
    backend = host.open_backend(_named(model), device, slots)
    assert isinstance(backend, DecoderBackend)
    return backend
