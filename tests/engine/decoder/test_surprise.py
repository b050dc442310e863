"""What is recorded of a clip's tokens: how likely the model found them, with the prompt and without."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recipe import checkpoint

from soundmill.engine.decoder import fused, programs
from soundmill.engine.decoder import surprise as by_torch
from soundmill.engine.decoder.slots import Pattern
from soundmill.engine.decoder.surprise import EVERY, MOST_STEPS, NAMES, means, steps_kept, surprise
from support import decoding


def test_it_is_the_log_probability_and_the_entropy_of_the_models_own_distribution() -> None:
    random = np.random.default_rng(1)
    logits, tokens = random.normal(0, 3, (2, 3, 50)).astype(np.float32), random.integers(0, 50, (2, 3))
    likely, entropy = surprise(torch.from_numpy(logits), torch.from_numpy(tokens))
    for clip, book in np.ndindex(2, 3):
        shares = np.exp(logits[clip, book].astype(float))
        shares /= shares.sum()
        assert float(likely[clip, book]) == pytest.approx(np.log(shares[tokens[clip, book]]), abs=1e-5)
        assert float(entropy[clip, book]) == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-5)


def watched(recorder: decoding.Recorder) -> list[torch.Tensor]:
    """The logits of every step from now on [rows, codebooks, cardinality]."""
    transformer, seen = recorder.backend._decoder.transformer, list[torch.Tensor]()
    predict = transformer.predict

    def keep(x: torch.Tensor) -> torch.Tensor:
        seen.append(predict(x))
        return seen[-1]

    transformer.predict = keep  # type: ignore[method-assign]
    return seen


def test_the_means_are_those_of_all_tokens_of_the_clip(tmp_path: Path) -> None:
    recorder = decoding.Recorder(decoding.load(decoding.build(tmp_path, checkpoint.TEST_MUSICGEN)), slots=1)
    lm: Any = recorder.backend._model.lm
    seen = watched(recorder)
    recorder.run([decoding.request(0, duration=0.6)])
    tokens = recorder.tokens[0]
    sequence = Pattern(lm, tokens.shape[1], 0).spread(tokens)
    sums, count = np.zeros(4), 0
    for step, logits in enumerate(seen):
        shares = torch.log_softmax(logits[:2].double(), dim=-1)  # with the prompt, without
        for book, token in enumerate(sequence[:, step + 1].tolist()):
            if token < int(lm.card) and (step + 1) % EVERY == 0:  # no filler of the pattern
                sums += [*shares[:, book, token].tolist(), *(-(shares.exp() * shares)[:, book].sum(-1)).tolist()]
                count += 1
    assert count == pytest.approx(tokens.numel() / EVERY, abs=int(lm.n_q))
    assert recorder.clips[0].surprise == pytest.approx(dict(zip(NAMES, sums / count, strict=True)), abs=1e-5)


def test_it_is_a_clips_own_whoever_its_neighbours_are(tmp_path: Path) -> None:
    spec = decoding.build(tmp_path, checkpoint.TEST_AUDIOGEN)
    jobs = [decoding.request(job, duration=seconds) for job, seconds in enumerate((0.9, 0.2, 6.0, 0.4))]
    jobs.append(decoding.request(4, duration=0.5, cfg_coef=1.0))
    together = decoding.Recorder(decoding.load(spec), slots=3)
    together.run(jobs[:2], jobs[2:])
    for job in jobs:
        alone = decoding.Recorder(decoding.load(spec), slots=1)
        alone.run([job])
        assert together.clips[job.job_id].surprise == pytest.approx(alone.clips[job.job_id].surprise, abs=1e-6)
    assert set(together.clips[0].surprise) == set(NAMES)
    assert set(together.clips[4].surprise) == {"token_log_probability", "token_entropy"}


def test_a_clip_that_is_cancelled_leaves_the_others_theirs(tmp_path: Path) -> None:
    spec = decoding.build(tmp_path, checkpoint.TEST_AUDIOGEN)
    jobs = [decoding.request(job, duration=seconds) for job, seconds in enumerate((4.0, 2.0, 3.0, 1.0))]
    together = decoding.Recorder(decoding.load(spec), slots=3)
    seen = iter(itertools.count())
    together.backend._clock = lambda: 0.1 * next(seen)  # a turn of a few steps
    together.backend.submit(jobs[:3])
    for _ in range(5):
        together.turn()
    assert together.backend._decoder.untold  # steps are put off
    together.backend.cancel([0])
    together.run(jobs[3:])
    assert together.clips.keys() == {1, 2, 3}
    for job in jobs[1:]:
        alone = decoding.Recorder(decoding.load(spec), slots=1)
        alone.run([job])
        assert together.clips[job.job_id].surprise == pytest.approx(alone.clips[job.job_id].surprise, abs=1e-6)


def test_a_large_model_keeps_the_logits_of_few_steps() -> None:
    assert steps_kept(2, 4, 64) == MOST_STEPS
    assert 1 < steps_kept(48, 4, 2048) < 16 and steps_kept(10_000, 4, 2048) == 1


def test_a_clip_that_was_given_whole_has_none() -> None:
    assert means(torch.zeros(4, 5), guided=True) == {}


def test_kernels_record_what_torch_records(tmp_path: Path) -> None:
    assert (programs.TOLD.value, programs.EVERY.value) == (by_torch.COLUMNS, by_torch.EVERY)
    loaded = decoding.load(decoding.build(tmp_path, checkpoint.TEST_MUSICGEN))
    recorder = decoding.Recorder(loaded, slots=2)
    decoder = recorder.backend._decoder
    decoder.row_tile = 1
    jobs = [decoding.request(0, duration=0.24, top_k=5), decoding.request(1, duration=0.2, cfg_coef=1.0)]
    recorder.run(jobs)
    plain = {job: clip.surprise for job, clip in recorder.clips.items()}
    assert all(plain.values())
    decoder.fused = fused.Fused(decoder.transformer, 3)
    recorder.run(jobs)
    for job, found in plain.items():
        assert recorder.clips[job].surprise == pytest.approx(found, abs=1e-4)
