from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from audiocraft.utils import utils as draws
from demucs import pretrained
from demucs.htdemucs import HTDemucs
from recipe import checkpoint

from soundmill.engine import inputs, models
from soundmill.engine.audiocraft import loading
from soundmill.engine.audiocraft.static_backend import AudioCraftBackend, row_streams
from soundmill.engine.backend import Backend, Clip
from soundmill.errors import BadParameter, MissingInput, OutOfMemory
from soundmill.jobs import (
    AudioFormat,
    FailureKind,
    GenerationFailed,
    GenerationRequest,
    Normalization,
    Parameters,
    Progress,
)

torch.set_num_threads(1)
RATE = 16_000
Load = Callable[[str], loading.LoadedModel]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    @cache
    def build_and_load(shape: str) -> loading.LoadedModel:
        folder = checkpoint.build(tmp_path_factory.mktemp(shape), getattr(checkpoint, shape), 3)
        return loading.load(models.resolve(str(folder)), "cpu")

    return build_and_load


@pytest.fixture
def backend(load: Load) -> AudioCraftBackend:
    return on(load("TEST_MUSICGEN"))


def on(loaded: loading.LoadedModel, slots: int | None = 8) -> AudioCraftBackend:
    return AudioCraftBackend(loaded.spec, "cpu", slots, loaded=loaded)


def request(job_id: int, **changes: Any) -> GenerationRequest:
    sampling = {"duration": 1.0, "temperature": 1.0, "top_k": 20, "top_p": 0.0, "cfg_coef": 3.0}
    sampling |= {name: changes.pop(name) for name in sampling.keys() & changes.keys()}
    return GenerationRequest(
        job_id=job_id,
        attempt=1,
        prompt=changes.pop("prompt", "calm piano"),
        parameters=Parameters(**sampling),
        seed=changes.pop("seed", 1000 + job_id),
        format=AudioFormat.WAV,
        normalization=Normalization.NONE,
        normalization_target=0.0,
        deadline_s=60.0,
        **changes,
    )


def run(backend: Backend, requests: Sequence[GenerationRequest]) -> list[Clip | GenerationFailed | Progress]:
    backend.submit(requests)
    results: list[Clip | GenerationFailed | Progress] = []
    while backend.busy:
        results += backend.step()
    return results


def clips(backend: Backend, requests: Sequence[GenerationRequest]) -> dict[int, np.ndarray]:
    results = run(backend, requests)
    failures = [result for result in results if isinstance(result, GenerationFailed)]
    assert failures == []
    return {result.request.job_id: result.samples for result in results if isinstance(result, Clip)}


def failure(backend: Backend, wanted: GenerationRequest) -> GenerationFailed:
    (result,) = run(backend, [wanted])
    assert isinstance(result, GenerationFailed)
    assert result.key == wanted.key
    assert "\n" not in result.message
    return result


def wav(file: Path, seconds: float, channels: int = 1) -> Path:
    times = np.arange(int(seconds * RATE)) / RATE
    soundfile.write(file, np.stack([np.sin(2 * np.pi * 220 * times)] * channels, axis=1) * 0.5, RATE)
    return file


# -- the clip ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", [{"top_k": 20}, {"top_k": 0}, {"top_p": 0.8}, {"temperature": 0.0}])
def test_a_clip_alone_is_the_one_audiocraft_makes_from_its_seed(load: Load, sampling: dict[str, float]) -> None:
    loaded = load("TEST_MUSICGEN")
    mine = clips(on(loaded), [request(1, seed=77, **sampling)])[1]
    settings = {"top_k": 20, "top_p": 0.0, "temperature": 1.0, **sampling}
    loaded.model.set_generation_params(duration=1.0, cfg_coef=3.0, use_sampling=settings["temperature"] > 0, **settings)
    torch.manual_seed(77)
    assert np.array_equal(mine, loaded.model.generate(["calm piano"])[0].numpy())


@pytest.mark.parametrize(
    ("shape", "sampling"),
    [
        ("TEST_MUSICGEN", {"top_k": 20}),
        ("TEST_MUSICGEN", {"top_k": 0}),
        ("TEST_MUSICGEN", {"top_p": 0.8}),
        ("TEST_STEREO", {"top_k": 20}),
        ("TEST_AUDIOGEN", {"top_k": 20}),
        ("TEST_MAGNET", {"top_p": 0.8}),
    ],
)
def test_a_clip_in_a_batch_is_the_same_as_alone(load: Load, shape: str, sampling: dict[str, float]) -> None:
    backend = on(load(shape))
    wanted = [
        request(number, prompt=prompt, **sampling)
        for number, prompt in enumerate(["calm piano", "loud drums", "dark synth", "fast guitar"])
    ]
    together = clips(backend, wanted)
    alone = {each.job_id: clips(backend, [each])[each.job_id] for each in wanted}
    for job_id, samples in alone.items():
        assert np.allclose(together[job_id], samples, atol=1e-4)
    assert not np.allclose(alone[0], alone[1], atol=1e-2)


