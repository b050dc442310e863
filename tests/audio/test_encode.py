from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from soundmill.audio.decode import decode, read_audio
from soundmill.audio.encode import encode
from soundmill.audio.tags import read_tags
from soundmill.errors import BadParameter, EngineError, MissingInput
from soundmill.jobs import AudioFormat

Samples = NDArray[np.float32]
EXACT = [AudioFormat.WAV, AudioFormat.FLAC]
LOSSY = [AudioFormat.OGG, AudioFormat.MP3]
TAGS = {
    "prompt": "Ünïcode 日本 – “quoted”\nsecond line",
    "model": "facebook/musicgen-small",
    "seed": "1234",
    "licence": "CC-BY-NC 4.0",
    "parameters": '{"temperature": 1.0, "top_k": 250}',
}


def chord(channels: int = 2, seconds: float = 2.0, rate: int = 32_000) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * (330 + 110 * c) * time) for c in range(channels)]).astype(np.float32)


@pytest.mark.parametrize("format", EXACT)
def test_integer_formats_are_at_most_half_a_step_off(format: AudioFormat) -> None:
    samples = chord()
    decoded, rate = decode(encode(samples, 32_000, format, TAGS))
    assert rate == 32_000
    assert decoded.dtype == np.float32
    assert np.abs(decoded - samples).max() <= 0.5 / 32_768


@pytest.mark.parametrize("format", LOSSY)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_formats_sound_alike_and_are_aligned(format: AudioFormat, channels: int) -> None:
    samples = chord(channels)
    decoded, rate = decode(encode(samples, 32_000, format, TAGS))
    assert rate == 32_000
    error = np.sqrt(np.mean(np.square(decoded - samples)))
    assert error < 0.01 * np.sqrt(np.mean(np.square(samples)))


@pytest.mark.parametrize("format", list(AudioFormat))
@pytest.mark.parametrize("length", [1, 100, 16_000, 40_001])
def test_every_format_keeps_the_length_to_the_sample(format: AudioFormat, length: int) -> None:
    decoded, _ = decode(encode(chord()[:, :length], 32_000, format, TAGS))
    assert decoded.shape == (2, length)


@pytest.mark.parametrize("format", list(AudioFormat))
def test_a_long_clip_is_written_without_a_crash(format: AudioFormat) -> None:
    """libsndfile's Vorbis encoder keeps a whole write on the stack."""
    samples = np.zeros((2, 60 * 16_000), np.float32)
    decoded, _ = decode(encode(samples, 16_000, format, {}))
    assert decoded.shape == samples.shape


@pytest.mark.parametrize("format", list(AudioFormat))
def test_the_same_clip_is_the_same_bytes(format: AudioFormat) -> None:
    samples = chord()
    assert encode(samples, 32_000, format, TAGS) == encode(samples, 32_000, format, TAGS)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float32, (1, 64), elements=st.floats(-4, 4, width=32)))
def test_samples_beyond_full_scale_are_clipped_and_never_wrap_around(samples: Samples) -> None:
    decoded, _ = decode(encode(samples, 16_000, AudioFormat.WAV, {}))
    assert np.abs(decoded - np.clip(samples, -1, 1)).max() <= 1 / 32_768


@pytest.mark.parametrize("format", list(AudioFormat))
def test_non_finite_samples_become_zero_in_the_file(format: AudioFormat) -> None:
    samples = np.zeros((1, 4000), np.float32)
    samples[0, 100:103] = [np.nan, np.inf, -np.inf]
    decoded, _ = decode(encode(samples, 16_000, format, {}))
    assert np.abs(decoded).max() < 1e-4
    assert np.isnan(samples[0, 100])


def test_samples_in_another_memory_layout_are_written_alike() -> None:
    samples = chord()
    turned = np.asfortranarray(samples)
    assert encode(turned, 32_000, AudioFormat.FLAC, {}) == encode(samples, 32_000, AudioFormat.FLAC, {})


@pytest.mark.parametrize("format", list(AudioFormat))
def test_tags_come_back_from_every_format(format: AudioFormat, tmp_path: Path) -> None:
    data = encode(chord(), 32_000, format, TAGS)
    path = tmp_path / f"take.{format}"
    path.write_bytes(data)
    assert read_tags(data) == TAGS
    assert read_tags(path) == TAGS


