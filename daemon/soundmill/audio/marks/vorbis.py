"""Marks, Vorbis comments: put into a FLAC, Ogg Vorbis or Opus file in place of those libsndfile wrote, for it knows ten
names alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from soundmill.audio.encode import ogg_crc

COMMENT_BLOCK = 4
MOST_LACED = 255  # segments of a page
CONTINUED, FIRST = 1, 2  # flags of a page
HEADERS = {b"\x01vorbis": 3, b"OpusHead": 2}  # packets before the sound
VORBIS, OPUS = b"\x03vorbis", b"OpusTags"


def comment_header(vendor: bytes, comments: Mapping[str, str]) -> bytes:
    """Vorbis I specification, section 5.2.1, without the framing bit."""
    fields = [f"{name.upper()}={text}".encode() for name, text in comments.items()]
    listed = b"".join(struct.pack("<I", len(field)) + field for field in fields)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(fields)) + listed


def _vendor(header: bytes) -> bytes:
    size = int.from_bytes(header[:4], "little")
    return header[4 : 4 + size]


def with_flac_comments(flac: bytes, comments: Mapping[str, str]) -> bytes:
    """The FLAC file with these comments alone (RFC 9639, section 8.6)."""
    kept, at, last, vendor = list[tuple[int, bytes]](), 4, False, b""
    while not last:
        last, kind = bool(flac[at] & 0x80), flac[at] & 0x7F
        size = int.from_bytes(flac[at + 1 : at + 4], "big")
        body = flac[at + 4 : at + 4 + size]
        if kind == COMMENT_BLOCK:
            vendor = _vendor(body)
        else:
            kept.append((kind, body))
        at += 4 + size
    kept.insert(1, (COMMENT_BLOCK, comment_header(vendor, comments)))  # the stream's description comes first
    blocks = b"".join(
        bytes([kind | (0x80 if n == len(kept) - 1 else 0)]) + len(body).to_bytes(3, "big") + body
        for n, (kind, body) in enumerate(kept)
    )
    return flac[:4] + blocks + flac[at:]


def with_ogg_comments(ogg: bytes, comments: Mapping[str, str], serial: int) -> bytes:
    """The Ogg file of one Vorbis or Opus stream with these comments alone and this serial number.

    The sound begins on a page of its own (Vorbis I specification, appendix A.2; RFC 7845, section 3), so the pages of
    the headers are made anew and those after them only numbered anew.
    """
    pages = list(_pages(ogg))
    due = next(count for start, count in HEADERS.items() if pages[0][2].startswith(start))
    packets, used, open_ = list[bytes](), 0, b""
    while len(packets) < due:
        _, laces, body = pages[used]
        at = 0
        for lace in laces:
            open_ += body[at : at + lace]
            at += lace
            if lace < 255:
                packets.append(open_)
                open_ = b""
        used += 1
    if packets[1].startswith(VORBIS):
        packets[1] = VORBIS + comment_header(_vendor(packets[1][7:]), comments) + b"\1"
    else:
        packets[1] = OPUS + comment_header(_vendor(packets[1][8:]), comments)
    made = list[bytes]()
    for laces, body, continued in [*_laced(packets[:1]), *_laced(packets[1:])]:
        kind = (FIRST if not made else 0) | (CONTINUED if continued else 0)
        granule = bytes(8) if min(laces) < 255 else b"\xff" * 8  # no packet ends on this page
        made.append(_page(kind, granule, serial, len(made), laces, body))
    for head, laces, body in pages[used:]:
        made.append(_page(head[5], head[6:14], serial, len(made), laces, body))
    return b"".join(made)


def _pages(ogg: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Head, lacing values and content of every page (RFC 3533, section 6)."""
    at = 0
    while ogg[at : at + 4] == b"OggS":
        laces = ogg[at + 27 : at + 27 + ogg[at + 26]]
        start = at + 27 + len(laces)
        yield ogg[at : at + 27], laces, ogg[start : start + sum(laces)]
        at = start + sum(laces)


def _laced(packets: list[bytes]) -> list[tuple[bytes, bytes, bool]]:
    """Lacing values and content of the pages of these packets, and whether a page goes on with a packet."""
    laces = b"".join(bytes([255]) * (len(each) // 255) + bytes([len(each) % 255]) for each in packets)
    content, at, pages = b"".join(packets), 0, list[tuple[bytes, bytes, bool]]()
    for start in range(0, len(laces), MOST_LACED):
        part = laces[start : start + MOST_LACED]
        pages.append((part, content[at : at + sum(part)], start > 0 and laces[start - 1] == 255))
        at += sum(part)
    return pages


def _page(kind: int, granule: bytes, serial: int, number: int, laces: bytes, body: bytes) -> bytes:
    head = b"OggS\0" + bytes([kind]) + granule + struct.pack("<II", serial, number)
    rest = bytes([len(laces)]) + laces + body
    return head + struct.pack("<I", ogg_crc(head + bytes(4) + rest)) + rest