def test_one_prompt_with_two_seeds_gives_two_clips_in_one_batch(backend: AudioCraftBackend) -> None:
    made = clips(backend, [request(1, seed=5), request(2, seed=6), request(3, seed=5)])
    assert np.allclose(made[1], made[3], atol=1e-4)
    assert not np.allclose(made[1], made[2], atol=1e-2)


@pytest.mark.parametrize(("shape", "channels"), [("TEST_MUSICGEN", 1), ("TEST_STEREO", 2)])
def test_samples_come_as_channels_by_time(load: Load, shape: str, channels: int) -> None:
    (clip,) = [result for result in run(on(load(shape)), [request(1)]) if isinstance(result, Clip)]
    assert clip.samples.shape == (channels, RATE)
    assert clip.samples.dtype == np.float32
    assert clip.sample_rate == RATE
    assert clip.generation_s > 0


@pytest.mark.parametrize("duration", [0.02, 0.7, 1.013])
def test_a_clip_is_as_long_as_asked_to_the_sample(backend: AudioCraftBackend, duration: float) -> None:
    assert clips(backend, [request(1, duration=duration)])[1].shape[-1] == round(duration * RATE)


def test_durations_cover_the_last_frame_whatever_the_rounding() -> None:
    for hundredths in range(1, 3001):
        asked = hundredths / 100
        frames = int(inputs.whole_frames(asked, 50.0) * 50.0)
        assert frames >= asked * 50 - 1e-5
        assert frames < asked * 50 + 1


def test_a_clip_longer_than_the_window_slides(load: Load) -> None:
    backend = on(load("TEST_AUDIOGEN"))
    results = run(backend, [request(1, duration=6.0)])
    (clip,) = [result for result in results if isinstance(result, Clip)]
    progress = [result for result in results if isinstance(result, Progress)]
    assert clip.samples.shape[-1] == 6 * RATE
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert progress[-1].done == progress[-1].due == 150


def test_a_filter_wider_than_the_codebook_filters_nothing(backend: AudioCraftBackend) -> None:
    made = clips(backend, [request(1, seed=9, top_k=100_000), request(2, seed=9, top_k=0)])
    assert np.array_equal(made[1], made[2])


def test_magnet_is_cut_to_the_duration_asked(load: Load) -> None:
    backend = on(load("TEST_MAGNET"))
    assert clips(backend, [request(1, duration=0.5)])[1].shape[-1] == RATE // 2
    assert failure(backend, request(2, duration=3.5)).kind is FailureKind.BAD_PARAMETER


# -- what goes together ------------------------------------------------------------------------


def test_only_as_many_as_there_are_slots_run_at_once_oldest_first(load: Load) -> None:
    backend = on(load("TEST_MUSICGEN"), slots=2)
    made = [r for r in run(backend, [request(n, duration=0.2) for n in range(5)]) if isinstance(r, Clip)]
    assert [clip.request.job_id for clip in made] == [0, 1, 2, 3, 4]
    times = [clip.generation_s for clip in made]
    assert times[0] == times[1] != times[2] == times[3] != times[4]
    assert [clip.device_s for clip in made] == [*(time / 2 for time in times[:4]), times[4]]
    assert len({clip.row_steps for clip in made}) == 1 and made[0].row_steps > 2