@pytest.mark.parametrize("format", list(AudioFormat))
def test_players_find_title_and_artist(format: AudioFormat) -> None:
    data = encode(chord(), 32_000, format, TAGS)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert file.title == "Ünïcode 日本 – “quoted” second line"
        assert file.artist == "Soundmill (facebook/musicgen-small)"
        assert not file.date


@pytest.mark.parametrize("format", list(AudioFormat))
def test_very_long_and_odd_tags_survive(format: AudioFormat) -> None:
    tags = {"prompt": "long " * 4000, "odd": 'nul \0, quote ", half a pair \ud800, bell \a', "empty": ""}
    assert read_tags(encode(chord(), 32_000, format, tags)) == tags


@pytest.mark.parametrize("format", list(AudioFormat))
def test_no_tags_are_no_tags(format: AudioFormat) -> None:
    assert read_tags(encode(chord(), 32_000, format, {})) == {}


def test_a_long_prompt_is_shortened_in_the_title_alone() -> None:
    data = encode(chord(), 32_000, AudioFormat.WAV, {"prompt": "word " * 100})
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert len(file.title) <= 120
        assert file.title.endswith("…")


def test_a_tagged_wav_is_a_well_formed_riff_file() -> None:
    data = encode(chord()[:, :1001], 32_000, AudioFormat.WAV, TAGS)
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    names, at = [], 12
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        names.append(name)
        at += 8 + size + size % 2
    assert at == len(data)
    assert names == [b"fmt ", b"data", b"LIST"]


@pytest.mark.parametrize(
    "garbage", [b"", b"RIFF\0\0\0\0WAVELIST", b"ID3\3\0\0\0\0\0\x7fTXXX", b"OggSOggS", b"fLaC", b"hello"]
)
def test_a_file_that_is_not_ours_has_no_tags(garbage: bytes) -> None:
    assert read_tags(garbage) == {}


def test_a_comment_of_someone_else_is_not_taken_for_tags() -> None:
    for comment in ("just words", "[1, 2]"):
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", 16_000, 1, "PCM_16", format="FLAC") as sound:
            sound.comment = comment
            sound.write(np.zeros(100, np.float32))
        assert read_tags(file.getvalue()) == {}


def test_ogg_pages_carry_right_checksums_after_the_serial_number_was_fixed() -> None:
    """A strict reader drops pages whose checksum is wrong: nothing would be left to decode."""
    data = bytearray(encode(chord(), 32_000, AudioFormat.OGG, TAGS))
    second = data.index(b"OggS", 4)
    assert data[14:18] == data[second + 14 : second + 18]
    assert decode(bytes(data))[0].shape == (2, 64_000)
    data[22] ^= 1
    with pytest.raises(MissingInput):
        decode(bytes(data))


def test_mp3_refuses_what_it_cannot_hold_and_names_the_mend() -> None:
    with pytest.raises(BadParameter, match="ask for wav, flac or ogg"):
        encode(chord(), 96_000, AudioFormat.MP3, {})
    with pytest.raises(BadParameter, match="3 channels"):
        encode(chord(3), 32_000, AudioFormat.MP3, {})


@pytest.mark.parametrize("format", list(AudioFormat))
def test_a_clip_without_samples_is_refused(format: AudioFormat) -> None:
    with pytest.raises(EngineError, match="no samples"):
        encode(np.zeros((1, 0), np.float32), 32_000, format, TAGS)


def test_samples_without_a_channel_axis_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[channels, time\]"):
        encode(np.zeros(100, np.float32), 32_000, AudioFormat.WAV, {})


@pytest.mark.parametrize("format", list(AudioFormat))
def test_read_audio_reads_a_file_of_every_format(format: AudioFormat, tmp_path: Path) -> None:
    path = tmp_path / f"melody.{format}"
    path.write_bytes(encode(chord(1), 16_000, format, TAGS))
    samples, rate = read_audio(path)
    assert samples.shape == (1, 64_000)
    assert samples.flags.c_contiguous
    assert rate == 16_000


def test_a_missing_file_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"gone\.wav: cannot be opened"):
        read_audio(tmp_path / "gone.wav")


@pytest.mark.parametrize("name", ["notes.txt", "notes.wav", "notes.raw"])
def test_a_file_that_is_not_audio_is_a_missing_input(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("not audio")
    with pytest.raises(MissingInput, match="cannot be read as audio"):
        read_audio(path)
    with pytest.raises(MissingInput, match="cannot be read as audio"):
        decode(b"not audio")
