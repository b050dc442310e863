"""The audio room, announcements: how much sound a file's header promises, to tell a file that was cut short.

libsndfile takes a WAV or AIFF file to be as long as what is there, and guesses the length of an MP3 file without a
frame count, so the headers are read here. A stream that was written before its length was known promises nothing.
"""

from __future__ import annotations

import re
from typing import BinaryIO

PLACEHOLDER_FROM = 0x7F000000  # bytes, nearly 2 GiB: what programs write into the header of a stream
MOST_CHUNKS = 1000

MPEG_SYNC = re.compile(rb"\xff[\xe2-\xff]")
# Where the Xing header is in the first frame of an MP3 file: after 4 bytes, 2 more if it is protected, and 9, 17 or 32
# of side information, by version and number of channels (ISO/IEC 11172-3 and 13818-3).
XING_AT = (13, 15, 21, 23, 36, 38)
HAS_FRAME_COUNT = 1


def sound_bytes(file: BinaryIO) -> tuple[int, int] | None:
    """How many bytes of sound the header of a WAV, RF64 or AIFF file promises, and how many are there.

    None where it promises nothing or is none of these.
    """
    found = _chunk_of_sound(file)
    if found is None:
        return None
    start, promised = found
    return (promised, min(promised, file.seek(0, 2) - start)) if promised else None


def unclosed_at(file: BinaryIO) -> int | None:
    """Where the length stands in a WAV file in which it is 0 though sound follows; None for any other."""
    found = _chunk_of_sound(file)
    if found is None:
        return None
    at, size = found[0] - 4, file.seek(0, 2)
    file.seek(at)
    length, following = file.read(4), file.read(8)
    end = file.tell() + int.from_bytes(following[4:], "little")
    is_chunk = following[:4].isalnum() and end <= size
    return None if any(length) or is_chunk or len(following) < 8 else at


def _chunk_of_sound(file: BinaryIO) -> tuple[int, int] | None:
    """Where the sound of a WAV, RF64 or AIFF file begins and how long it says that is; 0 for a placeholder.

    Chunks are an id, a length and that many bytes, padded to an even number (Microsoft and IBM, "Multimedia Programming
    Interface and Data Specifications 1.0"; Apple, "Audio Interchange File Format"). In an RF64 file the length stands
    in the chunk ds64 (EBU Tech 3306).
    """
    file.seek(0)
    form = file.read(12)[:4]
    if form not in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        return None
    long_form: int | None = None
    for _ in range(MOST_CHUNKS):
        header = file.read(8)
        length = int.from_bytes(header[4:], "big" if form in (b"RIFX", b"FORM") else "little")
        start = file.tell()
        if header[:4] in (b"data", b"SSND"):
            if long_form is not None:
                return start, long_form
            return start, length if length < PLACEHOLDER_FROM else 0
        if header[:4] == b"ds64":
            long_form = int.from_bytes(file.read(16)[8:], "little")
        file.seek(start + length + length % 2)
    return None


def has_frame_count(file: BinaryIO) -> bool:
    """Whether an MP3 file says in its first frame how many there are (the header Xing or Info, as LAME writes it)."""
    file.seek(0)
    tag = file.read(10)
    if tag[:3] == b"ID3":  # its length has seven bits to a byte (ID3v2.4, section 6.2)
        length = sum(byte << 7 * place for place, byte in enumerate(reversed(tag[6:])))
        file.seek(10 + length)
    else:
        file.seek(0)
    head = file.read(4096)
    sync = MPEG_SYNC.search(head)
    if sync is None:
        return False
    fields = (head[sync.start() + at :][:8] for at in XING_AT)
    return any(field[:4] in (b"Xing", b"Info") and len(field) == 8 and field[7] & HAS_FRAME_COUNT for field in fields)
