"""How a clip is finished: what is measured, and what the file says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soundmill.audio.decode import decode
from soundmill.audio.fingerprint.fingerprint import fingerprint
from soundmill.audio.peaks import peaks
from soundmill.audio.tags import read_tags
from soundmill.engine.backend import Clip
from soundmill.engine.finishing import finish, tags_of
from soundmill.jobs import AudioFormat, GenerationRequest, ModelInfo, Normalization
from support.conformance import make_request
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


def test_the_peaks_are_those_of_the_file() -> None:
    generated = finish(clip_of(make_request(duration=1.0)), INFO)
    assert generated.peaks == peaks(*decode(generated.audio))
    assert generated.fingerprint == fingerprint(*decode(generated.audio))


def test_peaks_are_drawn_of_a_clip_with_broken_samples() -> None:
    clip = clip_of(make_request(duration=1.0))
    clip.samples[0, 100:200] = np.nan
    generated = finish(clip, INFO)
    assert generated.measurements["nonfinite_samples"] == 100
    assert generated.peaks == peaks(*decode(generated.audio))
