"""How much of a file there is, against what its header promises."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundmill.audio.decode import Recording, decode, read_audio, read_recording
from soundmill.errors import MissingInput

RATE = 44_100
FRAMES = 8 * RATE
FORMATS = [
    ("WAV", "PCM_16"), ("WAVEX", "PCM_24"), ("WAV", "IMA_ADPCM"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"),
    ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"),
]  # fmt: skip
PROMISING = [each for each in FORMATS if each[0] != "OGG"]  # of an Ogg stream only the end says how long it is


def sound() -> NDArray[np.float32]:
    time = np.arange(FRAMES) / RATE
    hiss = np.random.default_rng(1).standard_normal(FRAMES)
    return np.asarray(0.3 * np.sin(2 * np.pi * 220 * time * (1 + time / 20)) + 0.01 * hiss, dtype=np.float32)


def encoded(format: str, subtype: str, **options: object) -> bytes:
    file = io.BytesIO()
    samples = sound()
    with soundfile.SoundFile(file, "w", RATE, 1, subtype, format=format, **options) as stream:
        for at in range(0, FRAMES, 8192):
            stream.write(samples[at : at + 8192])
    return file.getvalue()


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def recorded(data: bytes, folder: Path) -> Recording:
    path = folder / "sound"
    path.write_bytes(data)
    return read_recording(path)


@pytest.mark.parametrize(("format", "subtype"), FORMATS)
def test_a_whole_file_holds_what_it_promises(format: str, subtype: str, tmp_path: Path) -> None:
    recording = recorded(encoded(format, subtype), tmp_path)
    assert (recording.share, recording.damaged, recording.sample_rate) == (1.0, False, RATE)
    assert FRAMES <= recording.samples.shape[1] < FRAMES + 4096  # ADPCM comes in blocks


@pytest.mark.parametrize(("format", "subtype"), PROMISING)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_of_a_file_cut_short_the_share_that_is_left_is_known(
    format: str, subtype: str, kept: float, tmp_path: Path
) -> None:
    data = encoded(format, subtype)
    recording = recorded(data[: round(kept * len(data))], tmp_path)
    assert recording.share == pytest.approx(kept, abs=0.03)
    assert recording.samples.shape[1] / FRAMES == pytest.approx(recording.share, abs=0.02)
    assert np.isfinite(recording.samples).all()


def test_what_is_left_of_a_damaged_file_is_read(tmp_path: Path) -> None:
    data = encoded("FLAC", "PCM_16")
    recording = recorded(with_bytes(data, len(data) // 2, b"\x55" * 50), tmp_path)
    left = recording.samples.shape[1]
    assert recording.damaged and recording.share == left / FRAMES == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(recording.samples[0], sound()[:left], atol=1e-4)
    with pytest.raises(MissingInput, match="to its end"):
        read_audio(tmp_path / "sound")


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_wav_stream_without_a_length_is_read_to_its_end_and_promises_nothing(length: int, tmp_path: Path) -> None:
    data = encoded("WAV", "PCM_16")
    at = data.index(b"data") + 4
    recording = recorded(with_bytes(data, at, struct.pack("<I", length)), tmp_path)
    assert recording.samples.shape[1] == FRAMES and recording.share == 1.0


def test_a_header_of_a_stream_that_broke_off_at_once_is_empty(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((0, 6)), RATE, format="WAV", subtype="PCM_24")
    data = file.getvalue()
    for length in (0, 0xFFFFFFFF):
        stream = with_bytes(data, data.rindex(b"data") + 4, struct.pack("<I", length)) + b"\x80" * 9  # half a frame
        assert recorded(stream, tmp_path).samples.shape == (6, 0)


def test_a_wav_file_without_sound_stays_one_whatever_follows(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(0), RATE, format="WAV")
    for more in (b"", b"LIST\x04\0\0\0INFO"):
        recording = recorded(file.getvalue() + more, tmp_path)
        assert recording.samples.shape == (1, 0) and recording.share == 1.0


@pytest.mark.parametrize("length", [0, 0x7F000008, 0xFFFFFFFF])
def test_an_aiff_stream_without_a_length_promises_nothing(length: int, tmp_path: Path) -> None:
    data = encoded("AIFF", "PCM_16")
    recording = recorded(with_bytes(data, data.index(b"SSND") + 4, struct.pack(">I", length)), tmp_path)
    assert recording.samples.shape[1] == FRAMES and recording.share == 1.0


def test_a_flac_stream_without_a_length_is_read_to_its_end(tmp_path: Path) -> None:
    data = encoded("FLAC", "PCM_16")
    unknown = with_bytes(data, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0]))  # the number of samples in STREAMINFO
    recording = recorded(unknown, tmp_path)
    assert recording.samples.shape[1] == FRAMES and recording.share == 1.0 and not recording.damaged
    np.testing.assert_allclose(recording.samples[0], sound(), atol=1e-4)


def test_a_flac_stream_without_a_length_takes_no_more_memory_than_it_needs(tmp_path: Path) -> None:
    data = encoded("FLAC", "PCM_16")
    (tmp_path / "sound").write_bytes(with_bytes(data, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0])))
    tracemalloc.start()
    read_recording(tmp_path / "sound")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * sound().nbytes


def test_a_header_that_promises_more_than_memory_holds_is_not_believed(tmp_path: Path) -> None:
    data = encoded("FLAC", "PCM_16")
    lying = with_bytes(data, 21, bytes([data[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFF]))
    recording = recorded(lying, tmp_path)
    assert recording.samples.shape[1] == FRAMES and recording.share < 1e-4


def test_long_silence_is_read_whole_though_it_takes_next_to_no_room(tmp_path: Path) -> None:
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros(300 * RATE, np.int16), RATE)
    assert path.stat().st_size * 100 < 300 * RATE
    assert read_audio(path)[0].shape == (1, 300 * RATE)


@pytest.mark.parametrize("bitrate_mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_file_without_a_frame_count_promises_nothing(bitrate_mode: str, tmp_path: Path) -> None:
    """libsndfile guesses its length from the first frame."""
    data = encoded("MP3", "MPEG_LAYER_III", compression_level=0.2, bitrate_mode=bitrate_mode)
    second = data.index(data[:2], 4)
    assert b"Xing" in data[:second] or b"Info" in data[:second]
    assert recorded(data[second:], tmp_path).share == 1.0
    assert recorded(data[second : len(data) // 2], tmp_path).share == 1.0


def test_tags_around_an_mp3_file_change_nothing(tmp_path: Path) -> None:
    data = encoded("MP3", "MPEG_LAYER_III")
    id3 = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)  # 16 · 128 bytes
    for whole in (id3 + data, data + b"TAG" + b" " * 125):
        assert recorded(whole, tmp_path).share == 1.0
    assert recorded(id3 + data[: len(data) // 2], tmp_path).share == pytest.approx(0.5, abs=0.03)


def test_what_is_no_audio_is_said_without_the_names_of_our_objects(tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF\0\0")
    with pytest.raises(MissingInput) as caught:
        read_recording(path)
    assert "_io" not in str(caught.value) and "object at" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(MissingInput) as caught:
        decode(b"RIFF\0\0")
    assert "_io" not in str(caught.value)
