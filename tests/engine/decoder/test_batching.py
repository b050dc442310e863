"""The decode loop behind the Backend protocol: seats, failures, cancellation, memory, melody."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from audiocraft.modules.conditioners import ConditionFuser, WavCondition, WaveformConditioner
from recipe import checkpoint
from torch import Tensor

from soundmill.engine import models
from soundmill.engine.audiocraft import loading
from soundmill.engine.audiocraft.language_model import unsupported
from soundmill.errors import BadParameter, OutOfMemory
from soundmill.jobs import FailureKind
from support import decoding


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> models.ModelSpec:
    return decoding.build(tmp_path_factory.mktemp("model"), checkpoint.TEST_MUSICGEN)


@pytest.fixture
def loaded(spec: models.ModelSpec) -> loading.LoadedModel:
    return decoding.load(spec)


@pytest.fixture
def recorder(loaded: loading.LoadedModel) -> decoding.Recorder:
    return decoding.Recorder(loaded, slots=3)


def test_more_clips_than_slots_are_all_made(recorder: decoding.Recorder) -> None:
    recorder.run([decoding.request(job, duration=0.2 + 0.1 * job) for job in range(8)])
    assert sorted(recorder.clips) == list(range(8))
    for job, clip in recorder.clips.items():
        assert clip.samples.shape == (1, round((0.2 + 0.1 * job) * 16_000))
        assert clip.generation_s > 0


def test_clips_share_each_steps_time_by_their_rows(loaded: loading.LoadedModel) -> None:
    """A guided clip has two rows; what clips have together is the time of all steps, also of those taken alone."""
    recorder = decoding.Recorder(loaded, slots=2)
    ticks = itertools.count()
    recorder.backend._clock = lambda: 0.01 * next(ticks)  # read once a step
    recorder.run([decoding.request(0, duration=0.5), decoding.request(1, duration=0.5, cfg_coef=1.0)])
    recorder.run([decoding.request(2, duration=0.5), decoding.request(3, duration=1.5)])
    work = {job: clip.row_steps for job, clip in recorder.clips.items()}
    assert work[0] == work[2] == 2 * work[1] > 0 and work[3] > 2 * work[2]
    steps, more = work[1], work[3] / 2 - work[1]
    assert {job: clip.device_s for job, clip in recorder.clips.items()} == pytest.approx(
        {0: 0.01 * steps * 2 / 3, 1: 0.01 * steps / 3, 2: 0.01 * steps / 2, 3: 0.01 * (steps / 2 + more)}
    )
    assert all(clip.device_s < clip.generation_s for clip in recorder.clips.values())


def test_a_clip_that_cannot_be_made_fails_alone(recorder: decoding.Recorder, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"not audio")
    bad = [
        decoding.request(1, continue_from=tmp_path / "missing.wav"),
        decoding.request(2, continue_from=tmp_path / "noise.wav"),
        decoding.request(3, melody=tmp_path / "noise.wav"),
        decoding.request(4, duration=-1.0),
    ]
    recorder.run([decoding.request(0, duration=0.3), *bad, decoding.request(5, duration=0.3)])
    assert sorted(recorder.clips) == [0, 5]
    kinds = {job: failure.kind for job, failure in recorder.failures.items()}
    assert kinds == {
        1: FailureKind.MISSING_INPUT,
        2: FailureKind.MISSING_INPUT,
        3: FailureKind.BAD_PARAMETER,
        4: FailureKind.BAD_PARAMETER,
    }


def test_a_cancelled_clip_leaves_its_slot_and_no_answer(recorder: decoding.Recorder) -> None:
    recorder.backend.submit([decoding.request(job, duration=2.0) for job in range(3)])
    recorder.backend.submit([decoding.request(3, duration=0.2)])
    recorder.backend.cancel([0, 2])
    assert recorder.backend.busy
    recorder.run()
    assert sorted(recorder.clips) == [1, 3]
    recorder.backend.submit([decoding.request(job, duration=2.0) for job in range(4, 7)])
    recorder.backend.cancel(range(4, 7))
    assert not recorder.backend.busy


def test_cancelling_in_flight_does_not_change_the_clips_that_stay(loaded: loading.LoadedModel) -> None:
    stays = decoding.request(9, duration=1.2)
    recorder = decoding.Recorder(loaded, slots=3)
    recorder.run([stays])
    alone = recorder.tokens[9]
    backend: Any = recorder.backend
    backend._clock = iter(float(tick) for tick in range(10_000)).__next__  # one step per turn
    backend.submit([decoding.request(1, duration=2.0), decoding.request(2, duration=2.0, cfg_coef=1.0), stays])
    for _ in range(5):
        recorder.turn()
    backend.cancel([1, 2])
    assert backend._decoder.slots.free == 2
    recorder.run()
    assert torch.equal(recorder.tokens[9], alone)


def test_running_out_of_memory_is_said_and_the_slots_are_halved(
    recorder: decoding.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = recorder.backend._decoder
    with monkeypatch.context() as patch:
        patch.setattr(decoder, "step", _fail(torch.OutOfMemoryError("no room")))
        recorder.backend.submit([decoding.request(0), decoding.request(1)])
        with pytest.raises(OutOfMemory):
            recorder.backend.step()
    assert not recorder.backend.busy
    recorder.backend.reduce_slots()
    assert recorder.backend.info.slots == 1
    recorder.run([decoding.request(2, duration=0.3), decoding.request(3, duration=0.3)])
    assert sorted(recorder.clips) == [2, 3]
    recorder.backend.reduce_slots()
    assert recorder.backend.info.slots == 1


def _fail(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_slots_follow_the_free_memory(spec: models.ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    from soundmill.engine.decoder import backend as batching

    backend = decoding.Recorder(decoding.load(spec), slots=1).backend
    each = backend._decoder.transformer.slot_bytes()
    room = SimpleNamespace(available=11 * each)
    monkeypatch.setattr(batching.psutil, "virtual_memory", lambda: room)
    assert decoding.DecoderBackend(spec, "cpu", None, loaded=decoding.load(spec)).info.slots == 8
    room.available = 0
    assert decoding.DecoderBackend(spec, "cpu", None, loaded=decoding.load(spec)).info.slots == 1


def test_a_cache_that_would_not_fit_is_refused_before_it_is_made(
    recorder: decoding.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soundmill.engine.decoder import transformer

    monkeypatch.setattr(transformer.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    held = recorder.backend._decoder.transformer
    before = held.keys.shape
    with pytest.raises(MemoryError, match="GB for the keys"):
        held.reserve(100_000)
    assert held.keys.shape == before


def test_the_cache_holds_what_slot_bytes_says(recorder: decoding.Recorder) -> None:
    t = recorder.backend._decoder.transformer
    t.reserve(t.steps)
    cached = (t.keys.nbytes + t.values.nbytes) // t.rows * 2 + (t.text_keys.nbytes + t.text_values.nbytes) // t.clips
    assert t.slot_bytes() == cached


class ToneConditioner(WaveformConditioner):  # type: ignore[misc]
    """Hears a melody as the loudness of each tenth of a second; stands in for MusicGen-melody's chroma."""

    def __init__(self, dim: int) -> None:
        super().__init__(1, dim, "cpu")
        self._use_masking = False

    def _downsampling_factor(self) -> int:
        return 1600

    def _get_wav_embedding(self, x: WavCondition) -> Tensor:
        wav = torch.nn.functional.pad(x.wav, (0, 16_000))[..., :16_000]
        return wav.reshape(len(wav), 10, 1600).abs().mean(-1, keepdim=True) + 0.1


