"""Marks, WAV: a RIFF file of its chunks. Written here, because libsndfile stamps the time into float files, and knows
neither iXML nor XMP."""

from __future__ import annotations

import struct
import unicodedata
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.marks.nouns import Marker, Marks
from soundmill.audio.marks.xml import ixml, xmp
from soundmill.audio.tags import chunk, info_list, player_fields, sampler
from soundmill.errors import BadParameter

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of a WAVE_FORMAT_EXTENSIBLE sub-format, after its number
# Speakers by number of channels, in the order of a WAV file (Microsoft, "Multiple Channel Audio Data and WAVE Files").
SPEAKERS = {1: 0x4, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x13F, 8: 0x63F}
NOT_MEASURED = 0x7FFF  # EBU Tech 3285, version 2
LARGEST = 2**32 - 2


def wave(
    sound: NDArray[np.int32] | NDArray[np.float32], sample_rate: int, bits: int, marks: Marks, *, broadcast: bool
) -> bytes:
    """The file of samples [time, channels]: integers in the upper bits of 32, or floats.

    Before the samples stand the format and, of a Broadcast Wave file, `bext`; after them iXML, cue points, the loop,
    the INFO list and XMP. Raises BadParameter for more than 4 GB.
    """
    floats = sound.dtype == np.float32
    channels = sound.shape[1]
    before = chunk(b"fmt ", _format(FLOAT if floats else PCM, channels, sample_rate, bits))
    if floats:
        before += chunk(b"fact", struct.pack("<I", len(sound)))
    if broadcast:
        before += chunk(b"bext", bext(marks))
    after = chunk(b"iXML", ixml(marks)) if broadcast else b""
    markers = [*marks.markers]
    if marks.loop is not None:
        after += chunk(b"smpl", sampler(marks.loop.first, marks.loop.last, sample_rate))
        markers.insert(0, Marker(at=marks.loop.first, name="loop"))
    if markers:
        after += cue_points(markers)
    after += info_list(player_fields(marks.tags)) + chunk(b"_PMX", xmp(marks))
    samples = chunk(b"data", _packed(sound, bits))
    size = 4 + len(before) + len(samples) + len(after)
    if size > LARGEST:
        raise BadParameter(f"a WAV file cannot hold {size:,} bytes: deliver flac, or fewer bits")
    return b"".join((b"RIFF", struct.pack("<I", size), b"WAVE", before, samples, after))


def _format(code: int, channels: int, sample_rate: int, bits: int) -> bytes:
    width = channels * bits // 8
    if channels <= 2:
        plain = struct.pack("<HHIIHH", code, channels, sample_rate, sample_rate * width, width, bits)
        return plain + (struct.pack("<H", 0) if code == FLOAT else b"")
    head = struct.pack("<HHIIHH", EXTENSIBLE, channels, sample_rate, sample_rate * width, width, bits)
    return head + struct.pack("<HHIH", 22, bits, SPEAKERS.get(channels, 0), code) + GUID_TAIL


def _packed(sound: NDArray[np.int32] | NDArray[np.float32], bits: int) -> bytes:
    if sound.dtype == np.float32:
        return sound.astype("<f4", copy=False).tobytes()
    four = np.ascontiguousarray(sound, dtype="<i4").view(np.uint8).reshape(-1, 4)
    return four[:, 4 - bits // 8 :].tobytes()


def bext(marks: Marks) -> bytes:
    """The content of the chunk `bext`, version 2 (EBU Tech 3285): ASCII, loudness in hundredths."""
    made = datetime.fromtimestamp(marks.created_at, UTC)
    values = (
        marks.loudness_lufs,
        marks.loudness_range_lu,
        marks.true_peak_dbtp,
        marks.loudness_momentary_max_lufs,
        marks.loudness_short_term_max_lufs,
    )
    head = struct.pack(
        "<256s32s32s10s8sQH64s5h180x",
        _ascii(marks.description, 256),
        _ascii(marks.creator, 32),
        _ascii(marks.identifier if len(marks.identifier) <= 32 else marks.identifier.split("/")[0], 32),
        made.strftime("%Y-%m-%d").encode(),
        made.strftime("%H:%M:%S").encode(),
        0,
        2,
        b"",
        *(NOT_MEASURED if value is None else max(-0x8000, min(0x7FFE, round(100 * value))) for value in values),
    )
    return head + "".join(f"{line}\r\n" for line in marks.history).encode("ascii", "replace") + b"\0"


def _ascii(text: str, room: int) -> bytes:
    """As near as ASCII comes to the text: é is e, what has no like is a question mark. The iXML chunk has the text."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.split()).encode("ascii", "replace")[:room]


def cue_points(markers: list[Marker]) -> bytes:
    """The chunk `cue ` of the markers, and the list that names them."""
    points = b"".join(struct.pack("<2I4s3I", n, m.at, b"data", 0, 0, m.at) for n, m in enumerate(markers))
    names = b"".join(
        chunk(b"labl", struct.pack("<I", n) + m.name.encode("ascii", "replace") + b"\0") for n, m in enumerate(markers)
    )
    return chunk(b"cue ", struct.pack("<I", len(markers)) + points) + chunk(b"LIST", b"adtl" + names)
