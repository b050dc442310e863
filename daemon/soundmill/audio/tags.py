"""The audio room, tags: what a clip is, written into its file where players show it.

Every file carries title, artist, software, licence and, as the comment, one line of JSON with all tags. No
date is written, so the same clip is the same bytes. Vorbis comments (FLAC, OGG) are libsndfile's; the RIFF INFO list
and the ID3 tag are ours, because libsndfile loses long comments in WAV and writes non-Latin titles wrongly in MP3.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import soundfile

TITLE_LENGTH = 120  # characters; longer ones are cut off by most players anyway
MIDDLE_C = 60
JSON_FRAME = "soundmill"  # description of the ID3 TXXX frame that holds the JSON

INFO_CHUNKS = {"title": b"INAM", "artist": b"IART", "software": b"ISFT", "copyright": b"ICOP", "comment": b"ICMT"}
ID3_FRAMES = {"title": b"TIT2", "artist": b"TPE1", "software": b"TSSE", "copyright": b"TCOP"}
ID3_ENCODINGS = {b"\0": "latin-1", b"\1": "utf-16", b"\2": "utf-16-be", b"\3": "utf-8"}
VORBIS_FIELDS = ("title", "artist", "software", "copyright", "license", "comment")


def player_fields(tags: Mapping[str, str]) -> dict[str, str]:
    """The fields players know, from tags as `prompt`, `model`, `licence`, and all tags as JSON in `comment`.

    Empty for no tags. The JSON is pure ASCII, since a RIFF list does not say its encoding.
    """
    if not tags:
        return {}
    licence = tags.get("licence") or tags.get("license") or ""
    fields = {
        "title": shorten(tags.get("prompt", "")),
        "artist": f"Soundmill ({tags['model']})" if tags.get("model") else "Soundmill",
        "software": "Soundmill",
        "copyright": licence,
        "license": licence,
        "comment": json.dumps(dict(tags), separators=(",", ":")),
    }
    return {name: _plain(text) for name, text in fields.items() if text}


def shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def _plain(text: str) -> str:
    """Without what no container can hold: NUL ends a field early, lone surrogates have no UTF-8."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def add_chunks(wav: bytes, chunks: bytes) -> bytes:
    """The RIFF file with these chunks at its end."""
    content = wav[8:] + b"\0" * (len(wav) % 2) + chunks
    return b"RIFF" + struct.pack("<I", len(content)) + content


def info_list(fields: Mapping[str, str]) -> bytes:
    """The LIST/INFO chunk of the fields (Multimedia Programming Interface 1.0, 1991)."""
    texts = (chunk(ident, fields[name].encode() + b"\0") for name, ident in INFO_CHUNKS.items() if name in fields)
    return chunk(b"LIST", b"INFO" + b"".join(texts))


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def sampler(first: int, last: int, sample_rate: int) -> bytes:
    """The content of the chunk `smpl`: one endless forward loop from a first sample to a last, both played (Microsoft
    and IBM, "New Multimedia Data Types and Data Techniques", 1994)."""
    period_ns = round(1e9 / sample_rate)
    head = struct.pack("<9I", 0, 0, period_ns, MIDDLE_C, 0, 0, 0, 1, 0)
    return head + struct.pack("<6I", 0, 0, first, last, 0, 0)


def id3_tag(fields: Mapping[str, str], more: Mapping[str, str] | None = None, xmp: bytes = b"") -> bytes:
    """An ID3v2.3 tag of the fields (id3.org, informal standard of 1999); 2.3 with UTF-16 is what every player reads.

    `more` become frames that name themselves (TXXX), an XMP packet the private frame XMP (XMP Specification Part 3).
    """
    frames = b"".join(_frame(name, b"\1" + _utf16(fields[key])) for key, name in ID3_FRAMES.items() if key in fields)
    if "comment" in fields:
        end = b"\0\0"
        frames += _frame(b"COMM", b"\1eng" + _utf16("") + end + _utf16(fields["comment"]))
        frames += _frame(b"TXXX", b"\1" + _utf16(JSON_FRAME) + end + _utf16(fields["comment"]))
    for name, text in (more or {}).items():
        frames += _frame(b"TXXX", b"\1" + _utf16(name) + b"\0\0" + _utf16(text))
    if xmp:
        frames += _frame(b"PRIV", b"XMP\0" + xmp)
    size = len(frames)
    synchsafe = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + synchsafe + frames


def _frame(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">IH", len(body), 0) + body


def _utf16(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


def read_tags(source: bytes | Path) -> dict[str, str]:
    """The tags a file of ours was written with; empty for a file without them, or of another's making.

    Raises OSError when the path cannot be read.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        tags = json.loads(_comment(data))
    except (ValueError, LookupError, struct.error, soundfile.LibsndfileError):
        return {}
    return {str(key): str(value) for key, value in tags.items()} if isinstance(tags, dict) else {}


def _comment(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return dict(_info_fields(data))[b"ICMT"]
    start = _id3_end(data)  # FLAC files that were signed begin with an ID3 tag, too
    if data[start : start + 4] in (b"fLaC", b"OggS"):
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            return str(file.comment)
    return _id3_json(data) if start else ""


def _info_fields(data: bytes) -> Iterator[tuple[bytes, str]]:
    for name, body in _chunks(data, 12):
        if name == b"LIST" and body[:4] == b"INFO":
            for field, text in _chunks(body, 4):
                yield field, text.rstrip(b"\0").decode("utf-8", "replace")


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _id3_end(data: bytes) -> int:
    """Where what follows an ID3v2 tag begins; 0 where there is none."""
    return 10 + _synchsafe(data[6:10]) if data[:3] == b"ID3" and len(data) >= 10 else 0


def _synchsafe(four: bytes) -> int:
    """A number of seven bits to a byte (ID3v2.4, section 6.2)."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=True))


def _id3_json(data: bytes) -> str:
    """The JSON of an ID3 tag of version 2.3, as written here, or 2.4, as other programs write it anew."""
    end = _id3_end(data)
    at = 10
    while at + 10 <= min(end, len(data)):
        name, size, _ = struct.unpack_from(">4sIH", data, at)
        if data[3] >= 4:
            size = _synchsafe(data[at + 4 : at + 8])
        body = data[at + 10 : at + 10 + size]
        if name == b"TXXX" and body[:1] in ID3_ENCODINGS:
            description, _, text = body[1:].decode(ID3_ENCODINGS[body[:1]], "replace").partition("\0")
            if description.strip("\ufeff") == JSON_FRAME:
                return text.strip("\ufeff\0")
        at += 10 + size
    return ""
