"""Inbox: the XML files in a spreadsheet's ZIP archive, read in pieces and within bounds.

A workbook of a few kilobytes may unpack to gigabytes; so what is unpacked is counted, and so are cells and characters.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

MOST_BYTES = 256 << 20  # unpacked, of one member; 100,000 rows are some 40 MB
MOST_CELLS = 2_000_000  # of one sheet, blank ones too
MOST_COLUMNS = 2_000
MOST_TEXT = 64 << 20  # characters of all cells
LONGEST_CELL = 131_072  # characters, as in CSV
LONGEST_READ_S = 30.0
_PIECE = 1 << 16
_LONGEST_FOUND = 120  # bytes
_LONGEST_TOKEN = 1 << 21  # bytes; a tag or a text that is longer is an attack

Start = Callable[[str, dict[str, str]], None]


class Unreadable(Exception):
    """The spreadsheet cannot be read; the text says why."""


class Archive:
    """A spreadsheet's members. Raises Unreadable where the bytes are no archive."""

    def __init__(self, data: bytes) -> None:
        self._deadline = time.monotonic() + LONGEST_READ_S
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.names = frozenset(self._zip.namelist())
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, OverflowError) as error:
            raise Unreadable("is no whole workbook: the file is damaged, or was not fully copied") from error

    def parse(
        self, member: str, start: Start, end: Callable[[str], None], text: Callable[[str], None]
    ) -> Iterator[None]:
        """Reads a member piece by piece, telling the three of what stands in it; names come without their namespace.

        Raises Unreadable; stops after each piece, so that what was gathered can be taken.
        """
        local: dict[str, str] = {}

        def name_of(name: str) -> str:
            found = local.get(name)
            if found is None:
                found = local[name] = name.rpartition(" ")[2]
            return found

        def begun(name: str, attributes: dict[str, str]) -> None:
            start(name_of(name), {name_of(key): value for key, value in attributes.items()})

        def refused(*_: Any) -> None:
            raise Unreadable("contains a document type, as no spreadsheet program writes it")

        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = begun
        parser.EndElementHandler = lambda name: end(name_of(name))
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = refused
        size = 0
        try:
            with self._zip.open(member) as file:
                while piece := file.read(_PIECE):
                    size += len(piece)
                    if size > MOST_BYTES or time.monotonic() > self._deadline or len(local) > 10_000:
                        raise Unreadable("is too large when unpacked; share its rows among several files")
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

    def find(self, member: str, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """What the pattern finds in a member's bytes, none of it longer than a tag; damage is left to `parse`."""
        size, rest = 0, b""
        damage = KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError
        with contextlib.suppress(*damage), self._zip.open(member) as file:
            while (piece := file.read(_PIECE)) and size < MOST_BYTES and time.monotonic() < self._deadline:
                size += len(piece)
                rest += piece
                last = 0
                for found in pattern.finditer(rest):
                    yield found
                    last = found.end()
                rest = rest[max(last, len(rest) - _LONGEST_FOUND) :]

    def read(self, member: str, start: Start, end: Callable[[str], None], text: Callable[[str], None]) -> None:
        for _ in self.parse(member, start, end, text):
            pass