@pytest.mark.parametrize("text", ["cross", "prepend"])
@pytest.mark.parametrize("two_step", [False, True], ids=["one_step", "two_step"])
def test_a_melody_before_the_first_token_is_heard_as_by_audiocraft(
    spec: models.ModelSpec, tmp_path: Path, text: str, two_step: bool
) -> None:
    """MusicGen-melody puts the melody, and its published checkpoints the text too, before the tokens."""
    import numpy as np
    import soundfile

    tone = np.sin(np.arange(12_000) / 9).astype(np.float32) * np.linspace(0, 1, 12_000, dtype=np.float32)
    soundfile.write(tmp_path / "tone.wav", tone, 16_000, subtype="FLOAT")

    def melody_model() -> loading.LoadedModel:
        from dataclasses import replace

        loaded = decoding.load(spec)
        lm: Any = loaded.model.lm
        torch.manual_seed(1)
        lm.condition_provider.conditioners["self_wav"] = ToneConditioner(lm.dim).eval()
        ways: dict[str, list[str]] = {"cross": [], "prepend": ["self_wav"], "sum": [], "input_interpolate": []}
        ways[text].append("description")
        lm.fuser = ConditionFuser(ways)
        lm.two_step_cfg = two_step
        if text == "prepend":
            for layer in lm.transformer.layers:
                layer.cross_attention = None
        return replace(loaded, spec=replace(loaded.spec, takes_melody=True))

    job = decoding.request(0, duration=1.0, temperature=0.0, melody=tmp_path / "tone.wav", prompt="slow strings")
    plain = decoding.request(1, duration=0.6, temperature=0.0)
    recorder = decoding.Recorder(melody_model(), slots=3)
    recorder.run([plain, job])

    model: Any = melody_model().model
    model.set_generation_params(use_sampling=False, duration=1.0, cfg_coef=3.0, two_step_cfg=two_step)
    attributes, _ = model._prepare_tokens_and_attributes([job.prompt], None, [torch.from_numpy(tone)[None]])
    assert torch.equal(recorder.tokens[0], model._generate_tokens(attributes, None)[0])
    assert torch.equal(recorder.tokens[1], decoding.reference(model, plain))


def test_a_model_the_loop_cannot_run_is_refused_with_the_reason(loaded: loading.LoadedModel) -> None:
    lm: Any = loaded.model.lm
    assert unsupported(lm) is None
    lm.fuser.fuse2cond["sum"] = ["description"]
    with pytest.raises(BadParameter, match="added to the input"):
        decoding.DecoderBackend(loaded.spec, "cpu", 1, loaded=loaded)
    assert "autoregressive" in (unsupported(torch.nn.Linear(1, 1)) or "")
