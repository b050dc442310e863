"""Inbox: what is a job file at all, by its name and its bytes, before any parser sees it."""

from __future__ import annotations

import codecs

from soundmill.inbox.jobfile.problems import Problems

TABLE_SUFFIXES = (".csv", ".tsv")
YAML_SUFFIXES = (".yaml", ".yml")
SHEET_SUFFIXES = (".xlsx", ".ods")
JOB_SUFFIXES = TABLE_SUFFIXES + SHEET_SUFFIXES + YAML_SUFFIXES
_SAVE = "save the file as UTF-8 (in Excel: Save As, CSV UTF-8)"
_MAGIC = (
    (b"PK\x03\x04", "this is an Excel workbook or a ZIP archive, not a text file; in Excel choose Save As, CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "this is an old Excel or Word file, not a text file; in Excel choose Save As, CSV UTF-8"),
    (b"%PDF", "this is a PDF, not a job file"),
    (b"\x1f\x8b", "this file is compressed (gzip); unpack it first"),
    (b"RIFF", "this is an audio file, not a job file"),
    (b"fLaC", "this is an audio file, not a job file"),
    (b"OggS", "this is an audio file, not a job file"),
    (b"ID3", "this is an audio file, not a job file"),
    (b"SQLite format 3", "this is a database, not a job file"),
)
_CHUNK = 1 << 20


def check_text(data: bytes, problems: Problems) -> None:
    """Tells `problems` what the bytes are if they are not UTF-8 text."""
    if not data.strip():
        problems.add("the file is empty", None)
        return
    for magic, message in _MAGIC:
        if data.startswith(magic):
            problems.add(message, None)
            return
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        problems.add(f"the file is in UTF-32; {_SAVE}", None)
        return
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _looks_like_utf16(data):
        problems.add(f"the file is in UTF-16 (Excel calls it Unicode Text); {_SAVE}", None)
        return
    nul = data.find(b"\0")
    if nul >= 0:
        problems.add("contains a NUL byte: the file is damaged, or not a text file", line_at(data, nul))
        return
    bad = _first_undecodable(data)
    if bad is not None:
        byte = f"0x{data[bad]:02X}"
        latin = data[bad : bad + 1].decode("cp1252", "replace")
        shown = f", {latin} in Windows-1252 or Latin-1" if latin.isprintable() and latin != "\ufffd" else ""
        problems.add(f"the file is not in UTF-8 (byte {byte}{shown}); {_SAVE}", line_at(data, bad))
        return


def line_at(data: bytes, offset: int) -> int:
    """1-based line of a byte."""
    return data.count(b"\n", 0, offset) + 1


def _looks_like_utf16(data: bytes) -> bool:
    """Latin text in UTF-16 has a NUL in every other byte, whichever the byte order."""
    head = data[:512]
    half = len(head) // 2
    return half >= 2 and max(head[0::2].count(0), head[1::2].count(0)) > 0.8 * half


def _first_undecodable(data: bytes) -> int | None:
    """Offset of the first byte that is not UTF-8. Decodes in pieces: a whole second copy would cost memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    for start in range(0, len(data), _CHUNK):
        end = start + _CHUNK
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(view[start:end], final=end >= len(data))
        except UnicodeDecodeError as error:
            return start - pending + error.start
    return None
