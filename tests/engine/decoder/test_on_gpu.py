"""What the decode loop promises, kept on a real GPU where there is one; the same tests run on the CPU everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recipe import checkpoint

from support import decoding, fake_gpu

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
GREEDY = [
    decoding.request(job, duration=duration, temperature=0.0, cfg_coef=cfg)
    for job, (duration, cfg) in enumerate([(1.0, 3.0), (0.4, 1.0), (1.4, 2.0)])
]
DRAWN = [decoding.request(10 + job, duration=0.3 + 0.2 * job, temperature=1.1) for job in range(6)]
# Sums formed in another order round otherwise in float16, and a near tie may then go the other way; from there on a
# greedy clip is another one. On the CPU everything is float32 and equal to the end.
FRAMES_ALIKE_ON_A_GPU = 8


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=GPU)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture
def recorder(device: str, folder: Path) -> decoding.Recorder:
    loaded = decoding.load(decoding.build(folder, checkpoint.TEST_MUSICGEN), device)
    return decoding.Recorder(loaded, slots=8, device=device)


def test_greedy_tokens_of_a_mixed_batch_equal_audiocraft_alone_there(
    recorder: decoding.Recorder, device: str, folder: Path
) -> None:
    recorder.run(GREEDY[:2], GREEDY[2:])
    model = decoding.load(decoding.build(folder, checkpoint.TEST_MUSICGEN), device).model
    for job in GREEDY:
        made, alone = recorder.tokens[job.job_id].cpu(), decoding.reference(model, job).cpu()
        assert made.shape == alone.shape
        frames = alone.shape[1] if device == "cpu" else FRAMES_ALIKE_ON_A_GPU
        assert torch.equal(made[:, :frames], alone[:, :frames]), job


def test_a_clip_is_the_same_there_whoever_its_neighbours_are(recorder: decoding.Recorder) -> None:
    clip, *others = DRAWN
    recorder.run([clip])
    alone, samples = recorder.tokens[clip.job_id].clone(), recorder.clips[clip.job_id].samples
    recorder.run(others[:2], [clip], others[2:])
    assert torch.equal(recorder.tokens[clip.job_id], alone)
    assert np.array_equal(recorder.clips[clip.job_id].samples, samples)


def test_steps_that_were_captured_choose_what_steps_taken_one_by_one_choose(recorder: decoding.Recorder) -> None:
    """On a GPU the recorder is a CUDA graph's; on the CPU, where there is none, one that runs the work again."""
    decoder = recorder.backend._decoder
    captured = decoder.record if decoder.record is not None else fake_gpu.Tape()
    chosen = []
    for record in (captured, None):
        decoder.record = record
        recorder.run(DRAWN[:4], DRAWN[4:])
        chosen.append({job.job_id: recorder.tokens[job.job_id].clone() for job in DRAWN})
    assert decoder.recordings
    assert all(torch.equal(chosen[0][job], chosen[1][job]) for job in chosen[0])
