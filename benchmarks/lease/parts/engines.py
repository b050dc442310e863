"""The two engines that are compared, and how their speed is taken within a given time."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.jobs import GenerationFailed, GenerationRequest, Progress

FIRST_STEPS = 5  # of a loop that are not counted: handles and workspaces are made


def _stand_in() -> None:
    """AudioCraft's loop asks xformers for its causal mark; torch computes the attention (audiocraft/attention.py)."""
    if importlib.util.find_spec("xformers") is None:
        ops = ModuleType("xformers.ops")
        ops.LowerTriangularMask = type("LowerTriangularMask", (), {})  # type: ignore[attr-defined]
        sys.modules |= {"xformers": ModuleType("xformers"), "xformers.ops": ops}


_stand_in()


class _Enough(Exception):
    """Raised in AudioCraft's progress callback once the time is over."""


def load(folder: Path, device: str) -> loading.LoadedModel:
    return loading.load(models.resolve(str(folder)), device)


def soundmill(folder: Path, device: str, slots: int | None = None) -> DecoderBackend:
    loaded = load(folder, device)
    return DecoderBackend(loaded.spec, device, slots, loaded=loaded)


def resize(backend: DecoderBackend, slots: int) -> None:
    """Give the backend so many slots, all empty."""
    backend._slots = slots
    with torch.inference_mode():
        backend._decoder.resize(slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was made in `seconds`: `audio_s` counts clips that were not finished by the steps they had taken."""

    seconds: float
    audio_s: float
    clips: int
    whole: bool  # whether all clips were finished

    @property
    def per_s(self) -> float:
        return self.audio_s / self.seconds


def race(backend: DecoderBackend, jobs: Sequence[GenerationRequest], until: float) -> Pace:
    """Make `jobs` all at once, or as much of them as `until` allows. Raises RuntimeError for one that fails."""
    done: dict[int, float] = {}
    clips = 0
    began = time.monotonic()
    backend.submit(jobs)
    while backend.busy and time.monotonic() < until:
        for event in backend.step():
            if isinstance(event, GenerationFailed):
                raise RuntimeError(str(event))
            if isinstance(event, Progress):
                done[event.job_id] = event.done / event.due
            else:
                done[event.request.job_id] = 1.0
                clips += 1
    seconds = time.monotonic() - began
    backend.cancel([job.job_id for job in jobs])
    audio_s = sum(done.get(job.job_id, 0.0) * job.parameters.duration for job in jobs)
    return Pace(seconds=seconds, audio_s=audio_s, clips=clips, whole=clips == len(jobs))


def loop(model: Any, jobs: Sequence[GenerationRequest], until: float) -> Pace:
    """AudioCraft's own `generate` of `jobs`, which share their parameters, in one call, left at `until`.

    Counted by its steps, without the codec where it was left.
    """
    p = jobs[0].parameters
    longest_s = max(job.parameters.duration for job in jobs)
    model.set_generation_params(
        duration=longest_s, temperature=p.temperature, top_k=min(p.top_k, model.lm.card), cfg_coef=p.cfg_coef
    )
    steps = 0
    first = began = time.monotonic()

    def progress(done: int, due: int) -> None:
        nonlocal steps, first
        steps += 1
        if steps % 8 == 0 and str(model.device) != "cpu":
            torch.cuda.synchronize()  # as far as it says it is
        if steps == FIRST_STEPS:
            first = time.monotonic()
        if time.monotonic() > until and steps > 2 * FIRST_STEPS:
            raise _Enough

    model.set_custom_progress_callback(progress)
    try:
        model.generate([job.prompt for job in jobs], progress=True).cpu()
        whole, seconds = True, time.monotonic() - began
        audio_s = len(jobs) * longest_s
    except _Enough:
        whole, seconds = False, time.monotonic() - first
        audio_s = len(jobs) * (steps - FIRST_STEPS) / float(model.frame_rate)
    finally:
        model.set_custom_progress_callback(None)
    return Pace(seconds=seconds, audio_s=audio_s, clips=len(jobs) if whole else 0, whole=whole)
