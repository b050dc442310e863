"""What is said in a delivered file, read back by others: wavinfo, mutagen, PyAV's ffmpeg and libsndfile."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import mutagen
import numpy as np
import pytest
import soundfile
import wavinfo

from soundmill.audio.decode import decode
from soundmill.audio.marks.nouns import MADE_BY_A_MODEL, Loop, Marker, Marks
from soundmill.audio.marks.vorbis import with_ogg_comments
from soundmill.audio.marks.write import write
from soundmill.audio.tags import read_tags
from soundmill.errors import BadParameter

RATE = 48_000
PROMPT = "a calm piano, é and ☃, <loud> & clear"
MARKS = Marks(
    title="Calm Piano",
    description=PROMPT,
    creator="Soundmill",
    licence="CC-BY-NC-4.0",
    project="themes",
    identifier="01JDELIVERYOFTESTSWITHATAKE/17",
    created_at=1_700_000_000.0,
    tags={"prompt": PROMPT, "model": "tiny", "licence": "CC-BY-NC-4.0", "batch": "themes", "job": "17", "seed": "5"},
    history=("A=PCM,F=32000,W=16,M=mono,T=Soundmill", "A=PCM,F=48000,W=24,M=mono,T=soxr VHQ"),
    aswg={"contentType": "music", "catId": "MUSCKeyd"},
    loudness_lufs=-23.04,
    loudness_range_lu=3.25,
    true_peak_dbtp=-1.0,
)
FORMATS = [("wav", 16), ("wav", 24), ("wav", 32), ("bwf", 24), ("flac", 16), ("flac", 24), ("ogg", 24), ("opus", 24)]


def sound(channels: int) -> np.ndarray:
    draw = np.random.default_rng(channels)
    return (0.1 * draw.standard_normal((channels, RATE))).astype(np.float32)


def written(tmp_path: Path, format: str, bits: int = 24, channels: int = 2, marks: Marks = MARKS) -> Path:
    path = tmp_path / f"file.{'wav' if format == 'bwf' else format}"
    path.write_bytes(write(sound(channels), RATE, format, bits, marks, seed=1))
    return path


@pytest.mark.parametrize(("format", "bits"), [*FORMATS, ("mp3", 16)])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_sound_and_its_tags_come_back(format: str, bits: int, channels: int) -> None:
    if format == "mp3" and channels > 2:
        with pytest.raises(BadParameter, match="mp3 cannot hold 6 channels"):
            write(sound(channels), RATE, format, bits, MARKS, seed=1)
        return
    data = write(sound(channels), RATE, format, bits, MARKS, seed=1)
    assert data == write(sound(channels), RATE, format, bits, MARKS, seed=1)
    samples, rate = decode(data)
    assert (samples.shape, rate) == ((channels, RATE), RATE)
    if format in ("wav", "bwf", "flac"):
        error = np.abs(samples - sound(channels)).max()
        assert error <= (0 if bits == 32 else 1.5 * 2.0 ** (1 - bits) + 1e-7)
    assert read_tags(data) == MARKS.tags


@pytest.mark.parametrize(("format", "bits"), [*FORMATS, ("mp3", 16)])
def test_ffmpeg_reads_every_sample(tmp_path: Path, format: str, bits: int) -> None:
    with av.open(str(written(tmp_path, format, bits))) as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) == RATE
        assert file.streams.audio[0].rate == RATE


@pytest.mark.parametrize("format", ["flac", "ogg", "opus"])
def test_mutagen_reads_the_vorbis_comments(tmp_path: Path, format: str) -> None:
    read = mutagen.File(written(tmp_path, format))
    assert read["title"] == [PROMPT]
    assert read["description"] == [PROMPT]
    assert read["license"] == ["CC-BY-NC-4.0"]
    assert read["digitalsourcetype"] == [MADE_BY_A_MODEL]
    assert read["identifier"] == [MARKS.identifier]
    assert read.info.length == pytest.approx(1.0)


def test_mutagen_reads_the_id3_tag(tmp_path: Path) -> None:
    read = mutagen.File(written(tmp_path, "mp3"))
    assert read["TIT2"].text == [PROMPT]
    assert read["TXXX:DIGITALSOURCETYPE"].text == [MADE_BY_A_MODEL]
    packet = next(frame for frame in read.tags.getall("PRIV") if frame.owner == "XMP")
    assert source_type(packet.data) == MADE_BY_A_MODEL


def source_type(packet: bytes) -> str | None:
    """What an XMP packet says of where its file came from."""
    body = packet[packet.index(b"?>") + 2 : packet.rindex(b"<?xpacket")]
    space = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    return ET.fromstring(body).findtext(f".//{space}DigitalSourceType")


def test_comments_longer_than_a_page_go_over_several(tmp_path: Path) -> None:
    """A page of an Ogg file holds 255 segments of 255 bytes."""
    long = replace(MARKS, description="a" * 70_000, tags={"prompt": "b" * 70_000})
    for format in ("ogg", "opus", "flac"):
        path = written(tmp_path, format, marks=long)
        read = mutagen.File(path)
        assert read["description"] == [long.description]
        assert decode(path.read_bytes())[0].shape == (2, RATE)


def test_comments_that_end_with_a_page_still_end() -> None:
    """A packet of a multiple of 255 bytes is closed by a segment of none."""
    data = write(sound(1), RATE, "opus", 24, MARKS, seed=1)
    for extra in range(260):
        made = with_ogg_comments(data, {"x": "y" * extra}, 7)
        assert mutagen.File(io.BytesIO(made))["x"] == ["y" * extra] or extra == 0


def test_wavinfo_reads_bext_and_ixml(tmp_path: Path) -> None:
    read = wavinfo.WavInfoReader(str(written(tmp_path, "bwf")))
    bext = read.bext
    assert bext.version == 2
    assert bext.description == "a calm piano, e and ?, <loud> & clear"
    assert bext.originator == "Soundmill"
    assert bext.originator_ref == MARKS.identifier
    assert (bext.originator_date, bext.originator_time) == ("2023-11-14", "22:13:20")
    assert (bext.loudness_value, bext.loudness_range, bext.max_true_peak) == (-23.04, 3.25, -1.0)
    assert bext.coding_history.split("\r\n")[:2] == list(MARKS.history)
    ixml = ET.fromstring(read.ixml.source)
    assert ixml.findtext("PROJECT") == "themes"
    assert ixml.findtext("NOTE") == PROMPT
    assert ixml.findtext("ASWG/contentType") == "music"
    assert ixml.findtext("ASWG/catId") == "MUSCKeyd"
    assert ixml.findtext("USER/DIGITAL_SOURCE_TYPE") == MADE_BY_A_MODEL
    assert read.info.copyright == "CC-BY-NC-4.0"


def test_an_identifier_too_long_for_bext_is_its_batchs_there(tmp_path: Path) -> None:
    long = replace(MARKS, identifier="01JDELIVERYOFTESTSWITHATAK/0001-a-long-name/1")
    assert wavinfo.WavInfoReader(str(written(tmp_path, "bwf", marks=long))).bext.originator_ref == long.identifier[:26]


def test_what_was_not_measured_says_so(tmp_path: Path) -> None:
    silent = replace(MARKS, loudness_lufs=None, loudness_range_lu=None, true_peak_dbtp=None)
    assert wavinfo.WavInfoReader(str(written(tmp_path, "bwf", marks=silent))).bext.loudness_value == 327.67


@pytest.mark.parametrize("format", ["wav", "bwf"])
def test_the_xmp_packet_is_found_in_the_file(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, format)
    chunks = {chunk.ident: chunk for chunk in wavinfo.WavInfoReader(str(path)).main_list if hasattr(chunk, "ident")}
    chunk = chunks[b"_PMX"]
    assert source_type(path.read_bytes()[chunk.start : chunk.start + chunk.length]) == MADE_BY_A_MODEL
    assert (b"bext" in chunks, b"iXML" in chunks) == (format == "bwf", format == "bwf")


def test_loop_and_markers_are_read_by_others(tmp_path: Path) -> None:
    marks = replace(MARKS, loop=Loop(first=4800, last=43_199), markers=(Marker(at=100, name="hit"),))
    path = written(tmp_path, "wav", marks=marks)
    read = wavinfo.WavInfoReader(str(path))
    loop = read.smpl.sample_loops[0]
    assert (loop.start, loop.end, loop.repetition_count) == (4800, 43_199, 0)
    assert [(cue["frame"], cue["label"]) for cue in read.cues.to_dict().values()] == [(4800, "loop"), (100, "hit")]
    assert decode(path.read_bytes())[0].shape == (2, RATE)
    comments = mutagen.File(written(tmp_path, "ogg", marks=marks))
    assert (comments["loopstart"], comments["looplength"]) == (["4800"], ["38400"])


def test_what_xml_cannot_hold_does_not_break_the_file(tmp_path: Path) -> None:
    odd = replace(MARKS, description="a\x00b\x1f\ufffe", title="]]> <!-- &amp;")
    ET.fromstring(wavinfo.WavInfoReader(str(written(tmp_path, "bwf", marks=odd))).ixml.source)


def test_libsndfile_agrees_about_the_format(tmp_path: Path) -> None:
    with soundfile.SoundFile(written(tmp_path, "bwf", 24)) as file:
        assert (file.format, file.subtype, file.samplerate, file.frames) == ("WAV", "PCM_24", RATE, RATE)
    with soundfile.SoundFile(written(tmp_path, "wav", 32, channels=6)) as file:
        assert (file.format, file.subtype, file.channels) == ("WAVEX", "FLOAT", 6)
