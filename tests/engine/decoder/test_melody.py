"""MusicGen-melody's own chroma conditioner through the decode loop, with a small separator in Demucs' place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from recipe import checkpoint

from soundmill.engine import models
from support import decoding


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> models.ModelSpec:
    decoding.separate_small(monkeypatch)
    return decoding.build(tmp_path / "melody-model", checkpoint.TEST_MELODY)


def test_a_melodys_chroma_leads_the_same_tokens_as_audiocraft_alone(spec: models.ModelSpec, tmp_path: Path) -> None:
    """Three clips at once, two of them led by different tunes, each as AudioCraft makes it alone."""
    time_s = np.arange(16_000) / 16_000
    tunes = [np.sin(2 * np.pi * pitch * time_s * (1 + time_s)).astype(np.float32) * 0.5 for pitch in (220, 330)]
    for number, tune in enumerate(tunes):
        soundfile.write(tmp_path / f"{number}.wav", tune, 16_000, subtype="FLOAT")
    jobs = [
        decoding.request(
            number, duration=1.0, temperature=0.0, melody=tmp_path / f"{number}.wav", cfg_coef=2.0 + number
        )
        for number in range(2)
    ]
    jobs.append(decoding.request(2, duration=0.6, temperature=0.0))
    loaded = decoding.load(spec)
    assert loaded.spec.takes_melody and loaded.spec.path == "decoder"
    recorder = decoding.Recorder(loaded, slots=3)
    recorder.run(jobs)
    assert not recorder.failures

    model: Any = decoding.load(spec).model
    for job, tune in zip(jobs, tunes, strict=False):
        model.set_generation_params(use_sampling=False, duration=1.0, cfg_coef=job.parameters.cfg_coef)
        attributes, _ = model._prepare_tokens_and_attributes([job.prompt], None, [torch.from_numpy(tune)[None]])
        assert torch.equal(recorder.tokens[job.job_id], model._generate_tokens(attributes, None)[0])
    assert torch.equal(recorder.tokens[2], decoding.reference(model, jobs[2]))
    assert not torch.equal(recorder.tokens[0], recorder.tokens[1])
