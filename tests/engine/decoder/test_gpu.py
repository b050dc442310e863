"""What the decode loop would do on a GPU, checked without one: on fake tensors, and with a stand-in for graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from recipe import checkpoint
from torch._subclasses.fake_tensor import DataDependentOutputException

from soundmill.engine import models
from soundmill.engine.decoder.backend import MOST_SLOTS, gpu_slots
from soundmill.engine.decoder.loop import GPU_BATCHES, GPU_KEYS, Decoder
from soundmill.engine.decoder.transformer import TEXT_STEP
from support import decoding, fake_gpu

SHAPES = {"mono": checkpoint.TEST_MUSICGEN, "stereo": checkpoint.TEST_STEREO, "melody": checkpoint.TEST_MELODY}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def shape(request: pytest.FixtureRequest) -> checkpoint.Shape:
    chosen: checkpoint.Shape = request.param
    return chosen


@pytest.fixture
def decoder(shape: checkpoint.Shape) -> Iterator[Decoder]:
    """A decoder with four slots on a fake GPU."""
    with fake_gpu.fake_gpu():
        yield Decoder(fake_gpu.language_model(shape), 4, 40, None)


def test_a_step_on_a_gpu_never_waits_for_it_and_touches_nothing_on_the_host(decoder: Decoder) -> None:
    decoder.slots.settle()
    with fake_gpu.Watch() as watch:
        decoder.step(2, 4, GPU_KEYS, decoder.transformer.cardinality)
    assert {device for seen in watch.operations for device in seen.devices} == {"cuda"}
    assert watch.waits == 0
    assert len(watch.types_of("scaled_dot_product_attention")) == 1


def test_what_stands_before_the_first_step_is_read_on_the_gpu(decoder: Decoder) -> None:
    t = decoder.transformer
    text = torch.zeros(TEXT_STEP + 3, t.dim, dtype=t.dtype, device=t.device)
    t.read_text(1, text)
    decoder.slots._read(t.embed(torch.zeros(3, t.codebooks, dtype=torch.long, device=t.device))[None], 2, 1, 0)
    t.move_row(2, 0, 3)
    t.move_text(1, 0)
    t.wipe_row(2, 3)
    assert t.text_keys.shape[3] == 2 * TEXT_STEP
    decoder.step(1, 2, GPU_KEYS, t.cardinality)


def test_the_precision_on_a_gpu_is_that_of_audiocraft_under_its_autocast(
    decoder: Decoder, shape: checkpoint.Shape
) -> None:
    """Products and attention in float16, the residual stream, norms and softmax in float32."""
    lm = fake_gpu.language_model(shape)
    tokens = torch.zeros(2, shape.streams, 1, dtype=torch.long, device="cuda")
    text = torch.zeros(2, 3, shape.dim, dtype=torch.float16, device="cuda")
    with fake_gpu.Watch() as theirs, fake_gpu.autocast():
        given = {"description": (text, torch.ones(2, 3, device="cuda"))}
        assert lm(tokens, [], given).softmax(-1).dtype == torch.float32
    with fake_gpu.Watch() as ours:
        decoder.step(1, 2, GPU_KEYS, shape.cardinality)
    for name in ("linear", "scaled_dot_product_attention", "gelu"):
        assert theirs.types_of(name) == ours.types_of(name) == {torch.float16}, name
    assert theirs.types_of("layer_norm") == ours.types_of("layer_norm") == {torch.float32}
    assert ours.types_of("softmax") == {torch.float32}
    assert ours.types_of("cumsum") == {torch.int64}  # whose sums are the same in any order


def wait_for_a_number(table: torch.Tensor) -> None:
    int(table[0])


def wait_for_a_shape(table: torch.Tensor) -> None:
    table[table > 0]


def read_the_host(table: torch.Tensor) -> None:
    table + torch.ones(table.shape)


@pytest.mark.parametrize("forbidden", [wait_for_a_number, wait_for_a_shape, read_the_host])
def test_the_fake_gpu_refuses_what_a_graph_cannot_record(forbidden: Callable[[torch.Tensor], None]) -> None:
    with fake_gpu.fake_gpu(), pytest.raises((DataDependentOutputException, RuntimeError)):
        forbidden(torch.zeros(4, device="cuda"))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> models.ModelSpec:
    return decoding.build(tmp_path_factory.mktemp("model"), checkpoint.TEST_MUSICGEN)


@pytest.fixture
def recorder(spec: models.ModelSpec) -> decoding.Recorder:
    return decoding.Recorder(decoding.load(spec), slots=6)


def test_replayed_steps_make_the_tokens_that_direct_ones_make(recorder: decoding.Recorder) -> None:
    jobs = [decoding.request(job, duration=0.4 + 0.3 * job, cfg_coef=1.0 + job % 3) for job in range(9)]
    recorder.run(jobs[:4], jobs[4:])
    direct = dict(recorder.tokens)
    tape = fake_gpu.Tape()
    recorder.backend._decoder.record = tape
    recorder.run(jobs[:4], jobs[4:])
    assert len(tape.siblings) == len(recorder.backend._decoder.recordings) > 1
    assert all(torch.equal(recorder.tokens[job], direct[job]) for job in direct)


def test_recording_leaves_the_clips_where_they_were(recorder: decoding.Recorder) -> None:
    backend, tape = recorder.backend, fake_gpu.Tape()
    with torch.inference_mode():
        backend.submit([decoding.request(0), decoding.request(1)])
        backend._seat()
        slots, decoder = backend._decoder.slots, backend._decoder
        slots.settle()
        before = slots.seat.at.clone(), slots.sequence.clone()

        class Still(fake_gpu.Replay):
            def replay(self) -> None:
                assert torch.equal(slots.seat.at, before[0])
                assert torch.equal(slots.sequence, before[1])

        def record(work: Callable[[], None], sibling: object) -> Still:
            work()
            assert not torch.equal(slots.seat.at, before[0])
            return Still(work)

        decoder.replay((6, 12, 64, 64), record)
        decoder.replay((6, 12, 64, 64), tape)
    assert tape.siblings == []  # the shape was known


def test_a_shape_is_recorded_once_and_shares_memory_with_those_before_it(recorder: decoding.Recorder) -> None:
    decoder, tape = recorder.backend._decoder, fake_gpu.Tape()
    shapes = [(6, 12, 64, 64), (6, 12, 128, 64), (6, 12, 64, 64)]
    with torch.inference_mode():
        for shape in shapes:
            decoder.replay(shape, tape)
    first: Any = decoder.recordings[shapes[0]]
    assert tape.siblings == [None, first]
    assert first.times == 2


def test_recordings_are_dropped_when_the_tables_they_read_move(recorder: decoding.Recorder) -> None:
    decoder, tape, shape = recorder.backend._decoder, fake_gpu.Tape(), (6, 12, 64, 64)
    t = decoder.transformer
    with torch.inference_mode():
        decoder.replay(shape, tape)
        t.read_text(0, torch.zeros(TEXT_STEP, t.dim))
        decoder.replay(shape, tape)
        assert len(tape.siblings) == 1  # the text still fits
        t.read_text(0, torch.zeros(TEXT_STEP + 1, t.dim))
        decoder.replay(shape, tape)
        assert tape.siblings == [None, None]
        decoder.resize(6)
        decoder.replay(shape, tape)
    assert tape.siblings == [None, None, None]


def test_a_recording_that_fails_is_not_kept(recorder: decoding.Recorder) -> None:
    decoder, shape = recorder.backend._decoder, (6, 12, 64, 64)

    def fail(work: Callable[[], None], sibling: object) -> fake_gpu.Replay:
        raise torch.OutOfMemoryError("no room")

    with torch.inference_mode():
        with pytest.raises(torch.OutOfMemoryError):
            decoder.replay(shape, fail)
        decoder.replay(shape, fake_gpu.Tape())
    assert list(decoder.recordings) == [shape]


@pytest.mark.parametrize(("clips", "slots"), [(0, 1), (1, 1), (3, 2), (40, 32), (255, 192), (256, 256), (9000, 256)])
def test_slots_on_a_gpu_are_a_size_whose_caches_fit_the_room(clips: int, slots: int) -> None:
    assert gpu_slots(clips * 1000 + 999, 1000) == slots
    assert slots in GPU_BATCHES and 2 * slots in GPU_BATCHES  # so nothing is rounded up when rooms are made
    assert slots <= MOST_SLOTS["cuda"]


def test_the_caches_on_a_gpu_take_what_slot_bytes_says(decoder: Decoder) -> None:
    t = decoder.transformer
    cached = sum(cache.nbytes for cache in (t.keys, t.values, t.text_keys, t.text_values))
    assert cached == 4 * t.slot_bytes()
    decoder.resize(3)
    assert (t.rows, t.clips) == (8, 4)  # a size that is recorded
