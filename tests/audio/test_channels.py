"""Five point one, whatever the container: left, right, centre, LFE and the surrounds are where a WAV file has them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundmill.audio.channels import IN_VORBIS, from_vorbis, to_vorbis
from soundmill.audio.decode import decode, read_audio
from soundmill.audio.encode import encode
from soundmill.audio.loudness import integrated_loudness
from soundmill.jobs import AudioFormat
from soundmill.quality.measure import measure

RATE = 48_000
HERTZ = (300, 400, 500, 60, 600, 700)  # left, right, centre, LFE, left and right surround
LEVELS = (0.2, 0.2, 0.1, 0.5, 0.3, 0.3)


def tones(seconds: float = 1.0) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    sound = [level * np.sin(2 * np.pi * hz * time) for level, hz in zip(LEVELS, HERTZ, strict=True)]
    return np.asarray(sound, dtype=np.float32)


def heard(samples: NDArray[np.float32]) -> list[int]:
    """The frequency of each channel, to 20 Hz."""
    spectra = np.abs(np.fft.rfft(samples * np.hanning(samples.shape[1])))
    return [round(bin * RATE / samples.shape[1] / 20) * 20 for bin in spectra.argmax(axis=1)]


def written_by_ffmpeg(path: Path, codec: str, container: str) -> None:
    """An encoder that knows which channel is which, unlike libsndfile."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE, layout="5.1")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="5.1", rate=RATE)
        samples = tones()
        for at in range(0, samples.shape[1], 960):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, at : at + 960]), "fltp", "5.1")
            frame.sample_rate, frame.pts = RATE, at
            for ready in resampler.resample(frame):
                file.mux(stream.encode(ready))
        file.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("codec", "container"), [("libopus", "ogg"), ("flac", "flac"), ("pcm_s16le", "wav"), ("pcm_s16be", "aiff")]
)
def test_the_channels_of_a_file_are_brought_to_the_order_of_a_wav_file(
    codec: str, container: str, tmp_path: Path
) -> None:
    path = tmp_path / f"tones.{container}"
    written_by_ffmpeg(path, codec, container)
    samples, _ = read_audio(path)
    assert heard(samples) == list(HERTZ)


def test_a_vorbis_file_has_the_order_of_the_vorbis_specification(tmp_path: Path) -> None:
    """Written channel by channel as libsndfile does it, and read by a decoder that knows which channel is which."""
    path = tmp_path / "tones.ogg"
    left, right, centre, lfe, left_surround, right_surround = tones()
    vorbis = np.stack([left, centre, right, left_surround, right_surround, lfe], axis=1)
    soundfile.write(path, vorbis[: RATE // 4], RATE, format="OGG", subtype="VORBIS")
    assert heard(read_audio(path)[0]) == list(HERTZ)
    ours = tmp_path / "ours.ogg"
    ours.write_bytes(encode(tones(), RATE, AudioFormat.OGG, {}))
    with av.open(str(ours)) as file:
        assert file.streams.audio[0].layout.name == "5.1"
        decoded = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
    assert heard(decoded) == list(HERTZ)


@pytest.mark.parametrize("format", [AudioFormat.WAV, AudioFormat.FLAC, AudioFormat.OGG])
def test_loudness_and_defects_are_of_the_same_channels_in_every_format(format: AudioFormat) -> None:
    """The LFE weighs nothing and the surrounds 1.41 (BS.1770-4), wherever the file has them; only the click in the
    surround is one."""
    samples = tones(6.0)
    samples[3:5, 3 * RATE] += 0.4
    delivered, rate = decode(encode(samples, RATE, format, {}))
    assert integrated_loudness(delivered, rate) == pytest.approx(integrated_loudness(samples, RATE), abs=0.1)
    found = measure(delivered, rate, requested_s=None, loudness_lufs=None, before=None)
    clicks = [each["detail"] for each in found.defects if each["name"] == "clicks"]
    assert clicks == ["a click in channel left surround"]


@pytest.mark.parametrize("channels", range(1, 10))
def test_there_and_back_is_the_order_it_was(channels: int) -> None:
    order = from_vorbis(channels)
    assert sorted(order) == list(range(channels))
    assert [order[at] for at in to_vorbis(channels)] == list(range(channels))
    assert (order != list(range(channels))) is (channels in IN_VORBIS)
