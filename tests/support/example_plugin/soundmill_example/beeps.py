"""A model with a way of its own to make sound: a beep whose pitch is the seed's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import soundmill
from soundmill.engine.models import Family, ModelSpec
from soundmill.jobs import GenerationFailed, GenerationRequest, ModelInfo, Progress

RATE = 16_000  # Hz

FAMILY = Family(
    name="beeps",
    opened_by="soundmill_example.beeps:open_backend",
    loader="",
    mark=None,
    makes_sound_effects=True,
    fixed_length=False,
    continues=False,
)
SPEC = ModelSpec(
    name="example/beeps",
    short="beeps",
    family=FAMILY,
    sample_rate=RATE,
    channels=1,
    takes_melody=False,
    max_duration_s=30.0,
    window_s=30.0,
    parameters_m=None,
    gpu_gb=None,
    download_gb=None,
    licence="MIT",
    path="own",
)


class Beeps:
    """soundmill.engine.backend.Backend: what runs in the engine process."""

    def __init__(self, spec: ModelSpec, device: str, slots: int | None) -> None:
        self._waiting: list[GenerationRequest] = []
        self.info = ModelInfo(
            name=spec.name,
            sample_rate=spec.sample_rate,
            channels=spec.channels,
            frame_rate=50.0,
            slots=slots or 4,
            device=device,
            licence=spec.licence,
            versions={"soundmill": soundmill.__version__, "soundmill-example": "1.0", "weights": "none"},
        )

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        self._waiting += requests

    def step(self) -> list[object | GenerationFailed | Progress]:
        import numpy as np  # only the engine process has it

        from soundmill.engine.backend import Clip

        if not self._waiting:
            return []
        request = self._waiting.pop(0)
        time = np.arange(round(request.parameters.duration * RATE)) / RATE
        wave = 0.3 * np.sin(2 * np.pi * (300 + request.seed % 700) * time) * (time % 0.5 < 0.2)
        clip = Clip(
            request=request,
            samples=wave.astype(np.float32)[None],
            sample_rate=RATE,
            generation_s=0.01,
            device_s=0.01,
            row_steps=1,
        )
        return [clip]

    def cancel(self, job_ids: Iterable[int]) -> None:
        dropped = set(job_ids)
        self._waiting = [request for request in self._waiting if request.job_id not in dropped]

    def reduce_slots(self) -> None:
        """Nothing to free."""

    def close(self) -> None:
        self._waiting.clear()


def open_backend(spec: ModelSpec, device: str, slots: int | None) -> Beeps:
    return Beeps(spec, device, slots)
