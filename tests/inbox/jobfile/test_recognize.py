"""What a job file's bytes are, before any parser sees them."""

from __future__ import annotations

import codecs

import pytest

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.recognize import check_text

CHUNK = 1 << 20  # bytes that are decoded at once
SAVE = "save the file as UTF-8 (in Excel: Save As, CSV UTF-8)"
UTF_16 = f"the file is in UTF-16 (Excel calls it Unicode Text); {SAVE}"
UTF_32 = f"the file is in UTF-32; {SAVE}"
NUL = "contains a NUL byte: the file is damaged, or not a text file"
AUDIO = "this is an audio file, not a job file"


def said(data: bytes) -> str | None:
    problems = Problems()
    check_text(data, problems)
    try:
        problems.raise_if_any()
    except InvalidJobFile as refused:
        return str(refused)
    return None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the file is empty"),
        (b" \n\t\r\n", "the file is empty"),
        (b"x", None),
        (
            b"PK\x03\x04x",
            "this is an Excel workbook or a ZIP archive, not a text file; in Excel choose Save As, CSV UTF-8",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1",
            "this is an old Excel or Word file, not a text file; in Excel choose Save As, CSV UTF-8",
        ),
        (b"%PDF-1.7", "this is a PDF, not a job file"),
        (b"\x1f\x8b\x08", "this file is compressed (gzip); unpack it first"),
        (b"RIFF1234WAVE", AUDIO),
        (b"fLaC\0", AUDIO),
        (b"OggS\0", AUDIO),
        (b"ID3\x04", AUDIO),
        (b"SQLite format 3\0", "this is a database, not a job file"),
        (b"xPK\x03\x04", None),
        (codecs.BOM_UTF32_LE + "prompt".encode("utf-32-le"), UTF_32),
        (codecs.BOM_UTF32_BE + "prompt".encode("utf-32-be"), UTF_32),
        (codecs.BOM_UTF16_LE + "提示".encode("utf-16-le"), UTF_16),
        (codecs.BOM_UTF16_BE + "提示".encode("utf-16-be"), UTF_16),
        ("prompt\ncalm\n".encode("utf-16-le"), UTF_16),
        ("prompt\ncalm\n".encode("utf-16-be"), UTF_16),
        ("ab".encode("utf-16-le"), UTF_16),
        ("a".encode("utf-16-le"), f"line 1: {NUL}"),
        (b"a\0" * 9 + b"bc", UTF_16),
        (b"a\0" * 8 + b"bcde", f"line 1: {NUL}"),
        (b"\0a" * 204 + b"bc" * 52 + b"\0\0", f"line 1: {NUL}"),  # of the beginning, which is 512 bytes, 80 % or less
        (b"\0a" * 205 + b"bc" * 900, UTF_16),
        (b"\n\0abcd", f"line 2: {NUL}"),
        (b"a\nb\nc\0d\n\0", f"line 3: {NUL}"),
        (b"a\ncaf\xe9", f"line 2: the file is not in UTF-8 (byte 0xE9, é in Windows-1252 or Latin-1); {SAVE}"),
        (b"\n\x81x", f"line 2: the file is not in UTF-8 (byte 0x81); {SAVE}"),
        (b"\xa0x", f"line 1: the file is not in UTF-8 (byte 0xA0); {SAVE}"),
        ("prompt\nhärp".encode(), None),
        (b"\xef\xbb\xbfprompt", None),
    ],
)
def test_what_the_bytes_are(data: bytes, expected: str | None) -> None:
    assert said(data) == expected


def test_a_letter_may_lie_across_the_pieces_that_are_decoded() -> None:
    begun = b"x" + b"\n" * (CHUNK - 2)
    assert said(begun + "ä".encode() + b"\n") is None
    assert said(begun + "ä雨".encode() * CHUNK) is None
    place = f"line {CHUNK - 1}: the file is not in UTF-8 (byte 0xC3, Ã in Windows-1252 or Latin-1); {SAVE}"
    assert [said(begun + end) for end in (b"\xc3", b"\xc3(", b"\xc3(\n" + b"x" * CHUNK)] == [place] * 3
    assert said(b"\n" * CHUNK + b"x\n\xff") == f"line {CHUNK + 2}: the file is not in UTF-8 (byte 0xFF, ÿ in " + (
        f"Windows-1252 or Latin-1); {SAVE}"
    )
