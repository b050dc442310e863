"""Takes of the built-in model, as its codec makes them."""

from __future__ import annotations

from soundmill.engine.audiocraft import loading
from soundmill.engine.backend import Clip as Taken
from soundmill.engine.process import host
from soundmill.jobs import AudioFormat, GenerationRequest, Normalization, Parameters
from support.labelled import Clip

SECONDS = 8.0
PROMPTS = (
    "happy synth theme with drums",
    "guitar melody, 120 bpm",
    "dark piano music, no drums",
    "calm strings, slow",
    "energetic brass theme",
    "harp tune",
)


def tiny_takes(count: int = len(PROMPTS)) -> list[Clip]:
    """One take of each of the first prompts, in one batch; the others change nothing in it."""
    loading.set_threads(1)
    backend = host.open_backend("tiny", "cpu", count)
    backend.submit([_request(number, prompt) for number, prompt in enumerate(PROMPTS[:count])])
    taken: list[Clip] = []
    while backend.busy:
        for event in backend.step():
            if not isinstance(event, Taken):
                continue
            taken.append(Clip(sound="tiny", kind="music", samples=event.samples, rate=event.sample_rate))
    backend.close()
    return taken


def _request(number: int, prompt: str) -> GenerationRequest:
    return GenerationRequest(
        job_id=number,
        attempt=1,
        prompt=prompt,
        parameters=Parameters(duration=SECONDS, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0),
        seed=number,
        format=AudioFormat.WAV,
        normalization=Normalization.NONE,
        normalization_target=0.0,
        deadline_s=600.0,
    )
