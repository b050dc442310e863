"""Inbox: the records of CSV and TSV text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.table.header import MOST_TITLE_ROWS, meaning_of

DELIMITERS = (",", ";", "\t", "|")
# Excel's own line, as other programs have quoted it or filled it up to the table's width: "sep=;", sep=,,,
_EXCEL_SEPARATOR = re.compile(r"[\"']?\s*sep\s*=\s*(.|\\t|tab)[\"']?[\s,;|\"]*", re.IGNORECASE)
_LONGEST_LINE = 1 << 17  # characters


class CsvText:
    """The records of a CSV file, readable any number of times without holding them."""

    place: str | None = None

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._start = 0
        while data.startswith(codecs.BOM_UTF8, self._start):
            self._start += len(codecs.BOM_UTF8)
        text = self._text()
        self._skipped = 0
        named = None
        lines = [text.readline(_LONGEST_LINE)]
        if excel := _EXCEL_SEPARATOR.fullmatch(lines[0]):
            named, self._skipped, lines = excel[1].lower(), 1, []
        while len(lines) < 1 + MOST_TITLE_ROWS and (line := text.readline(_LONGEST_LINE)):
            lines.append(line)
        named = "\t" if named in ("\\t", "tab") else named
        self.delimiter = named if named in DELIMITERS else _delimiter_of(lines)

    @property
    def decimal_comma(self) -> bool:
        """Spreadsheets that write a decimal comma separate cells by semicolons, or by tabs."""
        return self.delimiter in (";", "\t")

    def records(self, problems: Problems) -> Iterator[tuple[int, int, list[str]]]:
        """(line where it starts, line where it ends, cells) of each record."""
        text = self._text()
        for _ in range(self._skipped):
            text.readline()
        reader = csv.reader(text, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        line = self._skipped + 1
        try:
            for cells in reader:
                last = self._skipped + reader.line_num
                yield line, last, cells
                line = last + 1
        except csv.Error as error:
            problems.add(_explain(error), line)

    def _text(self) -> io.TextIOWrapper:
        raw = io.BytesIO(self._data)
        raw.seek(self._start)
        return io.TextIOWrapper(raw, encoding="utf-8", newline="")


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quotation mark that opens on or below this line is never closed"
    if "field larger" in text:
        return (
            f"a cell has more than {csv.field_size_limit():,} characters; "
            "perhaps a quotation mark that opens on or below this line is never closed"
        )
    return 'text follows a closing quotation mark; inside quotes, write a quotation mark twice: "a 7"" single"'


def _delimiter_of(lines: list[str]) -> str:
    """The delimiter under which the first line with words names most fields we know; then most fields at all. Where it
    names none, it may be a title, and the lines below are asked."""

    def score(line: str, delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        return sum(len(name) < 60 and meaning_of(name).field is not None for name in names), len(names)

    filled = [line for line in lines if line.strip()]
    for line in filled:
        best = max(DELIMITERS, key=lambda delimiter: score(line, delimiter))
        if score(line, best)[0]:
            return best
    return max(DELIMITERS, key=lambda delimiter: score(filled[0], delimiter)) if filled else ","
