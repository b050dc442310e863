"""Inbox: a spreadsheet's records — those of the sheet named jobs, or of the first."""

from __future__ import annotations

import marshal
from collections.abc import Iterator

from soundmill.inbox.jobfile.problems import Problems, shorten
from soundmill.inbox.jobfile.table.archive import MOST_TEXT, Archive, Unreadable
from soundmill.inbox.jobfile.table.opendocument import OpenDocument
from soundmill.inbox.jobfile.table.workbook import Workbook

_CHUNK = 1000  # rows kept together
_OLD = b"\xd0\xcf\x11\xe0"


class Sheet:
    """The records of a spreadsheet, readable any number of times: unpacked once, and kept as bytes to be small."""

    delimiter = ""
    decimal_comma = True  # of a number that was typed as a text; other numbers have no comma

    def __init__(self, data: bytes, problems: Problems) -> None:
        self.place: str | None = None
        self._chunks: list[bytes] = []
        try:
            self._read(data)
        except Unreadable as error:
            problems.add(str(error), None)

    def records(self, problems: Problems) -> Iterator[tuple[int, int, list[str]]]:
        """(row, the same row, cells) of each row."""
        for chunk in self._chunks:
            for row, cells in marshal.loads(chunk):
                yield row, row, cells

    def _read(self, data: bytes) -> None:
        if data.startswith(_OLD):
            raise Unreadable("is an old Excel file, or protected by a password; save it as .xlsx without one")
        if not data.startswith(b"PK"):
            raise Unreadable("is not a spreadsheet, whatever its name; save it as .xlsx, .ods or .csv")
        archive = Archive(data)
        book = OpenDocument(archive) if "content.xml" in archive.names else Workbook(archive)
        if not book.sheets:
            raise Unreadable("has no sheet")
        named = (i for i, (name, _) in enumerate(book.sheets) if name.strip().casefold() == "jobs")
        seen = (i for i, (_, visible) in enumerate(book.sheets) if visible)
        chosen = next(named, next(seen, 0))
        self.place = f"sheet {shorten(book.sheets[chosen][0][:40])}, row"
        size = 0
        kept = []
        for each in book.rows(chosen):
            kept.append(each)
            if len(kept) == _CHUNK:
                self._chunks.append(marshal.dumps(kept))
                size += len(self._chunks[-1])
                if size > 4 * MOST_TEXT:
                    raise Unreadable("has too much text; share its rows among several files")
                kept = []
        self._chunks.append(marshal.dumps(kept))
