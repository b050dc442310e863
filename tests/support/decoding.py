"""Helpers of the decode loop's tests: checkpoints, requests, and what AudioCraft makes of them alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from demucs import pretrained
from demucs.htdemucs import HTDemucs
from recipe import checkpoint

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.backend import Clip
from soundmill.engine.decoder.backend import DecoderBackend
from soundmill.engine.decoder.codec import Spent
from soundmill.engine.inputs import whole_frames
from soundmill.jobs import AudioFormat, GenerationFailed, GenerationRequest, Normalization, Parameters, Progress

torch.set_num_threads(2)

PROMPTS = (
    "slow strings",
    "a drum",
    "an old piano in a large empty hall, recorded from far away",
    "rain",
    "fast violin over a deep bass line",
    "",
    "wind and a distant bell",
)


def build(folder: Path, shape: checkpoint.Shape, seed: int = 3) -> models.ModelSpec:
    return models.resolve(str(checkpoint.build(folder, shape, seed)))


def separate_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a small separator in the place of Demucs, which a model that hears melodies loads from the Hub."""
    torch.manual_seed(0)
    sources = ["drums", "bass", "other", "vocals"]
    separator = HTDemucs(sources, channels=16, depth=2, t_layers=0, nfft=512, segment=1, samplerate=16_000).eval()
    monkeypatch.setattr(pretrained, "get_model", lambda name: separator)
    monkeypatch.setattr(loading, "_pull_stem_separator", lambda source: None)


def load(spec: models.ModelSpec, device: str = "cpu") -> loading.LoadedModel:
    return loading.load(spec, device)


def request(job_id: int, **wanted: Any) -> GenerationRequest:
    numbers = {"duration": 1.0, "temperature": 1.0, "top_k": 50, "top_p": 0.0, "cfg_coef": 3.0}
    parameters = Parameters(**{name: wanted.pop(name, value) for name, value in numbers.items()})
    return GenerationRequest(
        job_id=job_id,
        attempt=1,
        prompt=wanted.pop("prompt", PROMPTS[job_id % len(PROMPTS)]),
        parameters=parameters,
        seed=wanted.pop("seed", 1000 + job_id),
        format=AudioFormat.WAV,
        normalization=Normalization.NONE,
        normalization_target=0.0,
        deadline_s=60.0,
        **wanted,
    )


class Recorder:
    """A backend that keeps the tokens of each finished clip, by job id."""

    def __init__(self, loaded: loading.LoadedModel, slots: int, device: str = "cpu") -> None:
        self.backend = DecoderBackend(loaded.spec, device, slots, loaded=loaded)
        self.tokens: dict[int, torch.Tensor] = {}
        self.clips: dict[int, Clip] = {}
        self.failures: dict[int, GenerationFailed] = {}
        self.progress: list[Progress] = []
        codec: Any = self.backend._codec
        submit = codec.submit

        def keep(request: GenerationRequest, tokens: torch.Tensor, spent: Spent) -> Any:
            self.tokens[request.job_id] = tokens
            return submit(request, tokens, spent)

        codec.submit = keep

    def turn(self) -> None:
        for event in self.backend.step():
            if isinstance(event, Clip):
                self.clips[event.request.job_id] = event
            elif isinstance(event, GenerationFailed):
                self.failures[event.job_id] = event
            else:
                self.progress.append(event)

    def run(self, *arrivals: Iterable[GenerationRequest]) -> None:
        """Submit each group of requests one turn after the one before, then finish them all."""
        for group in arrivals:
            self.backend.submit(list(group))
            self.turn()
        while self.backend.busy:
            self.turn()


def reference(model: Any, wanted: GenerationRequest, prompt_wav: torch.Tensor | None = None) -> torch.Tensor:
    """Greedy tokens [codebooks, frames] from AudioCraft alone, through its own windows."""
    parameters = wanted.parameters
    duration = whole_frames(parameters.duration, model.frame_rate)
    stride = model.extend_stride
    model.set_generation_params(
        use_sampling=False, duration=duration, cfg_coef=parameters.cfg_coef, two_step_cfg=model.lm.two_step_cfg
    )
    model.extend_stride = stride
    model.lm.cfg_coef = parameters.cfg_coef  # the two-step path reads it here and nowhere else
    given = None if prompt_wav is None else prompt_wav[None]
    attributes, tokens = model._prepare_tokens_and_attributes([wanted.prompt], given)
    made: torch.Tensor = model._generate_tokens(attributes, tokens)[0]
    return made
