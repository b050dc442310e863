"""Loops of the built-in model, as its engine makes and finishes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soundmill.audio.decode import decode
from soundmill.engine.audiocraft import loading
from soundmill.engine.backend import Backend, Clip
from soundmill.engine.finishing import finish
from soundmill.engine.process import host
from soundmill.jobs import GenerationRequest
from support.conformance import make_request
from support.looped import heard_over

PROMPTS = (
    "piano with drums, 120 bpm",
    "happy synth theme with drums",
    "calm strings, slow",
    "harp tune",
    "energetic brass theme",
    "dark piano music, no drums",
)
SECONDS = 4.0


def looping(number: int, prompt: str) -> GenerationRequest:
    request = make_request(prompt, job_id=number, seed=number)
    return replace(request, parameters=replace(request.parameters, duration=SECONDS, loop=True, bpm=120.0))


def taken(backend: Backend, requests: list[GenerationRequest]) -> list[Clip]:
    backend.submit(requests)
    clips: list[Clip] = []
    while backend.busy:
        clips += [event for event in backend.step() if isinstance(event, Clip)]
    return sorted(clips, key=lambda clip: clip.request.job_id)


def test_loops_of_the_built_in_model_play_over_their_seams() -> None:
    loading.set_threads(1)
    backend = host.open_backend("tiny", "cpu", len(PROMPTS))
    requests = [looping(number, prompt) for number, prompt in enumerate(PROMPTS)]
    clips = taken(backend, requests)
    made = [finish(clip, backend.info) for clip in clips]
    (again,) = (finish(clip, backend.info) for clip in taken(backend, requests[:1]))
    backend.close()
    assert again.audio == made[0].audio  # the row says all that a loop comes from
    loops = [decode(take.audio) for take in made]
    assert all(samples.shape[1] == SECONDS * rate for samples, rate in loops)
    seams = [take.measurements["loop_seam"] for take in made]
    accepted = [loop for loop, seam in zip(loops, seams, strict=True) if seam is not None and seam <= 1]
    smooth = [max(heard_over(samples, rate)) <= 0.95 for samples, rate in accepted]
    print(f"seams {seams}, {sum(smooth)} of {len(accepted)} accepted no rougher than 95 % of random points")
    assert len(accepted) >= 0.8 * len(loops)
    assert np.mean(smooth) >= 0.95
