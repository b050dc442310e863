"""The audio room, lengths: how long a file sounds, by its header alone, without numpy and without reading the file.

At most MOST_READ bytes are read, wherever the header says to look. What it doesn't tell is answered with None: only
decoding can know it then. Where the numbers stand: Microsoft and IBM, "Multimedia Programming Interface and Data
Specifications 1.0"; EBU Tech 3306 (RF64); Sony, "Wave64"; Apple, "AIFF-C" (1991); RFC 9639 (FLAC), 3533 (Ogg), 7845
(Opus); "Vorbis I specification", 4.2.2; ISO/IEC 11172-3 and 13818-3 (MPEG), with LAME's and Fraunhofer's first frames.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from soundmill.audio.announced import MOST_CHUNKS, MPEG_SYNC, PLACEHOLDER_FROM, XING_AT
from soundmill.errors import MissingInput

MOST_READ = 65_536
TAIL = 49_152  # of an Ogg file, whose last page says how long it is; pages are some 4 kB, at most 65,307 bytes
MPEG_WINDOW = 8_192

# What libsndfile reads beside the formats measured here.
OTHERS = (
    b".snd", b"dns.", b"caff", b"2BIT", b" paf", b"fap ", b"NIST", b"Creative", b"PVF1", b"Extended", b"MATLAB",
    b"\x64\xa3", b"\x00\x00\x03\xe8", b"\x00\x00\x00\x00\xe8\x03", b"\xf0\x7e", b"\x01\x04",
)  # fmt: skip
W64_RIFF, W64_TAIL = b"riff\x2e\x91\xcf\x11", b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
NO_AUDIO = "is no audio file that can be read here; save it as WAV, FLAC, OGG or MP3"
STRANGERS = {
    b"PK": "a ZIP archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"MThd": "MIDI, which holds notes and no sound",
    b"\x1aE\xdf\xa3": "a WebM or MKV file",
    b"0&\xb2u": "a WMA file",
    b"version https://git-lfs": "a Git LFS pointer",
}

# Kilobits a second by (MPEG 1, layer), and for MPEG 2 and 2.5; ISO/IEC 11172-3, 2.4.2.3, and 13818-3, 2.4.2.3.
BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class _Untold(Exception):
    """The header ends before it tells, or tells nothing that makes sense."""


class _Header:
    """The bytes of an open file, a few at a time."""

    def __init__(self, handle: int, size: int) -> None:
        self._handle = handle
        self._left = MOST_READ
        self.size = size

    def some(self, at: int, most: int) -> bytes:
        """Up to `most` bytes. Raises _Untold when too much has been read already."""
        self._left -= most
        if self._left < 0 or at > self.size:
            raise _Untold
        return os.pread(self._handle, most, at)

    def bytes(self, at: int, count: int) -> bytes:
        """Exactly `count` bytes. Raises _Untold."""
        found = self.some(at, count)
        if len(found) < count:
            raise _Untold
        return found

    def number(self, at: int, count: int, *, big: bool = False) -> int:
        return int.from_bytes(self.bytes(at, count), "big" if big else "little")


def length_s(path: Path) -> float | None:
    """Seconds that an audio file lasts by its header; 0 where it holds no sound, None where the header doesn't tell.

    Raises MissingInput, with the mend, when there is no such file, when it isn't a plain one (a pipe is never waited
    for), can't be read or isn't audio.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise MissingInput("there is no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MissingInput(f"cannot be read: {reason}; it must be a file that this user may read") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise MissingInput("is not a plain file; name an audio file")
        return _measured(_Header(handle, status.st_size))
    except _Untold:
        return None
    except OSError as error:
        raise MissingInput(f"cannot be read: {error.strerror or error}") from error
    finally:
        os.close(handle)


def _measured(file: _Header) -> float | None:
    if not file.size:
        raise MissingInput("is empty: 0 bytes")
    start = _after_id3(file)
    first = file.some(start, 32)
    form, kind = first[:4], first[8:12]
    if form in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        if kind != b"WAVE":
            raise MissingInput(NO_AUDIO)
        return _wave(file, start, big=form == b"RIFX")
    if form == b"FORM":
        return _aiff(file) if kind in (b"AIFF", b"AIFC") else None
    if first[:8] == W64_RIFF:
        return _wave64(file)
    if form == b"fLaC":
        return _flac(file.bytes(start + 4, 38))
    if form == b"OggS":
        return _ogg(file)
    for magic, called in STRANGERS.items():
        if first.startswith(magic):
            raise MissingInput(f"is {called}; save the sound as WAV, FLAC, OGG or MP3")
    if first[4:8] == b"ftyp":
        raise MissingInput("is an MP4 or M4A file; save the sound as WAV, FLAC, OGG or MP3")
    if start or MPEG_SYNC.match(first):
        return _mpeg(file, start)
    if first.startswith(OTHERS):
        return None
    if not any(first):
        raise MissingInput("holds no audio: it begins with zeros, as a file whose content has not arrived yet")
    raise MissingInput(NO_AUDIO)


def _after_id3(file: _Header) -> int:
    """Where the file begins behind ID3v2 tags, whose lengths have seven bits to a byte (ID3v2.4, 3.1)."""
    at = 0
    for _ in range(8):
        tag = file.some(at, 10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            break
        length = sum((byte & 127) << 7 * place for place, byte in enumerate(reversed(tag[6:])))
        at += 10 + length + 10 * bool(tag[5] & 16)
    return at


def _seconds(frames: int, rate: float) -> float:
    if not 0 < rate <= 2**32:
        raise _Untold
    return frames / rate


def _wave(file: _Header, start: int, *, big: bool) -> float | None:
    at = start + 12
    layout: bytes | None = None
    samples = long_form = None
    for _ in range(MOST_CHUNKS):
        name, length = file.bytes(at, 4), file.number(at + 4, 4, big=big)
        at += 8
        if name == b"fmt ":
            layout = file.bytes(at, min(length, 40))
        elif name == b"fact" and length >= 4:
            samples = file.number(at, 4, big=big)
        elif name == b"ds64":
            long_form = file.number(at + 8, 8)
        elif name == b"data":
            there = file.size - at
            if not length and there and long_form is None:
                return None  # a stream whose header was never closed: a decoder may read it or not
            promised = length if long_form is None else long_form
            if length < PLACEHOLDER_FROM or long_form is not None:
                there = min(there, promised)
            return _wave_sound(layout, samples, there, big=big)
        at += length + length % 2
    return None


def _wave_sound(layout: bytes | None, samples: int | None, there: int, *, big: bool = False) -> float | None:
    """Of the chunk fmt, and how many bytes of sound there are."""
    if layout is None or len(layout) < 16:
        raise _Untold

    def field(at: int, count: int) -> int:
        return int.from_bytes(layout[at : at + count], "big" if big else "little")

    tag, rate, frame = field(0, 2), field(4, 4), field(12, 2)
    if tag == 0xFFFE:  # WAVE_FORMAT_EXTENSIBLE: the tag begins the identifier of the format
        tag = field(24, 2)
    if tag in (1, 3, 6, 7):  # PCM, float, A-law, mu-law: a frame is as long as it says
        if not frame:
            raise _Untold
        return _seconds(there // frame, rate)
    if not there:
        return 0.0
    return _seconds(samples, rate) if samples and samples < PLACEHOLDER_FROM else None


def _wave64(file: _Header) -> float | None:
    at, layout, samples = 40, None, None
    for _ in range(MOST_CHUNKS):
        name, length = file.bytes(at, 16), file.number(at + 16, 8)  # the length counts these 24 bytes
        if name[4:] != W64_TAIL or length < 24:
            return None
        if name[:4] == b"fmt ":
            layout = file.bytes(at + 24, min(length - 24, 40))
        elif name[:4] == b"fact":
            samples = file.number(at + 24, 8)
        elif name[:4] == b"data":
            return _wave_sound(layout, samples, min(length - 24, file.size - at - 24))
        at += length + -length % 8
    return None


def _aiff(file: _Header) -> float | None:
    at, common, there = 12, None, None
    for _ in range(MOST_CHUNKS):
        if common is not None and there is not None:
            break
        name, length = file.bytes(at, 4), file.number(at + 4, 4, big=True)
        at += 8
        if name == b"COMM":
            common = file.bytes(at, min(length, 22))
        elif name == b"SSND":
            there = max(0, min(length, file.size - at) - 8)
        at += length + length % 2
    if common is None or there is None or len(common) < 18:
        raise _Untold
    channels, frames, bits = (int.from_bytes(common[a:b], "big") for a, b in ((0, 2), (2, 6), (6, 8)))
    exponent, mantissa = int.from_bytes(common[8:10], "big"), int.from_bytes(common[10:18], "big")
    if not 16383 <= exponent < 16383 + 32:  # the rate, an 80-bit float, is 1 Hz or more
        raise _Untold
    rate = mantissa * 2.0 ** (exponent - 16383 - 63)
    sort = common[18:22]
    if sort in (b"", b"NONE", b"sowt", b"twos", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64", b"raw "):
        frame = channels * (-(-bits // 8))
        return _seconds(min(frames, there // frame) if frame else 0, rate)
    if sort.lower() in (b"ulaw", b"alaw"):
        return _seconds(min(frames, there // channels) if channels else 0, rate)
    return None


def _flac(first: bytes) -> float | None:
    """Of the block STREAMINFO, which is the first: 20 bits of rate, 3 + 5 of layout, 36 of length."""
    if first[0] & 127:
        raise _Untold
    packed = int.from_bytes(first[14:22], "big")
    samples = packed & (1 << 36) - 1
    return _seconds(samples, packed >> 44) if samples else None


def _ogg(file: _Header) -> float | None:
    """The position that the last page of the stream gives, by the rate of its first packet."""
    first = file.bytes(0, 27)
    serial = first[14:18]
    packet = file.some(27 + first[26], 64)
    skipped = 0
    if packet.startswith(b"\x01vorbis"):
        rate = int.from_bytes(packet[12:16], "little")
    elif packet.startswith(b"OpusHead"):
        rate, skipped = 48_000, int.from_bytes(packet[10:12], "little")
    elif packet.startswith(b"\x7fFLAC"):
        rate = int.from_bytes(packet[27:30], "big") >> 4
    else:
        return None
    start = max(0, file.size - TAIL)
    tail = file.some(start, TAIL)
    at = len(tail)
    while (at := tail.rfind(b"OggS", 0, at)) >= 0:
        page = tail[at : at + 27]
        if len(page) < 27 or page[4]:
            continue
        if page[14:18] != serial:
            return None  # several streams, one after or beside the other
        position = int.from_bytes(page[6:14], "little", signed=True)
        if position >= 0:
            return _seconds(max(0, position - skipped), rate) if position else None
    return None


def _mpeg(file: _Header, start: int) -> float | None:
    """By the count that encoders leave in the first frame, or where all frames are equally large by the file's size."""
    window = file.some(start, MPEG_WINDOW)
    for match in MPEG_SYNC.finditer(window):
        begin = match.start()
        after = _after(window, begin)
        if after and (after > len(window) - 4 or _after(window, after)):  # sound may look like a frame once, not twice
            break
    else:
        raise _Untold  # decoders look further
    samples, rate, size = _frame(window[begin:]) or (0, 0, 1.0)
    for place in XING_AT:
        tag = window[begin + place :][:160]
        if tag[:4] in (b"Xing", b"Info"):
            return _counted(tag, samples, rate)
    if window[begin + 36 : begin + 40] == b"VBRI":
        return _seconds(int.from_bytes(window[begin + 50 : begin + 54], "big") * samples, rate)
    at, sizes = begin, {size}
    while (frame := _frame(window[at:])) is not None:
        sizes.add(frame[2])
        at = _after(window, at)
    if len(sizes) > 1 or at < len(window) - 4:
        return None
    tagged = file.size >= 128 and file.some(file.size - 128, 3) == b"TAG"
    return _seconds(round((file.size - start - begin - 128 * tagged) / size) * samples, rate)


def _counted(tag: bytes, samples: int, rate: int) -> float | None:
    """Of a frame Xing or Info: its flags name the fields that follow (frames, bytes, a table, a quality); then LAME's,
    with 12 bits each of what the encoder put before and behind the sound."""
    flags = int.from_bytes(tag[4:8], "big")
    if not flags & 1 or len(tag) < 12:
        return None
    total = int.from_bytes(tag[8:12], "big") * samples
    lame = tag[12 + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1) :]
    if len(lame) >= 24 and lame[:4].isalnum():
        added = int.from_bytes(lame[21:24], "big")
        total -= (added >> 12) + (added & 0xFFF)
    return _seconds(max(0, total), rate) if total else None


def _after(window: bytes, at: int) -> int:
    """Where the frame ends that begins here; 0 where none does."""
    frame = _frame(window[at : at + 4])
    if frame is None:
        return 0
    slot = 4 if frame[0] == 384 else 1  # bytes: a frame is that much longer where it says that it is padded
    return at + slot * (int(frame[2] / slot) + (window[at + 2] >> 1 & 1))


def _frame(head: bytes) -> tuple[int, int, float] | None:
    """Samples, rate in Hz and bytes, without its padding, of the MPEG frame that begins so; None where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or not 0 < bits < 15 or index == 3:
        return None
    rate = (44_100, 48_000, 32_000)[index] // {3: 1, 2: 2, 0: 4}[version]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    kilobits = BITRATES[version == 3, layer][bits - 1]
    return samples, rate, samples * kilobits * 125 / rate
