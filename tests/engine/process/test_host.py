"""The inside of an engine process: how a clip is finished, which failure is called what, and who opens a model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from soundmill.audio.decode import decode
from soundmill.audio.tags import read_tags
from soundmill.engine.backend import Clip
from soundmill.engine.process.engine import ProcessEngine
from soundmill.engine.process.host import failed, finish, main, resolve_opener, tags_of
from soundmill.engine.process.wire import Load, Loaded, ReduceSlots, Stop, Submit, as_engine_error
from soundmill.errors import BadParameter, EngineError, MissingInput, OutOfMemory
from soundmill.jobs import AudioFormat, FailureKind, Generated, GenerationRequest, ModelInfo, Normalization
from support.conformance import answers_to, make_request
from support.faulty_backend import SAMPLE_RATE, samples_of

INFO = ModelInfo(
    name="test/tone",
    sample_rate=SAMPLE_RATE,
    channels=1,
    frame_rate=50.0,
    slots=4,
    device="cpu",
    licence="CC0-1.0",
    versions={"torch": "2.11.0"},
)


def clip_of(request: GenerationRequest) -> Clip:
    return Clip(
        request=request,
        samples=samples_of(request),
        sample_rate=SAMPLE_RATE,
        generation_s=0.5,
        device_s=0.2,
        row_steps=50,
    )


@pytest.mark.parametrize("format", list(AudioFormat))
def test_what_is_measured_is_what_the_file_holds(format: AudioFormat) -> None:
    request = make_request(format=format, duration=1.0, normalization=Normalization.PEAK, normalization_target=-6.0)
    generated = finish(clip_of(request), INFO)
    samples, sample_rate = decode(generated.audio)
    assert (generated.format, generated.sample_rate, generated.channels) == (format, sample_rate, samples.shape[0])
    assert generated.duration_s == samples.shape[1] / sample_rate == pytest.approx(1.0)
    peak = generated.measurements["peak_dbfs"]
    assert peak == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=1e-4)
    assert peak == pytest.approx(-6.0, abs=0.5)  # Vorbis and MP3 move the peak a little


def test_peak_and_clipping_are_also_measured_before_normalisation() -> None:
    request = make_request("loud", normalization=Normalization.PEAK, normalization_target=-12.0)
    measurements = finish(clip_of(request), INFO).measurements
    assert measurements["peak_before_dbfs"] == pytest.approx(20 * np.log10(1.7), abs=1e-4)
    assert measurements["clipping_share_before"] == pytest.approx(100 / 4000)
    assert measurements["peak_dbfs"] == pytest.approx(-12.0, abs=0.01)
    assert measurements["clipping_share"] == 0


def test_silence_has_no_loudness_and_stays_silence() -> None:
    generated = finish(clip_of(make_request("silent")), INFO)
    assert generated.measurements["loudness_lufs"] is None
    assert generated.measurements["silence_share"] == 1
    assert not decode(generated.audio)[0].any()


def test_a_file_says_how_to_make_it_again() -> None:
    request = make_request("rain", seed=77, tags={"batch": "themes", "prompt": "not this one"})
    tags = read_tags(finish(clip_of(request), INFO).audio)
    assert tags == tags_of(request, INFO)
    wanted = {"batch": "themes", "prompt": "rain", "seed": "77", "model": "test/tone", "licence": "CC0-1.0"}
    assert wanted.items() <= tags.items()
    assert {"duration": "0.5", "temperature": "1", "top_k": "250", "cfg_coef": "3"}.items() <= tags.items()
    assert tags["version_torch"] == "2.11.0"


def test_a_clip_is_faded_where_it_is_cut_and_keeps_its_length() -> None:
    plain = make_request(duration=1.0, normalization=Normalization.NONE)
    faded = replace(plain, fade_s=0.01)
    (cut, rate), (smooth, _) = (decode(finish(clip_of(request), INFO).audio) for request in (plain, faded))
    ends = round(0.01 * rate)
    assert cut.shape == smooth.shape
    assert np.array_equal(cut[:, ends:-ends], smooth[:, ends:-ends])
    assert smooth[0, -1] == 0
    assert np.abs(cut[0, -ends:]).max() > 0.1  # it was cut while it sounded


def test_a_continued_clip_starts_as_the_one_it_continues_ended() -> None:
    request = make_request(duration=1.0, normalization=Normalization.NONE, fade_s=0.01, continue_from=Path("a.wav"))
    plain = replace(request, fade_s=0.0)
    clip = clip_of(plain)
    loud_start = replace(clip, samples=np.roll(clip.samples, -5, axis=1))
    (kept, rate), (smooth, _) = (
        decode(finish(replace(loud_start, request=wanted), INFO).audio) for wanted in (plain, request)
    )
    ends = round(0.01 * rate)
    assert np.abs(kept[0, 0]) > 0.01
    assert np.array_equal(kept[:, :-ends], smooth[:, :-ends])
    assert smooth[0, -1] == 0


def test_a_file_says_how_it_was_faded() -> None:
    request = make_request(fade_s=0.0073)
    assert float(read_tags(finish(clip_of(request), INFO).audio)["fade_s"]) == request.fade_s
    assert "fade_s" not in read_tags(finish(clip_of(replace(request, fade_s=0.0)), INFO).audio)


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


class OddParameter(BadParameter):
    def __init__(self, name: str, value: float) -> None:
        super().__init__(f"{name}:\n{value} is odd")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OddParameter("top_k", 3), FailureKind.BAD_PARAMETER, "top_k: 3 is odd"),
        (MissingInput("no such file"), FailureKind.MISSING_INPUT, "no such file"),
        (EngineError(), FailureKind.INTERNAL, "internal"),
        (MemoryError(), FailureKind.OUT_OF_MEMORY, "out of memory (MemoryError)"),
        (OutOfMemoryError("tried\n2 GiB"), FailureKind.OUT_OF_MEMORY, "out of memory (OutOfMemoryError: tried 2 GiB)"),
        (OSError(28, "No space left on device"), FailureKind.IO, "OSError: [Errno 28] No space left on device"),
        (ValueError("what?"), FailureKind.INTERNAL, "ValueError: what?"),
    ],
)
def test_an_error_becomes_a_kind_of_failure_on_one_line(error: Exception, kind: FailureKind, message: str) -> None:
    failure = failed(make_request(), error)
    assert (failure.kind, failure.message) == (kind, message)


def test_errors_travel_as_the_class_the_daemon_knows() -> None:
    assert type(as_engine_error(OddParameter("top_k", 3))) is BadParameter
    assert type(as_engine_error(MemoryError())) is OutOfMemory
    assert as_engine_error(ValueError()) is None


def test_the_backend_is_named_by_its_import_path() -> None:
    assert resolve_opener("support.faulty_backend:open_backend")("tone", "cpu", 3).info.slots == 3
    with pytest.raises(AttributeError):
        resolve_opener("support.faulty_backend:nothing")


@pytest.fixture
def daemon_end() -> Iterator[Connection]:
    """The daemon's end of a pipe to a host that runs on a thread of this process."""
    ours, theirs = Pipe()
    host = threading.Thread(target=main, args=(theirs, "cpu", "support.faulty_backend:open_backend", 4))
    host.start()
    yield ours
    ours.close()
    host.join(10)
    theirs.close()
    assert not host.is_alive()


