"""The same clip, bit for bit, whoever its neighbours are and whenever they come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from recipe import checkpoint

from soundmill.jobs import GenerationRequest
from support import decoding

# The model is wide enough for the kernels that a real one uses.
WIDE = replace(checkpoint.TEST_MUSICGEN, dim=192, heads=3)
CLIP = decoding.request(500, duration=1.2, temperature=1.1, top_k=40, prompt="slow strings", seed=77)
UNGUIDED = decoding.request(501, duration=0.8, top_k=0, top_p=0.8, cfg_coef=1.0, prompt="a drum", seed=78)


def neighbours(count: int) -> list[GenerationRequest]:
    draw = np.random.default_rng(count)
    return [
        decoding.request(
            job,
            duration=float(draw.choice([0.3, 0.6, 1.0, 1.3])),
            temperature=float(draw.choice([0.0, 0.7, 1.3])),
            top_k=int(draw.choice([0, 3, 64])),
            top_p=float(draw.choice([0.0, 0.9])),
            cfg_coef=float(draw.choice([1.0, 2.0, 5.0])),
        )
        for job in range(count)
    ]


@pytest.fixture(scope="module", params=[checkpoint.TEST_MUSICGEN, WIDE], ids=["smallest", "wide"])
def recorder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> decoding.Recorder:
    spec = decoding.build(tmp_path_factory.mktemp("model"), request.param)
    return decoding.Recorder(decoding.load(spec), slots=32)


@pytest.mark.parametrize("count", [1, 7, 31])
@pytest.mark.parametrize("clip", [CLIP, UNGUIDED], ids=["guided", "unguided"])
def test_a_clip_is_the_same_alone_and_among_neighbours(
    recorder: decoding.Recorder, clip: GenerationRequest, count: int
) -> None:
    recorder.run([clip])
    alone, samples = recorder.tokens[clip.job_id], recorder.clips[clip.job_id].samples
    others = neighbours(count)
    half = count // 2
    recorder.run(others[:half], [clip], others[half:])
    assert torch.equal(recorder.tokens[clip.job_id], alone)
    assert np.array_equal(recorder.clips[clip.job_id].samples, samples)


def test_a_longer_neighbour_text_changes_nothing(recorder: decoding.Recorder) -> None:
    recorder.run([CLIP])
    alone = recorder.tokens[CLIP.job_id]
    recorder.run([decoding.request(1, prompt="many words " * 60, duration=0.5), CLIP])
    assert torch.equal(recorder.tokens[CLIP.job_id], alone)


@pytest.mark.parametrize("leaves", ["finished", "cancelled"])
def test_a_broken_clip_leaves_nothing_to_the_next_one_in_its_slot(recorder: decoding.Recorder, leaves: str) -> None:
    recorder.run([CLIP])
    alone = recorder.tokens[CLIP.job_id]
    backend: Any = recorder.backend
    clock, backend._clock = backend._clock, iter(float(tick) for tick in range(10_000)).__next__  # one step a turn
    backend.submit([decoding.request(1, duration=1.2)])
    for _ in range(9):
        recorder.turn()
    with torch.inference_mode():
        for cache in (backend._decoder.transformer.keys, backend._decoder.transformer.values):
            cache[:, :2, :, :9] = float("inf")
    if leaves == "cancelled":
        backend.cancel([1])
    recorder.run()
    backend._clock = clock
    recorder.run([CLIP])
    assert torch.equal(recorder.tokens[CLIP.job_id], alone)


def test_a_longer_clip_begins_with_the_same_random_numbers() -> None:
    from soundmill.engine.decoder.sampling import uniforms

    assert np.array_equal(uniforms(9, 300, 4)[:40], uniforms(9, 40, 4))
    assert not np.array_equal(uniforms(9, 40, 4), uniforms(10, 40, 4))
