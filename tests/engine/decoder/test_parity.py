"""Whatever AudioCraft alone would make of a clip, the decode loop makes in a mixed batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from recipe import checkpoint

from soundmill.engine.audiocraft.conditioning import read, windows
from soundmill.errors import BadParameter
from support import decoding

WIDE = replace(checkpoint.TEST_MUSICGEN, dim=96, heads=3, layers=3, cardinality=100)
SHAPES = {
    "mono": checkpoint.TEST_MUSICGEN,
    "wide": WIDE,
    "stereo": checkpoint.TEST_STEREO,
    "audiogen": checkpoint.TEST_AUDIOGEN,
    "two_step": checkpoint.TEST_TWO_STEP,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_greedy_tokens_of_a_mixed_batch_equal_audiocraft_alone(tmp_path: Path, shape: checkpoint.Shape) -> None:
    spec = decoding.build(tmp_path, shape)
    jobs = [
        decoding.request(job, duration=duration, temperature=0.0, cfg_coef=cfg)
        for job, (duration, cfg) in enumerate([(1.0, 3.0), (0.4, 1.0), (1.5, 2.0), (0.6, 4.5), (0.3, 0.0)])
    ]
    recorder = decoding.Recorder(decoding.load(spec), slots=4)
    recorder.run(jobs[:2], jobs[2:])
    model = decoding.load(spec).model
    for job in jobs:
        assert torch.equal(recorder.tokens[job.job_id], decoding.reference(model, job)), job


@pytest.mark.parametrize("shape", [checkpoint.TEST_MUSICGEN, checkpoint.TEST_STEREO], ids=["mono", "stereo"])
def test_a_continuation_beside_other_clips_equals_audiocraft_alone(tmp_path: Path, shape: checkpoint.Shape) -> None:
    spec = decoding.build(tmp_path, shape)
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (9600, shape.channels)).astype(np.float32)
    soundfile.write(tmp_path / "start.wav", wave, shape.sample_rate, subtype="FLOAT")
    continued = decoding.request(0, duration=1.5, temperature=0.0, continue_from=tmp_path / "start.wav")
    others = [decoding.request(job, duration=0.3 * job) for job in range(1, 4)]
    recorder = decoding.Recorder(decoding.load(spec), slots=4)
    recorder.run(others[:2], [continued, others[2]])
    model = decoding.load(spec).model
    expected = decoding.reference(model, continued, read(tmp_path / "start.wav", model))
    assert torch.equal(recorder.tokens[0], expected)
    assert recorder.clips[0].samples.shape == (shape.channels, int(1.5 * shape.sample_rate))


def test_a_clip_beyond_the_window_slides_as_audiocraft_slides(tmp_path: Path) -> None:
    spec = decoding.build(tmp_path, checkpoint.TEST_AUDIOGEN)
    long = decoding.request(0, duration=6.0, temperature=0.0)
    recorder = decoding.Recorder(decoding.load(spec), slots=3)
    recorder.run([decoding.request(1, duration=0.5), long, decoding.request(2, duration=2.9)])
    expected = decoding.reference(decoding.load(spec).model, long)
    assert torch.equal(recorder.tokens[0], expected)
    assert recorder.clips[0].samples.shape == (1, 6 * 16_000)
    done = [event for event in recorder.progress if event.job_id == 0]
    assert [event.done for event in done] == sorted(event.done for event in done)
    assert all(event.done <= event.due for event in done)


@pytest.mark.parametrize("duration", [3.04, 5.0, 6.52, 6.6, 9.96, 30.0])
def test_the_windows_of_a_long_clip_make_each_frame_once(duration: float) -> None:
    passes = windows(duration, 25.0, 3.0, 2.0, prompt=10)
    frames = int(duration * 25.0)
    assert 10 + sum(window.frames - window.prompt for window in passes) == frames
    assert all(0 <= window.prompt < window.frames <= 75 for window in passes)


def test_audio_as_long_as_the_clip_cannot_be_continued() -> None:
    with pytest.raises(BadParameter, match="continue_from"):
        windows(1.0, 25.0, 3.0, 2.0, prompt=25)


def test_logits_equal_audiocrafts_forward_pass(tmp_path: Path) -> None:
    spec = decoding.build(tmp_path, WIDE)
    recorder = decoding.Recorder(decoding.load(spec), slots=2)
    decoder = recorder.backend._decoder
    seen: list[torch.Tensor] = []
    predict = decoder.transformer.predict

    def keep(x: torch.Tensor) -> torch.Tensor:
        logits = predict(x)
        seen.append(logits[:2].clone())
        return logits

    decoder.transformer.predict = keep  # type: ignore[method-assign]
    job = decoding.request(0, duration=1.0, temperature=0.0)
    recorder.run([job])

    model = decoding.load(spec).model
    attributes, _ = model._prepare_tokens_and_attributes([job.prompt], None)
    lm = model.lm
    from audiocraft.modules.conditioners import ClassifierFreeGuidanceDropout

    both = attributes + ClassifierFreeGuidanceDropout(p=1.0)(attributes)
    tensors = lm.condition_provider(lm.condition_provider.tokenize(both))
    codes = recorder.tokens[0][None].expand(2, -1, -1)
    pattern = lm.pattern_provider.get_pattern(codes.shape[-1])
    sequence, _, _ = pattern.build_pattern_sequence(codes, lm.special_token_id)
    with torch.no_grad():
        expected = lm(sequence, [], tensors)
    for step, logits in enumerate(seen):
        torch.testing.assert_close(logits, expected[:, :, step], rtol=1e-4, atol=1e-4)
