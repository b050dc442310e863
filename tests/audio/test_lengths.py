"""How long a file sounds, by its header: as libsndfile says, or None, and never at the cost of reading the file."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soundmill.audio import lengths
from soundmill.audio.lengths import length_s
from soundmill.errors import MissingInput

MEASURED = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC", "OGG", "MP3")
WRITTEN = [(form, sort) for form in MEASURED for sort in soundfile.available_subtypes(form)]
EXACT = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS"}


def wav(seconds: float, *, rate: int = 44_100, data: int | None = None, before: bytes = b"") -> bytes:
    """The header of a mono 16-bit WAV file of that length."""
    size = round(seconds * rate) * 2
    layout = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    promised = size if data is None else data
    return b"RIFF" + struct.pack("<I", size + 36) + b"WAVE" + before + layout + b"data" + struct.pack("<I", promised)


@cache  # the same few in seventy kinds of file
def sound(seconds: float, rate: int, channels: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(1).standard_normal((round(seconds * rate), channels))


@pytest.mark.parametrize(("form", "sort"), WRITTEN)
def test_every_format_that_libsndfile_writes_is_measured_as_it_measures_it(
    tmp_path: Path, form: str, sort: str
) -> None:
    """To the sample where a header tells that; compressed kinds may end in a block that is filled up."""
    file, written = tmp_path / "sound", 0
    for rate in (8000, 16_000, 22_050, 44_100, 48_000):
        for channels in (1, 2, 6):
            for seconds in (0.4, 1.7):
                try:
                    soundfile.write(file, sound(seconds, rate, channels), rate, format=form, subtype=sort)
                except soundfile.LibsndfileError:
                    continue  # not every kind has every rate and layout
                written += 1
                found, info = length_s(file), soundfile.info(file)
                if sort in EXACT or form == "MP3":
                    assert found == pytest.approx(info.frames / info.samplerate, abs=1e-9)
                else:
                    assert found is None or found <= info.frames / info.samplerate
    assert written or sort in ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "DWVW_12")


def without_first_frame(data: bytes) -> bytes:
    """An MP3 file whose encoder left no count: the frame that holds it cut off."""
    begin = max(data.find(b"Info"), data.find(b"Xing"))
    for at in range(begin, len(data)):
        if data[at] == 0xFF and (after := lengths._after(data, at)) and lengths._after(data, after):
            return data[at:]
    raise AssertionError("no second frame")


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\x00\x00\x00\x00\x0f\x76" + bytes(15 * 128 + 0x76)])
def test_an_mp3_file_without_a_count_is_measured_by_its_size_where_all_frames_are_equal(
    tmp_path: Path, tag: bytes
) -> None:
    file = tmp_path / "sound.mp3"
    for rate in (16_000, 44_100):
        soundfile.write(file, sound(4.0, rate, 2), rate, format="MP3", bitrate_mode="CONSTANT", compression_level=0.5)
        file.write_bytes(tag + without_first_frame(file.read_bytes()) + b"TAG" + bytes(125))
        assert length_s(file) == pytest.approx(4.0, abs=0.2)


def test_an_mp3_file_of_unequal_frames_without_a_count_is_left_to_the_decoder(tmp_path: Path) -> None:
    file = tmp_path / "sound.mp3"
    noise = np.concatenate([sound(2.0, 44_100, 1), np.zeros((44_100, 1))])[::-1]
    soundfile.write(file, noise, 44_100, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    file.write_bytes(without_first_frame(file.read_bytes()))
    assert length_s(file) is None


@pytest.mark.parametrize("seconds", [3.0, 20_000.0])
def test_a_large_file_is_measured_in_milliseconds_without_reading_it(tmp_path: Path, seconds: float) -> None:
    file = tmp_path / "large.wav"
    for size, said in ((2**31, seconds), (2**40, seconds)):
        file.write_bytes(wav(seconds))
        os.truncate(file, size)
        begun = time.perf_counter()
        assert length_s(file) == said
        assert time.perf_counter() - begun < 0.05


def test_what_stands_before_the_sound_is_stepped_over(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    for before in (b"bext" + struct.pack("<I", 602) + bytes(602), b"LIST" + struct.pack("<I", 3) + b"abc\0"):
        file.write_bytes(wav(1.0, before=before) + bytes(88_200))
        assert length_s(file) == 1.0
    os.truncate(file, file.stat().st_size - 44_100)
    assert length_s(file) == 0.5  # cut short: what is there counts


@pytest.mark.parametrize(("promised", "said"), [(0xFFFFFFFF, 2.0), (0x7FFFFFF0, 2.0), (0, None)])
def test_a_stream_whose_length_was_not_known_is_as_long_as_what_is_there(
    tmp_path: Path, promised: int, said: float | None
) -> None:
    file = tmp_path / "stream.wav"
    file.write_bytes(wav(2.0, data=promised) + bytes(2 * 88_200))
    assert length_s(file) == said


def test_a_file_without_sound_lasts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "nothing.wav"
    soundfile.write(file, np.zeros((0, 1)), 8000)
    assert length_s(file) == 0.0


NOT_AUDIO = {
    "empty": (b"", "is empty"),
    "zeros": (bytes(100_000), "begins with zeros"),
    "text": (b"hello, I am a song\n" * 40, "no audio file"),
    "page": (b"<!DOCTYPE html><html>not found", "no audio file"),
    "video": (b"RIFF\x24\x00\x00\x00AVI LIST", "no audio file"),
    "m4a": (b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00", "M4A"),
    "midi": (b"MThd\x00\x00\x00\x06", "MIDI"),
    "zip": (b"PK\x03\x04", "ZIP"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4", "Git LFS pointer"),
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_what_is_no_audio_is_refused_with_what_it_is_and_the_mend(tmp_path: Path, kind: str) -> None:
    content, said = NOT_AUDIO[kind]
    file = tmp_path / "sound.wav"
    file.write_bytes(content)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(file)
    with pytest.raises(MissingInput, match=said):
        length_s(file)


def test_what_is_no_plain_file_is_refused_and_a_pipe_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    (tmp_path / "circle.wav").symlink_to("circle.wav")
    begun = time.perf_counter()
    for name, said in (
        ("pipe.wav", "not a plain file"),
        (".", "not a plain file"),
        ("gone.wav", "no such file"),
        ("circle.wav", "cannot be read"),
        ("a\0b.wav", "cannot be read"),
        ("x" * 300, "cannot be read"),
        ("pipe.wav/x.wav", "cannot be read"),
    ):
        with pytest.raises(MissingInput, match=said):
            length_s(tmp_path / name)
    assert time.perf_counter() - begun < 1


def test_a_file_that_this_user_may_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")  # chmod stops no root, which CI may run as

    monkeypatch.setattr(lengths.os, "open", refused)
    with pytest.raises(MissingInput, match="Permission denied"):
        length_s(tmp_path / "sound.wav")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    file = tmp_path_factory.mktemp("originals") / "sound"
    found = [wav(1.0, data=0xFFFFFFFF), b"RF64" + bytes(4) + b"WAVEds64" + bytes(40)]
    for form, sort in WRITTEN:
        for channels in (1, 2):
            try:
                soundfile.write(file, sound(1.0, 44_100, channels), 44_100, format=form, subtype=sort)
            except soundfile.LibsndfileError:
                continue
            found.append(file.read_bytes())
    return found


class Counted:
    """Counts the bytes asked of a file."""

    def __init__(self) -> None:
        self.asked = 0

    def pread(self, handle: int, count: int, at: int) -> bytes:
        self.asked += count
        return real_pread(handle, count, at)


real_pread = os.pread


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(which=0, cut=None, changes=[(4, 255)] * 4, grown=0)
@given(
    which=st.integers(0, 10_000),
    cut=st.none() | st.integers(0, 300) | st.integers(0, 200_000),
    changes=st.lists(st.tuples(st.integers(0, 120) | st.integers(-200, 5000), st.integers(0, 255)), max_size=8),
    grown=st.sampled_from([0, 0, 1, 10**6, 2**31, 2**42]),
)
def test_a_broken_or_hostile_header_costs_little_and_raises_nothing_else(
    originals: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    which: int,
    cut: int | None,
    changes: list[tuple[int, int]],
    grown: int,
) -> None:
    """Cut, changed, grown: a length or none, within the limit of bytes and in no time."""
    data = bytearray(originals[which % len(originals)][:cut])
    for at, value in changes:
        if data and at < len(data):
            data[at % len(data)] = value
    file = tmp_path_factory.getbasetemp() / "hostile"
    file.write_bytes(data)
    os.truncate(file, len(data) + grown)
    counted = Counted()
    monkeypatch.setattr(lengths.os, "pread", counted.pread)
    begun = time.perf_counter()
    try:
        found = length_s(file)
    except MissingInput:
        found = None
    finally:
        monkeypatch.undo()
    assert counted.asked <= lengths.MOST_READ
    assert time.perf_counter() - begun < 0.5
    assert found is None or 0 <= found < 2**64


def test_lengths_are_told_without_numpy_or_libsndfile() -> None:
    probe = "import sys, soundmill.audio.lengths; print({'numpy', 'soundfile', '_soundfile'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