def test_audiocraft_computes_both_rows_of_a_clip_also_where_guidance_changes_nothing(
    backend: AudioCraftBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    step = backend._model.lm.forward

    def counted(sequence: torch.Tensor, *others: Any, **more: Any) -> torch.Tensor:
        rows.append(len(sequence))
        return step(sequence, *others, **more)

    monkeypatch.setattr(backend._model.lm, "forward", counted)
    (plain,) = (r for r in run(backend, [request(1, duration=0.2, cfg_coef=1.0)]) if isinstance(r, Clip))
    assert plain.row_steps == sum(rows)


def test_requests_that_differ_in_what_audiocraft_sets_per_call_run_apart(backend: AudioCraftBackend) -> None:
    wanted = [
        request(0, duration=0.2),
        request(1, duration=0.4),
        request(2, duration=0.2, temperature=0.5),
        request(3, duration=0.2, prompt="calm piano and soft strings"),
        request(4, duration=0.2, prompt="loud drums"),
    ]
    took = {r.request.job_id: r.generation_s for r in run(backend, wanted) if isinstance(r, Clip)}
    assert took[0] == took[4]
    assert len({took[0], took[1], took[2], took[3]}) == 4


def test_the_oldest_request_is_not_passed_over(load: Load) -> None:
    backend = on(load("TEST_MUSICGEN"))
    wanted = [request(0, duration=0.4), request(1, duration=0.2), request(2, duration=0.4)]
    order = [r.request.job_id for r in run(backend, wanted) if isinstance(r, Clip)]
    assert order == [0, 2, 1]


# -- audio that comes along --------------------------------------------------------------------


def test_a_continuation_starts_with_what_it_continues(backend: AudioCraftBackend, tmp_path: Path) -> None:
    """The prompt comes back through the codec, so two continuations share it and then part."""
    before = wav(tmp_path / "before.wav", 1.0)
    made = clips(backend, [request(n, duration=2.0, continue_from=before) for n in (1, 2)])
    assert made[1].shape == (1, 2 * RATE)
    assert np.allclose(made[1][:, : RATE // 2], made[2][:, : RATE // 2], atol=1e-3)
    assert not np.allclose(made[1][:, -RATE // 2 :], made[2][:, -RATE // 2 :], atol=1e-2)
    alone = clips(backend, [request(1, duration=2.0, continue_from=before)])
    assert np.allclose(alone[1], made[1], atol=1e-4)


def test_audio_as_long_as_the_clip_leaves_nothing_to_continue(backend: AudioCraftBackend, tmp_path: Path) -> None:
    failed = failure(backend, request(1, duration=1.0, continue_from=wav(tmp_path / "long.wav", 1.5)))
    assert failed.kind is FailureKind.BAD_PARAMETER
    assert "1.5 s long" in failed.message


@pytest.mark.parametrize("content", [None, b"", b"this is not audio"])
def test_audio_that_cannot_be_read_is_a_missing_input(
    backend: AudioCraftBackend, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "before.wav"
    if content is not None:
        file.write_bytes(content)
    failed = failure(backend, request(1, continue_from=file))
    assert failed.kind is FailureKind.MISSING_INPUT
    assert str(file) in failed.message


def test_a_file_without_samples_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds no audio"):
        inputs.read_audio(wav(tmp_path / "empty.wav", 0.0))


def test_only_the_part_that_is_needed_is_read(tmp_path: Path) -> None:
    samples, rate = inputs.read_audio(wav(tmp_path / "long.wav", 3.0, channels=2), 1.0)
    assert (samples.shape, samples.dtype, rate) == ((2, RATE), torch.float32, RATE)


def test_a_melody_changes_the_clip(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a small separator in the place of the one that melody models download."""
    sources = ["drums", "bass", "other", "vocals"]
    separator = HTDemucs(sources, channels=16, depth=2, t_layers=0, nfft=512, segment=1, samplerate=RATE).eval()
    monkeypatch.setattr(pretrained, "get_model", lambda name: separator)
    monkeypatch.setattr(loading, "_pull_stem_separator", lambda source: None)
    backend = on(load("TEST_MELODY"))
    melody = wav(tmp_path / "melody.wav", 1.0, channels=2)
    plain, led = request(1, seed=4), request(2, seed=4, melody=melody)
    made = clips(backend, [plain, led, request(3, seed=4, melody=melody)])
    assert made[2].shape == (1, RATE)
    assert not np.allclose(made[1], made[2], atol=1e-2)
    assert np.allclose(made[2], made[3], atol=1e-4)
    assert failure(backend, request(4, melody=tmp_path / "none.wav")).kind is FailureKind.MISSING_INPUT


# -- what cannot be done -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"duration": 0.0}, "duration"),
        ({"duration": 301.0}, "up to 300 s"),
        ({"duration": float("nan")}, "duration"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 1.5}, "top_p"),
        ({"cfg_coef": float("nan")}, "cfg_coef"),
        ({"melody": Path("any.wav")}, "takes none; use musicgen-melody"),
    ],
)
def test_a_bad_parameter_is_refused_by_name_and_harms_no_neighbour(
    backend: AudioCraftBackend, wrong: dict[str, Any], says: str
) -> None:
    results = run(backend, [request(1, **wrong), request(2, duration=0.2)])
    (failed,) = [result for result in results if isinstance(result, GenerationFailed)]
    assert (failed.job_id, failed.kind) == (1, FailureKind.BAD_PARAMETER)
    assert says in failed.message
    assert [result.request.job_id for result in results if isinstance(result, Clip)] == [2]


def test_a_setting_that_audiocraft_does_not_have_must_be_off(
    backend: AudioCraftBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampling parameter may be our loop's alone."""
    monkeypatch.setattr(backend, "_takes", backend._takes - {"top_p"})
    assert "top_p" in failure(backend, request(1, duration=0.2, top_p=0.5)).message
    assert list(clips(backend, [request(2, duration=0.2, top_p=0.0)])) == [2]


def test_melody_and_continuation_exclude_each_other(load: Load) -> None:
    spec = models.resolve("musicgen-melody")
    with pytest.raises(BadParameter, match="one or the other"):
        inputs.check(request(1, melody=Path("a.wav"), continue_from=Path("b.wav")), spec)
    with pytest.raises(BadParameter, match="does not continue audio"):
        inputs.check(request(1, continue_from=Path("b.wav")), models.resolve("magnet-small-30secs"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
)
def test_a_lack_of_memory_drops_everything_and_the_next_try_works(
    load: Load, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    loaded = load("TEST_MUSICGEN")
    backend = on(loaded, slots=4)

    def full(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(loaded.model.lm, "_sample_next_token", full)
        with pytest.raises(OutOfMemory, match="no room for 2 clips"):
            run(backend, [request(1), request(2), request(3, duration=0.5)])
    assert not backend.busy
    backend.reduce_slots()
    assert backend.info.slots == 2
    assert set(clips(backend, [request(1), request(2)])) == {1, 2}


def test_slots_never_fall_below_one(load: Load) -> None:
    backend = on(load("TEST_MUSICGEN"), slots=3)
    backend.reduce_slots()
    backend.reduce_slots()
    assert backend.info.slots == 1


def test_a_failure_inside_audiocraft_fails_its_group_alone(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load("TEST_MUSICGEN")
    backend = on(loaded)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("first line\nsecond line")

    with monkeypatch.context() as patch:
        patch.setattr(loaded.model.lm, "_sample_next_token", broken)
        failed = failure(backend, request(1))
    assert (failed.kind, failed.message) == (FailureKind.INTERNAL, "ValueError: first line second line")
    assert set(clips(backend, [request(2)])) == {2}


def test_a_broken_device_is_not_survived(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load("TEST_MUSICGEN")

    def broken(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(loaded.model.lm, "_sample_next_token", broken)
    with pytest.raises(torch.AcceleratorError):
        run(on(loaded), [request(1)])


# -- while it runs -----------------------------------------------------------------------------


def test_progress_comes_before_the_clip_and_ends_where_it_is_due(backend: AudioCraftBackend) -> None:
    results = run(backend, [request(1), request(2)])
    assert [type(result) for result in results[-2:]] == [Clip, Clip]
    for job_id in (1, 2):
        steps = [(r.done, r.due) for r in results if isinstance(r, Progress) and r.job_id == job_id]
        assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
        assert steps[-1][0] == steps[-1][1]


def test_a_running_batch_nobody_wants_stops_soon(backend: AudioCraftBackend) -> None:
    backend.submit([request(1, duration=300.0), request(2, duration=300.0)])
    while not backend.step():
        pass
    backend.cancel([1, 2])
    began = time.monotonic()
    while backend.busy:
        assert backend.step() == []
    assert time.monotonic() - began < 5
    assert set(clips(backend, [request(3)])) == {3}


def test_a_cancelled_clip_is_not_delivered_and_its_neighbour_is(backend: AudioCraftBackend) -> None:
    backend.submit([request(1), request(2), request(3, duration=0.5)])
    backend.step()
    backend.cancel([1, 3])
    delivered = []
    while backend.busy:
        results = backend.step()
        assert not any(isinstance(r, Progress) and r.job_id == 1 for r in results)
        delivered += [r.request.job_id for r in results if isinstance(r, Clip)]
    assert delivered == [2]


def test_closing_ends_what_runs(load: Load) -> None:
    backend = on(load("TEST_MUSICGEN"))
    backend.submit([request(1, duration=300.0)])
    backend.step()
    backend.close()
    backend.close()
    assert not backend.busy


def test_audiocrafts_own_sampling_is_put_back(load: Load) -> None:
    original = draws.multinomial
    with pytest.raises(RuntimeError, match="on purpose"), row_streams([1], "cpu"):
        assert draws.multinomial is not original
        raise RuntimeError("on purpose")
    assert draws.multinomial is original


def test_info_says_what_a_file_should_record(load: Load) -> None:
    loaded = load("TEST_STEREO")
    info = on(loaded, slots=3).info
    assert (info.sample_rate, info.channels, info.frame_rate, info.slots) == (RATE, 2, 25.0, 3)
    assert (info.name, info.device, info.licence) == (str(loaded.folder), "cpu", "unknown")
    assert set(info.versions) == {"soundmill", "audiocraft", "torch", "device", "weights"}
    assert info.versions["audiocraft"] == "1.3.0"


def test_slots_are_chosen_by_the_memory_there_is(load: Load) -> None:
    assert 1 <= on(load("TEST_MUSICGEN"), slots=None).info.slots <= 8