def test_a_host_ends_when_the_daemon_hangs_up_in_the_middle_of_a_clip(daemon_end: Connection) -> None:
    daemon_end.send(Load(model="tone"))
    assert isinstance(daemon_end.recv(), Loaded)
    daemon_end.send(Submit(requests=(make_request("slow"),)))


def test_requests_before_any_model_is_loaded_are_answered(daemon_end: Connection) -> None:
    request = make_request()
    daemon_end.send(ReduceSlots())
    daemon_end.send(Submit(requests=(request,)))
    failure = daemon_end.recv()
    assert (failure.key, failure.kind) == (request.key, FailureKind.INTERNAL)
    daemon_end.send(Stop())


def test_the_built_in_model_makes_a_clip_in_a_process_of_its_own() -> None:
    engine = ProcessEngine("cpu", slots=2, load_deadline_s=120.0)
    try:
        info = engine.load("tiny")
        request = make_request(duration=0.5, deadline_s=60.0)
        engine.submit([request])
        (clip,) = answers_to(engine, [request])
    finally:
        engine.close()
    assert isinstance(clip, Generated)
    assert (info.slots, clip.sample_rate, clip.licence) == (2, info.sample_rate, info.licence)
    assert clip.duration_s == pytest.approx(0.5, abs=0.001)
