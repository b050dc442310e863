"""Inbox: the XML files in a spreadsheet's ZIP archive, read in pieces and within bounds.

A workbook of a few kilobytes may unpack to gigabytes; so what is unpacked is counted, and so are cells and characters.
What a small file may cost is bounded lower than what a large one may: programs' own files unpack to 5 to 60 times their
size, with 1 to 3 tags for each of their bytes, and one that was made to be costly to 1,000 times, with 250.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from typing import Any
from xml.parsers import expat

MOST_BYTES = 256 << 20  # unpacked, of one member; 100,000 rows are some 40 MB
LEAST_BYTES, BYTES_A_BYTE = 24 << 20, 100  # of all members, and as many more for each byte of the file
LEAST_TAGS, TAGS_A_BYTE = 800_000, 5  # the same of tags; reading a million takes one to two seconds
MOST_CELLS = 2_000_000  # of one sheet, blank ones too
MOST_COLUMNS = 2_000
MOST_TEXT = 64 << 20  # bytes of the texts of all cells in memory
LONGEST_CELL = 131_072  # characters, as in CSV
LONGEST_READ_S = 30.0
_PIECE = 1 << 16
_NO_TEXT = sys.getsizeof("") - 1
_LONGEST_FOUND = 120  # bytes
_LONGEST_TOKEN = 1 << 21  # bytes; a tag or a text that is longer is an attack

_TOO_LARGE = "is too large when unpacked; share its rows among several files"

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


class Unreadable(Exception):
    """The spreadsheet cannot be read; the text says why."""


def heft(text: str) -> int:
    """Bytes of its characters in memory; a single one beyond U+FFFF makes each take four."""
    return sys.getsizeof(text) - _NO_TEXT


class SheetReader:
    """What the readers of a sheet's XML count, whichever program wrote it. Raises Unreadable at the bounds."""

    def __init__(self) -> None:
        self._read = self._size = self._length = 0
        self._parts: list[str] = []  # of a cell's text

    def count(self, cells: int, size: int = 0) -> None:
        """Count cells, and bytes of text that are kept."""
        self._read += cells
        self._size += size
        if self._read > MOST_CELLS or self._size > MOST_TEXT:
            raise Unreadable(f"has more than {MOST_CELLS:,} cells or too much text; share its rows among several files")

    def begin_cell(self) -> None:
        self.count(1)
        self._parts, self._length = [], 0

    def add(self, text: str) -> None:
        """More of the cell's text."""
        self._parts.append(text)
        self._length += len(text)
        if self._length > LONGEST_CELL:
            raise Unreadable(f"has a cell of more than {LONGEST_CELL:,} characters")

    def place(self, cells: list[str], column: int, text: str) -> None:
        """Put a text into a column of a row, after blank cells where it has fewer."""
        if column >= MOST_COLUMNS:
            raise Unreadable(f"has more than {MOST_COLUMNS:,} columns")
        self.count(0, heft(text))
        cells += [""] * (column + 1 - len(cells))
        cells[column] = text


class _Local(dict[str, str]):
    """Names without their namespace, each cut once: there are millions."""

    def __missing__(self, name: str) -> str:
        found = self[name] = name.rpartition(" ")[2]
        return found


class Archive:
    """A spreadsheet's members. Raises Unreadable where the bytes are no archive."""

    def __init__(self, data: bytes) -> None:
        self._deadline = time.monotonic() + LONGEST_READ_S
        self._bytes = LEAST_BYTES + BYTES_A_BYTE * len(data)
        self._tags = LEAST_TAGS + TAGS_A_BYTE * len(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.names = frozenset(self._zip.namelist())
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, OverflowError) as error:
            raise Unreadable("is no whole workbook: the file is damaged, or was not fully copied") from error

    def parse(
        self, member: str, start: Start, end: End | None = None, text: End | None = None, *, only: Collection[str] = ()
    ) -> Iterator[None]:
        """Reads a member piece by piece, telling the three of what stands in it; names come without their namespace.
        With `only`, `start` is told of these elements alone, which costs a quarter.

        Raises Unreadable; stops after each piece, so that what was gathered can be taken.
        """
        local = _Local()

        def begun(name: str, attributes: dict[str, str]) -> None:
            if only:
                if local[name] not in only:
                    return
                self.spend(1)
            start(local[name], {local[key]: value for key, value in attributes.items()} if attributes else attributes)

        def refused(*_: Any) -> None:
            raise Unreadable("contains a document type, as no spreadsheet program writes it")

        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = begun
        if end is not None:
            parser.EndElementHandler = lambda name: end(local[name])
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = refused
        size, share = 0, 4 if only else 1
        try:
            with self._zip.open(member) as file:
                while piece := file.read(_PIECE):
                    size += len(piece)
                    tags = piece.count(b"<") + piece.count(b"=") // 4
                    self._bytes -= len(piece) // share
                    self.spend(tags // share)
                    if size > MOST_BYTES or time.monotonic() > self._deadline or len(local) > 10_000:
                        raise Unreadable(_TOO_LARGE)
                    parser.Parse(piece, False)
                    if size - parser.CurrentByteIndex > _LONGEST_TOKEN:
                        raise Unreadable("is damaged: something in it does not end")
                    yield
            parser.Parse(b"", True)
            yield
        except KeyError:
            raise Unreadable(f"is no workbook: {member} is not in it") from None
        except (expat.ExpatError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise Unreadable(f"is damaged ({error})") from None
        except (RuntimeError, NotImplementedError):  # a password, a compression nobody uses here
            raise Unreadable("is protected by a password, or packed in an unusual way; save it without") from None

    def spend(self, tags: int) -> None:
        """Count what costs as much as so many tags. Raises Unreadable where the file may not cost that."""
        self._tags -= tags
        if self._tags < 0 or self._bytes < 0:
            raise Unreadable(_TOO_LARGE)

    def find(self, member: str, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """What the pattern finds in a member's bytes, none of it longer than a tag; damage is left to `parse`."""
        size, rest = 0, b""
        damage = KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError
        with contextlib.suppress(*damage), self._zip.open(member) as file:
            while (piece := file.read(_PIECE)) and size < MOST_BYTES and time.monotonic() < self._deadline:
                size += len(piece)
                self._bytes -= len(piece) // 4
                self.spend(0)
                rest += piece
                last = 0
                for found in pattern.finditer(rest):
                    yield found
                    last = found.end()
                rest = rest[max(last, len(rest) - _LONGEST_FOUND) :]

    def read(
        self, member: str, start: Start, end: End | None = None, text: End | None = None, *, only: Collection[str] = ()
    ) -> None:
        for _ in self.parse(member, start, end, text, only=only):
            pass
